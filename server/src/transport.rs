//! The agents' door: HTTP on `server.listen`, with MCP in both its eras on
//! `/mcp`. Here a request gets its principal; what that may do is for the core
//! to say.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    routing::{any, get},
};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use server_core::{gateway::Gateway, id::AgentId};
use tokio::time::{self, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use crate::{
    mcp::{Audience, Handler, PACE},
    readiness::Readiness,
};
use bodies::Bodies;
use cancels::Cancels;
use refusal::Refusal;
use sessions::Sessions;
use throttle::Throttle;

pub(crate) mod bearer;
mod bodies;
mod body;
mod cancels;
pub(crate) mod client;
pub(crate) mod connections;
mod early;
mod endpoint;
pub(crate) mod held;
mod listeners;
mod message;
pub(crate) mod names;
mod probes;
pub(crate) mod refusal;
mod sessions;
pub(crate) mod throttle;

pub use listeners::{ListenError, Listeners, Prepared};
pub use throttle::Witness;

/// How long calls in flight may go on when the server is to stop.
const DRAIN: Duration = Duration::from_secs(20);

/// How long the last words to those that did not finish may take to leave.
const LINGER: Duration = Duration::from_secs(2);

/// How often what nobody uses is searched for: sessions, and counters.
const REAP_EVERY: Duration = Duration::from_secs(60);

/// What serving needs and keeps. A clone is the same one.
#[derive(Clone)]
pub struct Door(Arc<Shared>);

struct Shared {
    gateway: Arc<Gateway>,
    readiness: Arc<Readiness>,
    audience: Arc<Audience>,
    sessions: Arc<Sessions>,
    throttle: Throttle,
    bodies: Arc<Bodies>,
    cancels: Arc<Cancels>,
    /// See [`early`].
    pace: Duration,
    rmcp: StreamableHttpService<Handler, Sessions>,
    calls: TaskTracker,
    /// Ends the streams that would go on for ever.
    draining: CancellationToken,
    /// Ends the calls that did not finish in time.
    cut: CancellationToken,
    /// Ends whatever rmcp still has.
    stopped: CancellationToken,
}

impl Door {
    /// A door to `gateway`. The witness hears of everybody who has no valid token.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>, readiness: Arc<Readiness>, witness: Witness) -> Self {
        Self::with_pace(gateway, readiness, witness, PACE)
    }

    /// The same, where clients are told every `pace` that a call still runs.
    #[must_use]
    pub fn with_pace(
        gateway: Arc<Gateway>,
        readiness: Arc<Readiness>,
        witness: Witness,
        pace: Duration,
    ) -> Self {
        let (draining, cut, stopped) =
            (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let audience = Audience::new(gateway.live().clone(), draining.clone());
        let sessions = Sessions::new(audience.clone(), draining.clone());
        let handler = Handler::new(gateway.clone(), audience.clone(), cut.clone(), pace);
        // Host and Origin are checked before, by the current configuration.
        let config = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_json_response(true)
            .with_max_request_body_bytes(body::LIMIT)
            .with_cancellation_token(stopped.clone());
        let rmcp = StreamableHttpService::new(move || Ok(handler.clone()), sessions.clone(), config);
        let (throttle, calls) = (Throttle::new(witness), TaskTracker::new());
        let (bodies, cancels) = Default::default();
        Self(Arc::new(Shared {
            gateway,
            readiness,
            audience,
            sessions,
            throttle,
            bodies,
            cancels,
            pace,
            rmcp,
            calls,
            draining,
            cut,
            stopped,
        }))
    }

    /// What serves the connections of agents.
    pub fn router(&self) -> Router {
        router(self.0.clone())
    }

    /// How many sessions each agent has open.
    #[must_use]
    pub fn sessions(&self) -> BTreeMap<AgentId, usize> {
        self.0.sessions.by_agent()
    }

    /// To be called when another snapshot is in force, on the runtime: ends the
    /// calls, sessions and streams that began by what is revoked now, and tells
    /// clients whose lists differ. Says how many calls that were.
    pub fn reloaded(&self) -> usize {
        let snapshot = self.0.gateway.live().load();
        let calls = self.0.gateway.revoke(&snapshot);
        if calls > 0 {
            info!(target: "server", calls, generation = snapshot.generation.0, "calls in flight were revoked");
        }
        self.0.sessions.retain(&snapshot);
        self.0.audience.lists_changed();
        calls
    }
}

impl Shared {
    async fn reap(&self) {
        loop {
            time::sleep(REAP_EVERY).await;
            self.sessions.reap(Instant::now(), sessions::IDLE);
            self.gateway.forget_idle();
        }
    }

    /// Lets calls finish, and ends everything else.
    async fn drain(&self) {
        self.draining.cancel();
        self.calls.close();
        if timeout(DRAIN, self.calls.wait()).await.is_err() {
            warn!(target: "server", calls = self.calls.len(), "calls that did not finish in time are cut off");
            self.cut.cancel();
            self.cancels.cut();
            // What is left after that has a client that does not read.
            let _ = timeout(LINGER, self.calls.wait()).await;
        }
        self.stopped.cancel();
    }
}

/// Serves until `shutdown` is cancelled and calls have finished.
///
/// Until they have, connections are still taken: `/readyz` says that the server
/// is not ready any more, and new requests are told that it is stopping. At sockets
/// that a service manager handed over, they are left to the next process.
pub async fn serve(listeners: Listeners, door: Door, shutdown: CancellationToken) {
    let Door(shared) = door;
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = shared.reap() => {}
    }
    shared.draining.cancel();
    // Where the next process has the same socket, nobody needs to be refused: who
    // asks by a connection that is open is answered, everybody else waits for it.
    listeners.hand_over(DRAIN).await;
    shared.readiness.drain();
    shared.drain().await;
    listeners.end().await;
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/mcp", any(endpoint::answer))
        .route("/healthz", get(probes::health))
        .route("/readyz", get(probes::ready))
        // Clients without a token look for OAuth; they are to see at once that
        // there is none.
        .route("/.well-known/{*rest}", any(async || Refusal::NoOAuth))
        .route("/authorize", any(async || Refusal::NoOAuth))
        .route("/register", any(async || Refusal::NoOAuth))
        .route("/token", any(async || Refusal::NoOAuth))
        .method_not_allowed_fallback(async || Refusal::Method { allow: "GET, HEAD" })
        .fallback(async || Refusal::NotFound)
        .with_state(shared)
}

#[cfg(test)]
mod tests;

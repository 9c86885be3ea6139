//! The operator's door: HTTP on `admin.listen`, for metrics, status, explanations, budgets,
//! reload and rollback. Who comes in may change what every agent gets, so all of it asks for
//! the admin token, and none of it is for web pages.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Instant,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{
    header::{CONTENT_LENGTH, CONTENT_TYPE, ORIGIN},
    request,
};
use serde::Serialize;
use serde_json::Value;
use server_core::{gateway::Gateway, id::AgentId, redact::Redaction, secret::TokenDigest, snapshot::Live};
use tokio::task;

use crate::{
    audit::Audit,
    budget::Ledger,
    egress::Connector,
    llm::Models,
    readiness::Readiness,
    reload::{Control, ReloadStatus},
    transport::{
        Witness,
        bearer::{self, NoAccess},
        client,
        connections::Guest,
        held::Held,
        names::{self, Wire},
        refusal::Refusal,
        throttle::{Crowded, Throttle},
    },
};
use problem::Problem;

mod budgets;
mod calls;
mod explain;
mod metrics;
mod orders;
mod problem;
mod status;

pub use calls::CallMetrics;

/// What the door shows.
pub struct Sources {
    /// The snapshot in force.
    pub live: Arc<Live>,
    /// What runs.
    pub gateway: Arc<Gateway>,
    /// Whether the server is about to stop.
    pub readiness: Arc<Readiness>,
    /// How reloads went.
    pub reloads: Arc<ReloadStatus>,
    /// What became of calls.
    pub calls: Arc<CallMetrics>,
    /// What was spent on models.
    pub ledger: Ledger,
    /// What was asked of them.
    pub models: Models,
    /// What went out.
    pub connector: Connector,
    /// Hears what an operator does about it.
    pub audit: Audit,
    /// Knows what is not to be shown.
    pub redaction: Arc<Redaction>,
    /// How many sessions each agent has open.
    pub sessions: Box<dyn Fn() -> BTreeMap<AgentId, usize> + Send + Sync>,
    /// What is in memory for good although nothing uses it.
    pub retired: Box<dyn Fn() -> Retired + Send + Sync>,
}

/// Libraries of plugins that nothing uses any more, and that stay in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Retired {
    /// How many.
    pub libraries: usize,
    /// How large they are.
    pub bytes: u64,
}

/// The keys and addresses that are listened on now.
pub type Addresses = Box<dyn Fn() -> Vec<(&'static str, SocketAddr)> + Send + Sync>;

/// The door. A clone is the same one.
#[derive(Clone)]
pub struct Admin(Arc<Shared>);

struct Shared {
    sources: Sources,
    throttle: Throttle,
    begun: Instant,
    /// What exists only once the door does.
    parts: OnceLock<Parts>,
}

struct Parts {
    control: Control,
    addresses: Addresses,
}

impl Admin {
    /// A door at which nothing can be ordered yet. The witness hears of everybody
    /// who has no valid token.
    #[must_use]
    pub fn new(sources: Sources, witness: Witness) -> Self {
        let (throttle, begun) = (Throttle::new(witness), Instant::now());
        Self(Arc::new(Shared { sources, throttle, begun, parts: OnceLock::new() }))
    }

    /// Whom orders go to, and where the server listens. Once, and before anybody
    /// can knock.
    pub fn connect(&self, control: Control, addresses: Addresses) {
        // A second time would be a second pipeline, which there is not.
        let _ = self.0.parts.set(Parts { control, addresses });
    }

    /// What serves the connections of operators.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/metrics", get(metrics::answer))
            .route("/status", get(status::answer))
            .route("/explain", post(explain::answer))
            .route("/budgets", get(budgets::show))
            .route("/budgets/release", post(budgets::release))
            .route("/budgets/set", post(budgets::set))
            .route("/reload", post(orders::reload))
            .route("/rollback", post(orders::rollback))
            .method_not_allowed_fallback(async || Problem::METHOD)
            .fallback(async || Problem::NOT_FOUND)
            .layer(middleware::from_fn_with_state(self.0.clone(), enter))
            .with_state(self.0.clone())
    }
}

async fn enter(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if request.headers().contains_key(ORIGIN) {
        return Problem::WEB_PAGE.into_response();
    }
    let (parts, body) = request.into_parts();
    match shared.check(&parts).await {
        Ok(()) => {
            let busy = parts.extensions.get::<Arc<Guest>>().map(|guest| {
                guest.is_known_as("operator");
                guest.busy()
            });
            let response = next.run(Request::from_parts(parts, body)).await;
            let response = without_secrets(response, &shared.sources.redaction).await;
            response.map(|body| Body::new(Held::new(body, busy)))
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// An operator may have written a secret where none belongs, and what is wrong with a
/// configuration is told with the lines that it has.
async fn without_secrets(response: Response, redaction: &Redaction) -> Response {
    let content_type = response.headers().get(CONTENT_TYPE);
    if content_type.is_none_or(|it| it != "application/json") {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else { return Problem::INTERNAL.into_response() };
    let redactor = redaction.load().known_only();
    let redacted = task::spawn_blocking(move || {
        let text = std::str::from_utf8(&body).ok()?;
        if !redactor.knows_in(text) {
            return Some(Body::from(body));
        }
        let mut json: Value = serde_json::from_str(text).ok()?;
        redactor.value(&mut json);
        Some(Body::from(json.to_string()))
    });
    let Ok(Some(body)) = redacted.await else { return Problem::INTERNAL.into_response() };
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, body)
}

impl Shared {
    async fn check(&self, request: &request::Parts) -> Result<(), Refusal> {
        let wire = *request.extensions.get::<Wire>().ok_or(Refusal::Internal)?;
        let snapshot = self.sources.live.load();
        names::host(&request.uri, &request.headers, &snapshot.settings.server, wire)?;
        let admin = snapshot.settings.admin.as_ref();
        let why = match bearer::token(&request.headers) {
            // Digests are compared in constant time.
            Ok(token) if admin.is_some_and(|admin| admin.token == TokenDigest::of(token)) => return Ok(()),
            Ok(_) => NoAccess::UnknownToken,
            Err(why) => why,
        };
        let address = client::address(wire.peer.ip(), &request.headers, &snapshot.settings.server);
        Err(match self.throttle.failed(address, request.uri.path(), why).await {
            Ok(()) => Refusal::Unauthorized(why),
            Err(Crowded) => Refusal::Crowded(why),
        })
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

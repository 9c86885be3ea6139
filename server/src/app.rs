//! The wiring: makes the parts, hands each what it needs, and runs them until a
//! signal says stop.

use std::{io, sync::Arc};

use server_core::{gateway::Gateway, snapshot::Live};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    call_log::LogLines,
    logging::Level,
    mcp,
    plugin::{HostServices, Installation, PluginHost, ServerFacts},
    readiness::Readiness,
    reload::{self, Origin, Pipeline, Refused},
    transport::{self, Door, ListenError, Listeners},
};

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Its configuration cannot be used.
    #[error(transparent)]
    Configuration(#[from] Refused),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The operating system failed it.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs the server until SIGTERM or SIGINT, then lets calls finish.
pub async fn serve(origin: Origin, log: Level) -> Result<(), ServeError> {
    let facts = ServerFacts {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol_versions: mcp::REVISIONS.iter().rev().map(ToString::to_string).collect(),
    };
    // From here on a signal ends the server, also while plugins are loaded.
    let mut signals = Signals::new()?;
    let plugins = PluginHost::new(HostServices::new(facts), Installation::of_this_process());
    let (pipeline, content) = tokio::select! {
        first = Pipeline::new(origin, plugins).first() => first?,
        () = signals.wait() => return Ok(()),
    };
    let live = Arc::new(Live::new(content));
    let snapshot = live.load();
    log.set(snapshot.settings.log_level);
    reload::log_in_force(&snapshot);

    let readiness = Arc::new(Readiness::default());
    let gateway = Arc::new(Gateway::new(live.clone(), Arc::new(LogLines)));
    let door = Door::new(gateway, readiness.clone());
    let listeners = Listeners::new(door.router(), axum::Router::new());
    listeners.prepare(&snapshot.settings).await?.commit();
    let stop = CancellationToken::new();
    let notifier = door.clone();
    let watch =
        tokio::spawn(pipeline.watch(live, readiness.clone(), stop.clone(), move |_| notifier.reloaded()));
    let stopping = {
        let stop = stop.clone();
        async move {
            signals.wait().await;
            info!(target: "server", "stopping: open calls may finish");
            stop.cancel();
        }
    };
    tokio::join!(transport::serve(listeners, door, stop.clone()), stopping);
    watch.await.map_err(io::Error::other)?;
    info!(target: "server", "stopped");
    Ok(())
}

/// What an operator or a supervisor ends the server with.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

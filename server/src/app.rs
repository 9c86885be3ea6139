//! The wiring: makes the parts, hands each what it needs, and runs them until a
//! signal says stop.

use std::{io, net::SocketAddr, sync::Arc};

use futures::future::BoxFuture;
use server_core::{
    gateway::Gateway,
    settings::Settings,
    snapshot::{Live, Snapshot},
};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    call_log::LogLines,
    mcp,
    plugin::{HostServices, Installation, PluginHost, ServerFacts},
    readiness::Readiness,
    reload::{self, Follow, Followers, Origin, Refused, ReloadStatus},
    transport::{self, Door},
};

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Its configuration cannot be used.
    #[error(transparent)]
    Configuration(#[from] Refused),
    /// Its address cannot be listened on.
    #[error("cannot listen on {address} (`server.listen`): {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The operating system failed it.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs the server until SIGTERM or SIGINT, then lets calls finish.
pub async fn serve(origin: Origin) -> Result<(), ServeError> {
    let facts = ServerFacts {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol_versions: mcp::REVISIONS.iter().rev().map(ToString::to_string).collect(),
    };
    // From here on a signal ends the server, also while plugins are loaded.
    let mut signals = Signals::new()?;
    let plugins = PluginHost::new(HostServices::new(facts), Installation::of_this_process());
    let (content, first) = tokio::select! {
        first = reload::first(origin, plugins) => first?,
        () = asked_to_stop(&mut signals.terminate, &mut signals.interrupt) => return Ok(()),
    };
    let live = Arc::new(Live::new(content));
    let snapshot = live.load();
    let address = snapshot.settings.server.listen;
    let listener = TcpListener::bind(address).await.map_err(|error| ServeError::Listen { address, error })?;
    info!(target: "server", address = %listener.local_addr()?, version = env!("CARGO_PKG_VERSION"), "listening");

    let (readiness, status) = (Arc::new(Readiness::default()), Arc::new(ReloadStatus::default()));
    let gateway = Arc::new(Gateway::new(live.clone(), Arc::new(LogLines)));
    let door = Door::new(gateway, readiness.clone());
    let stop = CancellationToken::new();
    let followers = Arc::new(Parts { door: door.clone() });
    let (pipeline, _control) = first.follow(live, readiness, status, followers).await;
    let Signals { mut terminate, mut interrupt, hangup } = signals;
    let reloads = {
        let stop = stop.clone();
        tokio::spawn(async move {
            if let Some(pipeline) = pipeline {
                pipeline.run(hangup, stop).await;
            }
        })
    };
    let stopping = {
        let stop = stop.clone();
        async move {
            asked_to_stop(&mut terminate, &mut interrupt).await;
            info!(target: "server", "stopping: open calls may finish");
            stop.cancel();
        }
    };
    let (served, ()) = tokio::join!(transport::serve(listener, door, stop.clone()), stopping);
    reloads.await.map_err(io::Error::other)?;
    served?;
    info!(target: "server", "stopped");
    Ok(())
}

/// The parts that follow the configuration in force.
struct Parts {
    door: Door,
}

impl Followers for Parts {
    fn prepare<'f>(&'f self, _settings: &'f Settings) -> BoxFuture<'f, Result<Follow, String>> {
        Box::pin(async { Ok(Box::new(|| {}) as Follow) })
    }

    fn changed(&self, _snapshot: &Snapshot) {
        self.door.reloaded();
    }
}

/// What an operator or a supervisor tells the server with.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

async fn asked_to_stop(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

//! The wiring: makes the parts, hands each what it needs, and runs them until a
//! signal says stop.

use std::{io, path::Path, sync::Arc};

use futures::future::BoxFuture;
use server_core::{
    gateway::Gateway,
    redact::Redaction,
    registry::Refusal,
    settings::{EgressSettings, Settings},
    snapshot::{Live, Snapshot},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{
    admin::{Admin, CallMetrics, Retired, Sources},
    audit::{Audit, JournalError},
    budget::Ledger,
    call_log::{Each, LogLines},
    chronicle,
    database::Databases,
    egress::{Connector, OwnAddresses},
    llm::Models,
    logging::{Level, Lines},
    mcp,
    plugin::{Change, HostServices, Installation, PluginHost, ServerFacts},
    readiness::Readiness,
    reload::{self, Follow, Followers, Origin, Refused, ReloadStatus},
    supervisor::{self, Inherited},
    transport::{self, Door, ListenError, Listeners, Witness},
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
    /// There can be no audit.
    #[error("the audit cannot be opened: {0}")]
    Audit(String),
    /// Requests could not go out.
    #[error("{0}")]
    Egress(String),
    /// The operating system failed it.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ServeError {
    fn of_audit(error: &JournalError, state_dir: &Path) -> Self {
        Self::Audit(match error {
            JournalError::Locked(_) => error.to_string(),
            JournalError::Io(error) => {
                let help = match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room there",
                    io::ErrorKind::ReadOnlyFilesystem => "mount it so that it can be written to",
                    _ => "let it be a folder that the server's user can create, or owns",
                };
                format!("{}: {error} (`state.dir`); {help}", state_dir.display())
            }
        })
    }
}

/// Runs the server until SIGTERM or SIGINT, then lets calls finish.
pub async fn serve(
    origin: Origin,
    installation: Installation,
    inherited: Inherited,
    lines: Lines,
    log: Level,
    redaction: Arc<Redaction>,
) -> Result<(), ServeError> {
    let facts = ServerFacts {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol_versions: mcp::REVISIONS.iter().rev().map(ToString::to_string).collect(),
    };
    // From here on a signal ends the server, also while plugins are loaded.
    let mut signals = Signals::new()?;
    let own = OwnAddresses::default();
    let connector = Connector::new(&EgressSettings::default(), own.clone()).map_err(ServeError::Egress)?;
    let services = HostServices::reaching_out(facts, connector.clone());
    let databases = services.databases();
    let plugins = Arc::new(PluginHost::new(services.clone(), installation));
    let (content, first) = tokio::select! {
        first = reload::first(origin, plugins.clone(), redaction.clone()) => first?,
        () = asked_to_stop(&mut signals.terminate, &mut signals.interrupt) => return Ok(()),
    };
    let ledger = open_ledger(&content.settings);
    let models = Models::new(&connector, ledger.clone(), redaction.clone());
    services.connect(models.clone());
    let live = Arc::new(Live::new(content));
    let snapshot = live.load();
    databases.follow(&snapshot.settings);
    let audit = {
        let (settings, lines, redaction) = (snapshot.clone(), lines.clone(), redaction.clone());
        let open = move || {
            let settings = &settings.settings;
            Audit::open(&settings.state_dir, &settings.audit, Some(lines), redaction)
                .map_err(|error| ServeError::of_audit(&error, &settings.state_dir))
        };
        task::spawn_blocking(open).await.map_err(io::Error::other)??
    };
    {
        let audit = audit.clone();
        services.report_quarantines(Box::new(move |quarantine| chronicle::quarantine(&audit, quarantine)));
    }
    let readiness = Arc::new(Readiness::default());
    let reloads = {
        let audit = audit.clone();
        Arc::new(ReloadStatus::new(Box::new(move |attempt| chronicle::reload(&audit, attempt))))
    };
    let calls = Arc::new(CallMetrics::new(live.clone()));
    let log_calls = Each(vec![Arc::new(LogLines(lines)), calls.clone()]);
    let gateway = Gateway::new(live.clone(), Arc::new(log_calls), Arc::new(audit.clone()));
    let gateway = Arc::new(gateway.filtering(redaction.clone()));
    let door = Door::new(gateway.clone(), readiness.clone(), witness(&audit, "mcp"));
    let sessions = {
        let door = door.clone();
        Box::new(move || door.sessions())
    };
    let retired = Box::new(move || {
        let retired = plugins.retired();
        Retired { libraries: retired.libraries, bytes: retired.bytes }
    });
    let sources = Sources {
        live: live.clone(),
        gateway,
        readiness: readiness.clone(),
        reloads: reloads.clone(),
        calls,
        ledger,
        models,
        connector: connector.clone(),
        audit: audit.clone(),
        redaction: redaction.clone(),
        sessions,
        retired,
    };
    let admin = Admin::new(sources, witness(&audit, "admin"));
    let listeners = Listeners::new(live.clone(), door.router(), admin.router(), inherited);
    let prepared = listeners.prepare(&snapshot.settings).await?;
    connector.commit(connector.prepare(&snapshot.settings.egress).map_err(ServeError::Egress)?);
    own.set({
        let listeners = listeners.clone();
        move || listeners.addresses().into_iter().map(|(_, address)| address).collect()
    });
    log.set(snapshot.settings.log_level);
    redaction.follow(&snapshot.settings.redaction);

    let stop = CancellationToken::new();
    let followers = Arc::new(Parts {
        door: door.clone(),
        listeners: listeners.clone(),
        connector,
        databases,
        log,
        redaction,
        audit: audit.clone(),
    });
    let (pipeline, control) = first.follow(live, readiness, reloads, followers).await;
    let addresses = {
        let listeners = listeners.clone();
        Box::new(move || listeners.addresses())
    };
    admin.connect(control, addresses);
    prepared.commit();
    listeners.warn_of_unused();
    supervisor::ready(snapshot.generation.0);
    let watchdog = tokio::spawn(supervisor::watchdog());
    let Signals { mut terminate, mut interrupt, hangup } = signals;
    let following = {
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
            supervisor::stopping();
            stop.cancel();
        }
    };
    tokio::join!(transport::serve(listeners, door, stop.clone()), stopping);
    following.await.map_err(io::Error::other)?;
    watchdog.abort();
    task::spawn_blocking(move || audit.close()).await.map_err(io::Error::other)?;
    info!(target: "server", "stopped");
    Ok(())
}

/// Puts on record who has no valid token at a door.
fn witness(audit: &Audit, door: &'static str) -> Witness {
    let audit = audit.clone();
    Arc::new(move |address, reason| audit.auth_failure(address, door, reason))
}

/// The books of budgets. Without them the server runs, and nobody asks a model.
fn open_ledger(settings: &Settings) -> Ledger {
    Ledger::open(&settings.state_dir).unwrap_or_else(|error| {
        error!(target: "budget", %error, "the books of budgets cannot be opened, so no model is asked");
        Ledger::closed(error)
    })
}

/// The parts that follow the configuration in force.
struct Parts {
    door: Door,
    listeners: Listeners,
    connector: Connector,
    log: Level,
    databases: Arc<Databases>,
    redaction: Arc<Redaction>,
    audit: Audit,
}

impl Followers for Parts {
    fn prepare<'f>(&'f self, settings: &'f Settings) -> BoxFuture<'f, Result<Follow, String>> {
        Box::pin(async {
            let listeners = self.listeners.prepare(settings).await.map_err(|error| error.to_string())?;
            let audit = self.audit.prepare(&settings.audit).map_err(|error| error.to_string())?;
            let (connector, egress) = (self.connector.clone(), self.connector.prepare(&settings.egress)?);
            let (log, level) = (self.log.clone(), settings.log_level);
            let (redaction, rules) = (self.redaction.clone(), settings.redaction.clone());
            let follow = move || {
                listeners.commit();
                audit();
                connector.commit(egress);
                log.set(level);
                redaction.follow(&rules);
            };
            Ok(Box::new(follow) as Follow)
        })
    }

    fn check(&self, settings: &Settings) -> Result<(), String> {
        self.connector.prepare(&settings.egress)?;
        self.listeners.check(settings).map_err(|error| error.to_string())
    }

    fn changed(&self, snapshot: &Snapshot) {
        self.databases.follow(&snapshot.settings);
        supervisor::in_force(snapshot.generation.0);
        let calls = self.door.reloaded();
        chronicle::revocation(&self.audit, snapshot.generation, calls);
    }

    fn plugins(&self, changes: &[Change], refused: &[&Refusal]) {
        chronicle::plugins(&self.audit, changes, refused);
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

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn an_audit_that_cannot_be_opened_says_what_to_do_about_just_that() {
        for (errno, help) in [
            (Errno::NOSPC, "make room there"),
            (Errno::DQUOT, "make room there"),
            (Errno::ROFS, "mount it so that it can be written to"),
            (Errno::ACCESS, "let it be a folder that the server's user can create, or owns"),
        ] {
            let error = ServeError::of_audit(&JournalError::Io(errno.into()), Path::new("state"));
            assert!(error.to_string().ends_with(&format!(" (`state.dir`); {help}")), "{error}");
        }
    }
}

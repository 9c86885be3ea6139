//! From files to the live snapshot: at the start, and whenever they change.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher, event::AccessKind, event::AccessMode};
use server_core::{
    config::{self, Problem},
    settings::Settings,
    snapshot::{Content, Live, Snapshot},
};
use tokio::{sync::Notify, time};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    config_files::{ConfigFiles, ReadError},
    plugin::PluginHost,
    readiness::{LastReload, Readiness},
};

/// How often the files' content is compared, whatever the kernel reports.
const POLL: Duration = Duration::from_millis(500);
/// How long the files must have been left alone before they are read.
const SETTLE: Duration = Duration::from_millis(100);

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// From files, which may change.
    Files(ConfigFiles),
    /// From `MCP_TOKEN` alone.
    Fixed(Box<Settings>),
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Its files cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// It has problems.
    #[error("{}", report(.0))]
    Invalid(Vec<Problem>),
    /// It changes what only a restart can.
    #[error("a change of {} needs a restart; nothing of this edit is in force", .0.join(" and "))]
    NeedsRestart(Vec<&'static str>),
    /// Reading it went wrong in a way that nobody foresaw.
    #[error("compiling it panicked; please report this with the configuration that did it")]
    Panicked,
}

impl Refused {
    /// How many problems there are.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::Unreadable(_) | Self::Panicked => 1,
            Self::Invalid(problems) => problems.len(),
            Self::NeedsRestart(keys) => keys.len(),
        }
    }
}

/// Compiles configurations and loads their plugins. The only writer of [`Live`].
pub struct Pipeline {
    origin: Origin,
    plugins: PluginHost,
    secret_files: Vec<PathBuf>,
    fingerprint: Option<[u8; 32]>,
}

impl Pipeline {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(origin: Origin, plugins: PluginHost) -> Self {
        Self { origin, plugins, secret_files: Vec::new(), fingerprint: None }
    }

    /// The first snapshot's content.
    pub fn first(&mut self) -> Result<Content, Refused> {
        self.build(None)
    }

    fn build(&mut self, current: Option<&Snapshot>) -> Result<Content, Refused> {
        let (settings, config_sha256) = match &self.origin {
            Origin::Fixed(settings) => (settings.as_ref().clone(), String::new()),
            Origin::Files(files) => {
                // Taken first: a change while reading shows as another one.
                self.fingerprint = Some(files.fingerprint(&self.secret_files));
                let (source, environment) = files.read()?;
                let compiled = config::compile(&source, &environment).map_err(Refused::Invalid)?;
                for warning in &compiled.warnings {
                    warn!(target: "config", place = place(warning), help = warning.help, "{}", warning.message);
                }
                if compiled.secret_files != self.secret_files {
                    self.secret_files.clone_from(&compiled.secret_files);
                    self.fingerprint = Some(files.fingerprint(&self.secret_files));
                }
                (compiled.settings, compiled.sha256)
            }
        };
        if let Some(current) = current {
            let fixed = fixed_keys(&current.settings, &settings);
            if !fixed.is_empty() {
                return Err(Refused::NeedsRestart(fixed));
            }
        }
        let (registry, refusals) = self.plugins.load(&settings.plugins, &settings.state_dir);
        for refusal in &refusals {
            error!(target: "plugin", place = %refusal.place.display(), code = refusal.code, help = refusal.help, "plugin refused: {}", refusal.message);
        }
        Ok(Content { config_sha256, settings, registry })
    }

    fn changed(&self) -> bool {
        match &self.origin {
            Origin::Files(files) => self.fingerprint != Some(files.fingerprint(&self.secret_files)),
            Origin::Fixed(_) => false,
        }
    }

    /// Keeps `live` up to date until `stop`.
    pub async fn watch(
        mut self,
        live: Arc<Live>,
        readiness: Arc<Readiness>,
        stop: CancellationToken,
        changed: impl Fn(&Snapshot) + Send,
    ) {
        let hint = Arc::new(Notify::new());
        let _watcher = self.watcher(&hint);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = hint.notified() => time::sleep(SETTLE).await,
                () = time::sleep(POLL) => {}
            }
            if !self.changed() {
                continue;
            }
            let current = live.load();
            let staging = tokio::task::spawn_blocking(move || {
                let build = AssertUnwindSafe(|| self.build(Some(&current)));
                let content = catch_unwind(build).unwrap_or(Err(Refused::Panicked));
                (self, content)
            });
            let content;
            (self, content) = match staging.await {
                Ok(done) => done,
                // Only a runtime that is going down ends a blocking task early.
                Err(_) => return,
            };
            match content {
                Ok(content) => {
                    let snapshot = live.publish(content);
                    readiness.reloaded(LastReload::Applied);
                    log_in_force(&snapshot);
                    changed(&snapshot);
                }
                Err(refused) => {
                    readiness.reloaded(LastReload::Refused { problems: refused.count() });
                    log_refused(&refused);
                }
            }
        }
    }

    /// Lowers the latency of the poll, which alone decides.
    fn watcher(&self, hint: &Arc<Notify>) -> Option<RecommendedWatcher> {
        let Origin::Files(files) = &self.origin else { return None };
        let folder = match files.path().parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => std::path::Path::new("."),
        };
        let hint = hint.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Our own reads arrive as accesses too; waking up for them would never end.
            let ours = event.is_ok_and(|event| {
                matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write))
            });
            if !ours {
                hint.notify_one();
            }
        })
        .inspect_err(|error| warn!(target: "config", %error, "the kernel's file events are not available; changes are polled"))
        .ok()?;
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            warn!(target: "config", %error, folder = %folder.display(), "the folder cannot be watched; changes are polled");
        }
        Some(watcher)
    }
}

/// Logs which configuration is in force now.
pub fn log_in_force(snapshot: &Snapshot) {
    info!(
        target: "config",
        generation = snapshot.generation.0,
        config_sha256 = snapshot.config_sha256,
        agents = snapshot.settings.agents.len(),
        plugins = snapshot.registry.plugins().count(),
        tools = snapshot.registry.tools().count(),
        "configuration in force"
    );
}

fn log_refused(refused: &Refused) {
    if let Refused::Invalid(problems) = refused {
        for problem in problems {
            error!(target: "config", place = place(problem), help = problem.help, "{}", problem.message);
        }
    }
    error!(
        target: "config",
        problems = refused.count(),
        reason = if let Refused::Invalid(_) = refused { "see the lines before".to_owned() } else { refused.to_string() },
        "reload refused: the configuration before it stays in force"
    );
}

fn place(problem: &Problem) -> String {
    format!("{}:{}:{}", problem.path.display(), problem.line, problem.column)
}

fn report(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
}

/// What a running server cannot change, by key.
fn fixed_keys(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let mut keys = Vec::new();
    if old.server.listen != new.server.listen {
        keys.push("`server.listen`");
    }
    if old.state_dir != new.state_dir {
        keys.push("`state.dir`");
    }
    keys
}

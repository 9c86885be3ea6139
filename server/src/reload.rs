//! From files to the live snapshot: at the start, and whenever they change.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher, event::AccessKind, event::AccessMode};
use server_core::{
    config::{self, Problem},
    settings::Settings,
    snapshot::{Content, Live, Snapshot},
    unused,
};
use tokio::{
    sync::Notify,
    task::{self, JoinHandle},
    time,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    config_files::{ConfigFiles, Inputs, ReadError, Reading},
    plugin::PluginHost,
    readiness::{LastReload, Readiness},
};

mod changes;
mod control;
mod log;
mod status;
pub use control::{Ask, Control, Outcome, RefusedPlugin, Report, Trigger};
pub use status::{Attempt, KeptGeneration, ReloadStatus, Source, State};

pub use log::log_in_force;

use changes::{Changes, QUIET, Verdict};

/// How often the files' content is compared, whatever the kernel reports.
const POLL: Duration = Duration::from_millis(500);

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
///
/// Everything that reads files or runs plugins' code does so on a thread of its
/// own, which may take its time or never come back.
pub struct Pipeline {
    origin: Origin,
    plugins: PluginHost,
    /// `None` until there is a first configuration that can change.
    changes: Option<Changes>,
}

/// What came of looking at the files.
enum Look {
    Same,
    Wait,
    InForce,
    RefusedBefore(usize),
    Applied(Box<Content>),
    Refused(Refused),
}

impl Pipeline {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(origin: Origin, plugins: PluginHost) -> Self {
        Self { origin, plugins, changes: None }
    }

    /// The first snapshot's content, and the pipeline for those that follow.
    pub async fn first(mut self) -> Result<(Self, Content), Refused> {
        let starting = task::spawn_blocking(move || {
            let content = match &self.origin {
                Origin::Fixed(settings) => self.content(None, settings.as_ref().clone(), String::new())?,
                Origin::Files(files) => {
                    let files = files.clone();
                    let (inputs, content) = self.build(None, files.reading());
                    self.changes = Some(Changes::new(files.path().to_owned(), inputs));
                    content?
                }
            };
            Ok((self, content))
        });
        starting.await.unwrap_or(Err(Refused::Panicked))
    }

    /// A configuration's content, and the bytes that it was made from.
    fn build(&self, current: Option<&Snapshot>, reading: Reading) -> (Inputs, Result<Content, Refused>) {
        let (source, environment) = match reading.content {
            Ok(content) => content,
            Err(error) => return (reading.inputs, Err(error.into())),
        };
        let compiled = catch_unwind(AssertUnwindSafe(|| config::compile(&source, &environment)));
        let inputs = reading.inputs.and(environment.inputs());
        let content = match compiled {
            Err(_) => Err(Refused::Panicked),
            Ok(Err(problems)) => Err(Refused::Invalid(problems)),
            Ok(Ok(compiled)) => {
                log::warnings(&compiled.warnings);
                let load = AssertUnwindSafe(|| self.content(current, compiled.settings, compiled.sha256));
                catch_unwind(load).unwrap_or(Err(Refused::Panicked))
            }
        };
        (inputs, content)
    }

    fn content(
        &self,
        current: Option<&Snapshot>,
        settings: Settings,
        config_sha256: String,
    ) -> Result<Content, Refused> {
        if let Some(current) = current {
            let fixed = fixed_keys(&current.settings, &settings);
            if !fixed.is_empty() {
                return Err(Refused::NeedsRestart(fixed));
            }
        }
        let (registry, refusals) = self.plugins.load(&settings.plugins, &settings.state_dir);
        log::refusals(&refusals);
        log::unused(&unused::tool_patterns(&settings, &registry));
        Ok(Content { config_sha256, settings, registry })
    }

    fn look(&mut self, current: &Snapshot) -> Look {
        let (Origin::Files(files), Some(changes)) = (&self.origin, &mut self.changes) else {
            return Look::Same;
        };
        let observed = match changes.judge(changes.watched().now(), Instant::now()) {
            Verdict::Same => return Look::Same,
            Verdict::Wait => return Look::Wait,
            Verdict::InForce => return Look::InForce,
            Verdict::RefusedBefore(problems) => return Look::RefusedBefore(problems),
            Verdict::Compile(observed) => observed,
        };
        let reading = files.reading();
        if !reading.inputs.agree_with(&observed) {
            return Look::Wait;
        }
        let (inputs, content) = self.build(Some(current), reading);
        let Some(changes) = &mut self.changes else { return Look::Same };
        match content {
            Ok(content) => {
                changes.applied(inputs);
                Look::Applied(Box::new(content))
            }
            Err(refused) => {
                changes.refused(inputs, refused.count());
                Look::Refused(refused)
            }
        }
    }

    /// Keeps `live` up to date until `stop`, for which it never waits.
    pub async fn watch(
        mut self,
        live: Arc<Live>,
        readiness: Arc<Readiness>,
        stop: CancellationToken,
        changed: impl Fn(&Snapshot) + Send,
    ) {
        let hint = Arc::new(Notify::new());
        let _watcher = self.watcher(&hint);
        let mut pause = POLL;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = hint.notified(), if pause == POLL => {}
                () = time::sleep(pause) => {}
            }
            let current = live.load();
            let looking: JoinHandle<_> = task::spawn_blocking(move || {
                let look = self.look(&current);
                (self, look)
            });
            let look;
            (self, look) = tokio::select! {
                () = stop.cancelled() => return,
                looked = looking => match looked {
                    Ok(looked) => looked,
                    // Only a runtime that is going down ends a blocking task early.
                    Err(_) => return,
                },
            };
            pause = if let Look::Wait = look { QUIET } else { POLL };
            match look {
                Look::Same | Look::Wait => {}
                Look::InForce => {
                    readiness.reloaded(LastReload::Applied);
                    info!(target: "config", "the files hold again what is in force");
                }
                Look::RefusedBefore(problems) => readiness.reloaded(LastReload::Refused { problems }),
                Look::Applied(content) => {
                    let snapshot = live.publish(*content);
                    readiness.reloaded(LastReload::Applied);
                    log_in_force(&snapshot);
                    changed(&snapshot);
                }
                Look::Refused(refused) => {
                    readiness.reloaded(LastReload::Refused { problems: refused.count() });
                    log::refused(&refused);
                }
            }
        }
    }

    /// Lowers the latency of the poll, which alone decides.
    fn watcher(&self, hint: &Arc<Notify>) -> Option<RecommendedWatcher> {
        let Origin::Files(files) = &self.origin else { return None };
        let folder = match files.path().parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
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

fn report(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
}

/// What a running server cannot change, by key.
fn fixed_keys(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let mut keys = Vec::new();
    if old.state_dir != new.state_dir {
        keys.push("`state.dir`");
    }
    keys
}

//! The first configuration.

use std::{path::PathBuf, sync::Arc};

use jiff::Timestamp;
use server_core::{
    config::{self, Source as ConfigSource},
    redact::Redaction,
    registry::Refusal,
    settings::Settings,
    snapshot::{Content, Live},
    unused,
};
use tokio::{sync::Notify, task, time::Instant};
use tracing::warn;

use super::{
    Followers, Overlay, Pipeline, Refused,
    bench::Bench,
    bind_mount,
    changes::{Changes, Steady},
    control::{self, Control, Outcome, RefusedPlugin, Report, Trigger},
    decision::save,
    kept::{self, History, Kept},
    log,
    staging::{Candidate, Notes, Stage, Staged, Work},
    status::{Attempt, ReloadStatus, Source},
    watcher::FileEvents,
};
use crate::{
    config_files::{ConfigFiles, Inputs},
    plugin::{
        Change, Committed, PluginHost, PluginInputs,
        folder::{self, Links},
    },
    readiness::{LastReload, Readiness},
};

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// From files, which may change.
    Files {
        /// Which ones.
        files: ConfigFiles,
        /// Whether the copy of the last good configuration will do if they cannot
        /// be used.
        last_good: bool,
        /// What counts whatever they say.
        overlay: Overlay,
    },
    /// From `MCP_TOKEN` alone.
    Fixed(Box<Settings>),
}

/// What it takes to follow the changes of the first configuration.
pub struct First {
    notes: Notes,
    refusals: Vec<Refusal>,
    changes: Vec<Change>,
    source: Source,
    /// `None` if it comes from no file.
    files: Option<FirstFiles>,
}

struct FirstFiles {
    stage: Stage,
    plugins: PluginInputs,
    sources: Arc<[ConfigSource]>,
    changes: Changes,
    /// Why the files were not used, if they were not.
    refused: Option<Refused>,
}

/// Compiles the first configuration and loads its plugins.
///
/// # Errors
///
/// If it cannot be used.
pub async fn first(
    origin: Origin,
    plugins: Arc<PluginHost>,
    redaction: Arc<Redaction>,
) -> Result<(Content, First), Refused> {
    let first = task::spawn_blocking(move || match origin {
        Origin::Fixed(settings) => Ok(fixed(*settings, &plugins)),
        Origin::Files { files, last_good, overlay } => {
            of_files(Stage { files, overlay, plugins, redaction }, last_good)
        }
    });
    first.await.unwrap_or(Err(Refused::Panicked))
}

fn fixed(settings: Settings, plugins: &PluginHost) -> (Content, First) {
    let committed = plugins.load(&settings.plugins, &settings.state_dir).commit();
    let unused = unused::tool_patterns(&settings, &committed.registry);
    let notes = Notes { unused, ..Notes::default() };
    let Committed { registry, refusals, changes } = committed;
    let content = Content { config_sha256: String::new(), settings, registry };
    (content, First { notes, refusals, changes, source: Source::Environment, files: None })
}

fn of_files(stage: Stage, last_good: bool) -> Result<(Content, First), Refused> {
    let Staged { inputs, candidate, .. } = stage.stage(None, stage.draft());
    let (candidate, changes, refused): (_, _, Option<Refused>) = match candidate {
        Ok(candidate) => (candidate, Changes::new(inputs), None),
        Err(refused) if !last_good => return Err(refused),
        Err(refused) => {
            let Staged { inputs: of_copy, candidate, .. } = match of_copy(&stage) {
                Ok(staged) => staged,
                Err(none) => return Err(Refused::NoLastGood { refused: Box::new(refused), none }),
            };
            match candidate {
                Ok(candidate) => (candidate, Changes::pinned(of_copy, inputs), Some(refused)),
                Err(why) => {
                    let none =
                        format!("the copy of the last good configuration cannot be used either: {why}");
                    return Err(Refused::NoLastGood { refused: Box::new(refused), none });
                }
            }
        }
    };
    let source = if refused.is_some() { Source::LastGood } else { Source::Files };
    let Candidate { config_sha256, settings, loaded, plugins, sources, notes } = *candidate;
    let files = Some(FirstFiles { stage, plugins, sources, changes, refused });
    let Committed { registry, refusals, changes } = loaded.commit();
    let content = Content { config_sha256, settings, registry };
    Ok((content, First { notes, refusals, changes, source, files }))
}

/// `state.dir` of files that cannot be used, as well as can be told.
fn state_dir(files: &ConfigFiles) -> PathBuf {
    let text = folder::look(files.path(), 1 << 20, Links::Follow).unwrap_or_default();
    let folder = files.path().parent().map(ToOwned::to_owned).unwrap_or_default();
    folder.join(config::state_dir(&String::from_utf8_lossy(&text)))
}

fn of_copy(stage: &Stage) -> Result<Staged, String> {
    let sources = kept::load(&state_dir(&stage.files)).map_err(|none| none.to_string())?;
    Ok(stage.stage(None, stage.draft_of(&sources)))
}

impl First {
    /// What keeps `live`, which holds the first configuration, up to date, and the
    /// way to ask it for a reload. Says what there is to say of the first one.
    ///
    /// Without files there is nothing to keep up with, and nothing to ask.
    pub async fn follow(
        self,
        live: Arc<Live>,
        readiness: Arc<Readiness>,
        status: Arc<ReloadStatus>,
        followers: Arc<dyn Followers>,
    ) -> (Option<Pipeline>, Control) {
        let (control, orders) = control::channel();
        let snapshot = live.load();
        let refused: Vec<_> = self.refusals.iter().collect();
        log::plugins(&self.changes, &refused);
        followers.plugins(&self.changes, &refused);
        log::notes(&self.notes);
        log::in_force(&snapshot, Trigger::Start, &self.notes.diff);
        let since = Timestamp::now();
        let plugins_refused: Vec<_> = self.refusals.iter().map(RefusedPlugin::from).collect();
        status.update(|status| {
            (status.source, status.since) = (self.source, Some(since));
            status.plugins_refused.clone_from(&plugins_refused);
        });
        let Some(FirstFiles { stage, plugins, sources, changes, refused }) = self.files else {
            return (None, control);
        };
        let kept = Kept {
            generation: snapshot.generation.0,
            config_sha256: snapshot.config_sha256.clone(),
            since,
            sources: sources.clone(),
        };
        status.update(|status| status.sources = sources.clone());
        let mut history = History::default();
        history.add(kept.clone());
        let mut report = Report {
            result: Outcome::Applied,
            generation: kept.generation,
            config_sha256: kept.config_sha256.clone(),
            problems: self.notes.warnings,
            plugins_refused,
            ..Report::default()
        };
        let is_copy = refused.is_some();
        if let Some(refused) = refused {
            readiness.reloaded(LastReload::Refused { problems: refused.count() });
            log::refused(&refused);
            warn!(target: "config", config_sha256 = kept.config_sha256, "started from the copy of the last good configuration, which counts until the files can be used");
            report.result = Outcome::Refused;
            report.reason = Some(refused.to_string());
        } else {
            readiness.succeeded();
            let state_dir = snapshot.settings.state_dir.clone();
            let _ = task::spawn_blocking(move || save(&state_dir, &kept)).await;
        }
        let path = stage.files.path();
        if bind_mount::is_mount_point(path) {
            let help = bind_mount::HELP;
            warn!(target: "config", path = %path.display(), help, "the file itself is a bind mount: an editor that replaces it leaves the old one here");
        }
        status.update(|status| status.kept = history.list());
        status.attempted(Attempt { at: since, trigger: Trigger::Start, by: None, milliseconds: 0, report });
        let hint = Arc::new(Notify::new());
        // A look sets the watches; without this one, nothing would be watched until
        // the first poll.
        hint.notify_one();
        let events = FileEvents::new(hint.clone(), status.clone());
        let kept = is_copy.then_some(sources);
        let work = Bench::Here(Box::new(Work {
            stage: Arc::new(stage),
            changes,
            events,
            plugins,
            standing: Steady::default(),
            kept,
            passed_over: Inputs::default(),
        }));
        let refusals = self.refusals;
        let (waits, restless, looked) = (None, false, Instant::now());
        let pipeline = Pipeline {
            live,
            readiness,
            status,
            followers,
            orders,
            hint,
            history,
            refusals,
            work,
            waits,
            restless,
            looked,
        };
        (Some(pipeline), control)
    }
}

//! What a reload would put in force, made aside of what is. Everything here
//! reads files or runs plugins' code, so it belongs on a thread of its own,
//! which may take its time or never come back.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use server_core::{
    config::{self, Problem, Source},
    diff::{Diff, Names, Side, diff},
    registry::{Plugin, Registry},
    settings::Settings,
    snapshot::Snapshot,
    unused::{self, UnusedPattern},
};

use super::{
    Refused,
    changes::{Changes, Left, QUIET, Steady, Verdict},
    watcher::FileEvents,
};
use crate::{
    config_files::{ConfigFiles, Inputs, Reading},
    plugin::{Loaded, PluginHost, PluginInputs},
};

/// How long files must stand unchanged before somebody who says that they are
/// complete is believed.
const SETTLED: Duration = Duration::from_millis(10);

/// How often that is tried.
const TRIES: usize = 50;

/// Makes candidates.
pub(super) struct Stage {
    pub(super) files: ConfigFiles,
    pub(super) plugins: Arc<PluginHost>,
}

/// What the looks at the files need and remember.
pub(super) struct Work {
    pub(super) stage: Arc<Stage>,
    pub(super) changes: Changes,
    pub(super) events: FileEvents,
    /// What the plugins in force were loaded from.
    pub(super) plugins: PluginInputs,
    /// What others could be loaded from, and since when.
    pub(super) standing: Steady<PluginInputs>,
    /// What is in force, where it does not come from the files.
    pub(super) kept: Option<Vec<Source>>,
    /// What the files held when they were to give way to something else.
    pub(super) passed_over: Inputs,
}

/// A configuration that could be in force, with its plugins loaded.
pub(super) struct Candidate {
    pub(super) config_sha256: String,
    pub(super) settings: Settings,
    pub(super) loaded: Loaded,
    /// What its plugins were loaded from.
    pub(super) plugins: PluginInputs,
    pub(super) sources: Vec<Source>,
    pub(super) notes: Notes,
}

/// What there is to say of a candidate.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) warnings: Vec<Problem>,
    pub(super) unused: Vec<UnusedPattern>,
    /// Who gains or loses what.
    pub(super) diff: Diff,
}

/// What came of building.
pub(super) struct Staged {
    /// The bytes that it was made from.
    pub(super) inputs: Inputs,
    /// What that was.
    pub(super) made: Made,
    pub(super) candidate: Result<Box<Candidate>, Refused>,
}

/// What a candidate was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// The files.
    Files,
    /// A configuration that was kept, with the secrets of now.
    Kept,
    /// The configuration in force, with the plugins of now.
    Plugins,
}

/// What came of looking at the files.
pub(super) enum Look {
    Same,
    Wait,
    InForce,
    LeftBefore(Left),
    Staged(Staged),
}

impl Candidate {
    /// Whether what is loaded is not what `current` has.
    pub(super) fn changes_plugins(&self, current: &Snapshot) -> bool {
        let was = |plugin: &Plugin| {
            current
                .registry
                .plugins()
                .any(|it| it.provenance == plugin.provenance && Arc::ptr_eq(&it.instance, &plugin.instance))
        };
        let registry = self.loaded.registry();
        registry.plugins().count() != current.registry.plugins().count()
            || !registry.plugins().all(|plugin| was(plugin))
    }
}

impl Stage {
    /// A configuration with its plugins, and the bytes that it was made from.
    pub(super) fn build(&self, current: Option<&Snapshot>, reading: Reading) -> Staged {
        let Reading { inputs, is_kept, content } = reading;
        let made = if is_kept { Made::Kept } else { Made::Files };
        let (source, environment) = match content {
            Ok(content) => content,
            Err(error) => return Staged { inputs, made, candidate: Err(error.into()) },
        };
        let compiled = catch_unwind(AssertUnwindSafe(|| config::compile(&source, &environment)));
        let inputs = inputs.and(environment.inputs());
        let candidate = match compiled {
            Err(_) => Err(Refused::Panicked),
            Ok(Err(problems)) => Err(Refused::Invalid(problems)),
            Ok(Ok(compiled)) => {
                let loading = AssertUnwindSafe(|| {
                    let mut candidate = self.load(current, compiled.settings, compiled.sha256)?;
                    candidate.sources = vec![source];
                    candidate.notes.warnings = compiled.warnings;
                    Ok(Box::new(candidate))
                });
                catch_unwind(loading).unwrap_or(Err(Refused::Panicked))
            }
        };
        Staged { inputs, made, candidate }
    }

    fn load(
        &self,
        current: Option<&Snapshot>,
        settings: Settings,
        config_sha256: String,
    ) -> Result<Candidate, Refused> {
        let fixed = current.map(|current| fixed_keys(&current.settings, &settings)).unwrap_or_default();
        if !fixed.is_empty() {
            return Err(Refused::NeedsRestart(fixed));
        }
        // Looked at before: what changes meanwhile shows as another change.
        let plugins = self.plugins.inputs(&settings.plugins);
        let loaded = self.plugins.load(&settings.plugins, &settings.state_dir);
        let notes = Notes {
            unused: unused::tool_patterns(&settings, loaded.registry()),
            diff: current.map(|it| difference(it, &settings, loaded.registry())).unwrap_or_default(),
            ..Notes::default()
        };
        Ok(Candidate { config_sha256, settings, loaded, plugins, sources: Vec::new(), notes })
    }

    /// The configuration in force, with its plugins loaded anew.
    fn reload_plugins(&self, current: &Snapshot) -> Staged {
        let loading = AssertUnwindSafe(|| {
            let settings = current.settings.clone();
            self.load(Some(current), settings, current.config_sha256.clone()).map(Box::new)
        });
        let candidate = catch_unwind(loading).unwrap_or(Err(Refused::Panicked));
        Staged { inputs: Inputs::default(), made: Made::Plugins, candidate }
    }
}

impl Work {
    /// Looks whether the files have changed, and stages what they hold.
    pub(super) fn look(&mut self, current: &Snapshot) -> Look {
        self.follow();
        let observed = match self.changes.judge(self.changes.watched().now(), Instant::now()) {
            Verdict::Same => return self.look_at_plugins(current),
            Verdict::Wait => return Look::Wait,
            Verdict::InForce => return Look::InForce,
            Verdict::LeftBefore(why) => return Look::LeftBefore(why),
            Verdict::Compile(observed) => observed,
        };
        let reading = self.reading(&observed);
        if !reading.inputs.agree_with(&observed) {
            return Look::Wait;
        }
        Look::Staged(self.stage.build(Some(current), reading))
    }

    /// Plugins come and go also while the configuration's files are of no use.
    fn look_at_plugins(&mut self, current: &Snapshot) -> Look {
        let now = self.stage.plugins.inputs(&current.settings.plugins);
        if now == self.plugins {
            self.standing.forget();
            return Look::Same;
        }
        if self.standing.stood(&now, Instant::now()) < QUIET {
            return Look::Wait;
        }
        Look::Staged(self.stage.reload_plugins(current))
    }

    /// Stages what the files hold now, for somebody who says that it is complete.
    /// `None`: it is in force already. `anew`: what does not come from the files is
    /// to give way to what does.
    pub(super) fn look_now(&mut self, current: &Snapshot, anew: bool) -> Option<Staged> {
        for _ in 0..TRIES {
            let observed = self.changes.watched().now();
            if self.changes.is_in_force(&observed) && !anew {
                let plugins = self.stage.plugins.inputs(&current.settings.plugins);
                return (plugins != self.plugins).then(|| self.stage.reload_plugins(current));
            }
            thread::sleep(SETTLED);
            let reading = if anew { self.stage.files.reading() } else { self.reading(&observed) };
            if reading.inputs.agree_with(&observed) && observed == self.changes.watched().now() {
                return Some(self.stage.build(Some(current), reading));
            }
        }
        Some(Staged { inputs: Inputs::default(), made: Made::Files, candidate: Err(Refused::NeverStill) })
    }

    /// Stages an earlier configuration, with the secrets and plugins of now.
    pub(super) fn look_back(&mut self, current: &Snapshot, sources: &[Source]) -> Staged {
        self.passed_over = self.changes.watched().now();
        self.stage.build(Some(current), self.stage.files.reading_of(sources))
    }

    /// While the files are pinned, their secrets still count, for what is in force.
    fn reading(&self, observed: &Inputs) -> Reading {
        match &self.kept {
            Some(sources) if self.changes.is_pinned(observed) => self.stage.files.reading_of(sources),
            _ => self.stage.files.reading(),
        }
    }

    fn follow(&mut self) {
        let watched = self.changes.watched();
        let files: BTreeSet<PathBuf> = watched.paths().map(ToOwned::to_owned).collect();
        self.events.follow(files.iter().map(PathBuf::as_path), self.plugins.folders());
    }
}

/// What a running server cannot change, by key.
fn fixed_keys(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let mut keys = Vec::new();
    if old.state_dir != new.state_dir {
        keys.push("`state.dir`");
    }
    keys
}

fn difference(current: &Snapshot, settings: &Settings, registry: &Registry) -> Diff {
    let (old, new) = (Names::of(&current.registry), Names::of(registry));
    diff(Side { settings: &current.settings, names: &old }, Side { settings, names: &new })
}

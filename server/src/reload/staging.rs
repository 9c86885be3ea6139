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
    config::{self, Compiled, Environment, Problem, Source},
    diff::{Diff, Names, Side, diff},
    redact::Redaction,
    registry::{Plugin, Registry},
    settings::Settings,
    snapshot::Snapshot,
    unused::{self, UnusedPattern},
};

use super::{
    Overlay, Refused,
    changes::{Changes, Left, QUIET, Steady, Verdict},
    watcher::FileEvents,
};
use crate::{
    config_files::{ConfigFiles, Inputs, KeptEnvironment, Reading},
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
    pub(super) overlay: Overlay,
    pub(super) plugins: Arc<PluginHost>,
    /// Knows the secrets of whatever is compiled before anything is said of it.
    pub(super) redaction: Arc<Redaction>,
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
    pub(super) kept: Option<Arc<[Source]>>,
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
    pub(super) sources: Arc<[Source]>,
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

/// A configuration, compiled.
pub(super) struct Draft {
    /// The bytes that it was made from.
    pub(super) inputs: Inputs,
    /// What that was.
    pub(super) made: Made,
    pub(super) compiled: Result<Compiled, Refused>,
}

/// What came of staging.
pub(super) struct Staged {
    /// The bytes that it was made from; of the plugins', none.
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
    /// Compiles what the files hold.
    pub(super) fn draft(&self) -> Draft {
        let Reading { mut inputs, content } = self.files.reading();
        let compiled = content.map_err(Refused::from).and_then(|(source, environment)| {
            let mut compiled = compile(&source, &environment);
            if let Ok(compiled) = &mut compiled {
                compiled.warnings.extend(environment.doubt());
            }
            self.redaction.learn(environment.secrets(), Instant::now());
            inputs = std::mem::take(&mut inputs).and(environment.inputs());
            compiled
        });
        Draft { inputs, made: Made::Files, compiled }
    }

    /// Compiles what was kept, with the secrets of now.
    pub(super) fn draft_of(&self, sources: &[Source]) -> Draft {
        let (mut inputs, environment) = self.files.reading_environment();
        let compiled = environment.map_err(Refused::from).and_then(|environment| {
            let source = sources.first().ok_or(Refused::Panicked)?;
            let compiled = compile(source, &KeptEnvironment::new(sources, &environment));
            self.redaction.learn(environment.secrets(), Instant::now());
            inputs = std::mem::take(&mut inputs).and(environment.inputs());
            compiled
        });
        Draft { inputs, made: Made::Kept, compiled }
    }

    /// Loads the plugins of what was compiled.
    pub(super) fn stage(&self, current: Option<&Snapshot>, draft: Draft) -> Staged {
        let Draft { inputs, made, compiled } = draft;
        let candidate = compiled.and_then(|compiled| {
            let Compiled { mut settings, warnings, sha256, sources } = compiled;
            self.overlay.put_over(&mut settings);
            let mut candidate = self.load(current, settings, sha256)?;
            candidate.sources = sources.into();
            candidate.notes.warnings = warnings;
            Ok(candidate)
        });
        Staged { inputs, made, candidate }
    }

    /// The configuration in force, with its plugins loaded anew.
    fn reload_plugins(&self, current: &Snapshot) -> Staged {
        let candidate = self.load(Some(current), current.settings.clone(), current.config_sha256.clone());
        Staged { inputs: Inputs::default(), made: Made::Plugins, candidate }
    }

    fn load(
        &self,
        current: Option<&Snapshot>,
        settings: Settings,
        config_sha256: String,
    ) -> Result<Box<Candidate>, Refused> {
        let fixed = current.map(|current| fixed_keys(&current.settings, &settings)).unwrap_or_default();
        if !fixed.is_empty() {
            return Err(Refused::NeedsRestart(fixed));
        }
        let loading = AssertUnwindSafe(|| {
            // Looked at before: what changes meanwhile shows as another change.
            let plugins = self.plugins.inputs(&settings.plugins);
            let loaded = self.plugins.load(&settings.plugins, &settings.state_dir);
            let notes = Notes {
                unused: unused::tool_patterns(&settings, loaded.registry()),
                diff: current.map(|it| difference(it, &settings, loaded.registry())).unwrap_or_default(),
                ..Notes::default()
            };
            Candidate { config_sha256, settings, loaded, plugins, sources: Arc::default(), notes }
        });
        catch_unwind(loading).map(Box::new).map_err(|_| Refused::Panicked)
    }
}

fn compile(source: &Source, environment: &dyn Environment) -> Result<Compiled, Refused> {
    let compiled = catch_unwind(AssertUnwindSafe(|| config::compile(source, environment)));
    compiled.map_or(Err(Refused::Panicked), |compiled| compiled.map_err(Refused::Invalid))
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
        let draft = self.draft(&observed);
        if !draft.inputs.configuration_holds_in(&observed) {
            // Only compiling says which files are included.
            // Somebody may be writing one that was not watched so far.
            self.changes.found(draft.inputs);
            return Look::Wait;
        }
        Look::Staged(self.stage.stage(Some(current), draft))
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
    pub(super) fn look_now(&mut self, current: &Snapshot, anew: bool) -> Result<Option<Staged>, Refused> {
        for _ in 0..TRIES {
            let observed = self.changes.watched().now();
            if self.changes.is_in_force(&observed) && !anew {
                let plugins = self.stage.plugins.inputs(&current.settings.plugins);
                return Ok((plugins != self.plugins).then(|| self.stage.reload_plugins(current)));
            }
            let draft = if anew { self.stage.draft() } else { self.draft(&observed) };
            thread::sleep(SETTLED);
            if draft.inputs.hold_in(&draft.inputs.now()) {
                return Ok(Some(self.stage.stage(Some(current), draft)));
            }
        }
        Err(Refused::NeverStill)
    }

    /// Stages an earlier configuration, with the secrets and plugins of now.
    pub(super) fn look_back(&mut self, current: &Snapshot, sources: &[Source]) -> Staged {
        // Only compiling says which files they include. Those with secrets change
        // without anybody's doing.
        let seen = self.changes.watched().now();
        self.passed_over = self.stage.draft().inputs.and(seen).of_configuration();
        self.stage.stage(Some(current), self.stage.draft_of(sources))
    }

    /// While the files are pinned, their secrets still count, for what is in force.
    fn draft(&self, observed: &Inputs) -> Draft {
        match &self.kept {
            Some(sources) if self.changes.is_pinned(observed) => self.stage.draft_of(sources),
            _ => self.stage.draft(),
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
    let (old, new) =
        (Names::of(&current.registry, &current.settings.plugins), Names::of(registry, &settings.plugins));
    diff(Side { settings: &current.settings, names: &old }, Side { settings, names: &new })
}

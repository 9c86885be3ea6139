//! What can be known of the configuration in force and of the last reloads.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use prometheus_client::metrics::histogram::Histogram;
use serde::Serialize;
use server_core::config::Source as ConfigSource;

use super::control::{Outcome, RefusedPlugin, Report, Trigger};

/// How many attempts are remembered.
const ATTEMPTS: usize = 10;

/// Upper bounds of the durations that are told apart.
const SECONDS: [f64; 9] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// Shared between the pipeline, which writes it, and whoever shows it.
pub struct ReloadStatus {
    state: Mutex<State>,
    seconds: Histogram,
    witness: Witness,
}

/// Hears of every attempt that was no dry run, when it has ended.
pub type Witness = Box<dyn Fn(&Attempt) + Send + Sync>;

impl Default for ReloadStatus {
    fn default() -> Self {
        Self::new(Box::new(|_| {}))
    }
}

impl fmt::Debug for ReloadStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReloadStatus").field("state", &self.state).finish_non_exhaustive()
    }
}

/// A look at it.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Where the configuration in force came from.
    pub source: Source,
    /// The files that it was read from, the main one first, and what they hold.
    pub sources: Arc<[ConfigSource]>,
    /// When it came into force.
    pub since: Option<Timestamp>,
    /// The last attempts, the latest first.
    pub attempts: VecDeque<Attempt>,
    /// Generations that `rollback` can put in force again, the latest first.
    pub kept: Vec<KeptGeneration>,
    /// Plugins that are not loaded, or not as their files have them.
    pub plugins_refused: Vec<RefusedPlugin>,
    /// Whether config.yaml is a bind mount of a file that is there no more, so
    /// that edits cannot be seen.
    pub stale_bind_mount: bool,
    /// How many attempts there were, by what made them and what came of them.
    pub counts: BTreeMap<(Trigger, Outcome), u64>,
    /// How often the kernel's file events failed.
    pub watch_errors: u64,
}

/// Where a configuration came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The files, as they are.
    #[default]
    Files,
    /// `MCP_TOKEN`, without a file.
    Environment,
    /// The copy of the last configuration that could be used; the files cannot.
    LastGood,
    /// A rollback; it counts until the files change.
    Rollback,
}

/// One reload, or an attempt at one.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// When it ended.
    pub at: Timestamp,
    /// What made it.
    pub trigger: Trigger,
    /// Who asked for it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// How long it took.
    pub milliseconds: u64,
    /// What came of it.
    #[serde(flatten)]
    pub report: Report,
}

/// A generation that can come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptGeneration {
    /// Its number.
    pub generation: u64,
    /// SHA-256 of its configuration.
    pub config_sha256: String,
    /// When it came into force.
    pub since: Timestamp,
}

impl ReloadStatus {
    /// One of which the witness hears.
    #[must_use]
    pub fn new(witness: Witness) -> Self {
        Self { state: Mutex::default(), seconds: Histogram::new(SECONDS), witness }
    }

    /// As it is now.
    #[must_use]
    pub fn now(&self) -> State {
        self.lock().clone()
    }

    /// What the configuration in force is written in.
    #[must_use]
    pub fn sources(&self) -> Arc<[ConfigSource]> {
        self.lock().sources.clone()
    }

    /// How long attempts took.
    #[must_use]
    pub fn seconds(&self) -> &Histogram {
        &self.seconds
    }

    /// A part of it, without a copy of the rest.
    pub(super) fn part<T>(&self, part: impl FnOnce(&State) -> T) -> T {
        part(&self.lock())
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
    }

    /// Remembers an attempt, and counts it.
    pub(super) fn attempted(&self, attempt: Attempt) {
        (self.witness)(&attempt);
        self.seconds.observe(Duration::from_millis(attempt.milliseconds).as_secs_f64());
        let mut state = self.lock();
        *state.counts.entry((attempt.trigger, attempt.report.result)).or_default() += 1;
        state.attempts.truncate(ATTEMPTS - 1);
        state.attempts.push_front(attempt);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! What a load made, before and after it is in force.

use std::{fmt, sync::Arc};

use server_core::registry::{Refusal, Registry};

use super::{
    Shared,
    change::{self, Change},
    round::Round,
};

/// Plugins that are ready to run, in place of those that do. Dropped, it leaves
/// everything as it was, but for the libraries: they stay in memory.
#[must_use = "it is not in force until it is committed"]
pub struct Loaded {
    pub(super) round: Round,
    pub(super) registry: Registry,
    pub(super) shared: Arc<Shared>,
}

/// Plugins that may be published.
#[derive(Debug)]
pub struct Committed {
    /// All that is loaded.
    pub registry: Registry,
    /// Every reason why the rest is not.
    pub refusals: Vec<Refusal>,
    /// What it changes, in the order of names.
    pub changes: Vec<Change>,
}

impl Loaded {
    /// All that is loaded, unless it cannot be [committed](Self::commit).
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Every reason why the rest is not.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        self.round.refusals()
    }

    /// What it would change, in the order of names.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        change::between(&self.shared.state().running, &self.registry)
    }

    /// Remembers which releases run here from now on, on disk; a plugin for which
    /// that fails gives way to what runs. The next load starts from here, so what
    /// this answers must be published, and a load that is older than another one
    /// that was committed is better dropped.
    pub fn commit(self) -> Committed {
        let Self { mut round, registry, shared } = self;
        let running = shared.state().running.clone();
        let (registry, running) = round.commit(registry, running);
        let mut state = shared.state();
        let changes = change::between(&state.running, &registry);
        for change in &changes {
            change.retire();
        }
        state.running = running;
        state.installed_key = round.keys().installed().cloned();
        Committed { registry, refusals: round.refusals().to_vec(), changes }
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("registry", &self.registry)
            .field("refusals", &self.refusals())
            .finish_non_exhaustive()
    }
}

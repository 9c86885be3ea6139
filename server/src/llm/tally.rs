//! What was asked of models, counted for the metrics.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    time::Instant,
};

use prometheus_client::metrics::histogram::Histogram;
use server_core::{
    id::AgentId,
    llm::{ModelRef, price::Usage},
    settings::Settings,
};

use super::locked;

/// Upper bounds of the durations that are told apart, in seconds.
const SECONDS: [f64; 9] = [0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];

/// Requests to providers since the process began.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Table>);

/// A look at it.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// By agent, model and outcome.
    pub requests: BTreeMap<(AgentId, ModelRef, &'static str), u64>,
    /// As providers told them, by agent and model.
    pub tokens: BTreeMap<(AgentId, ModelRef), Usage>,
    /// How long requests took, by model.
    pub seconds: BTreeMap<ModelRef, Histogram>,
}

impl Tally {
    /// Forgets agents and models that these settings do not have any more, and tells
    /// the rest.
    #[must_use]
    pub fn now(&self, settings: &Settings) -> Table {
        let agent = |agent: &AgentId| settings.agents.contains_key(agent);
        let model = |model: &ModelRef| settings.llm.model(model).is_some();
        let mut table = self.table();
        table.requests.retain(|(who, what, _), _| agent(who) && model(what));
        table.tokens.retain(|(who, what), _| agent(who) && model(what));
        table.seconds.retain(|what, _| model(what));
        table.clone()
    }

    /// A request begins.
    pub(super) fn begin(&self, agent: &AgentId, model: &ModelRef) -> Asked<'_> {
        let (agent, model, begun) = (agent.clone(), model.clone(), Instant::now());
        Asked { tally: self, agent, model, begun, used: Mutex::default(), outcome: "cancelled" }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        locked(&self.0)
    }
}

/// A request that is counted when it ends, whichever way it does.
#[derive(Debug)]
pub(super) struct Asked<'t> {
    tally: &'t Tally,
    agent: AgentId,
    model: ModelRef,
    begun: Instant,
    used: Mutex<Usage>,
    outcome: &'static str,
}

impl Asked<'_> {
    /// All that the provider has told so far.
    pub(super) fn used(&self, usage: Usage) {
        *locked(&self.used) = usage;
    }

    /// How it ended. Without this, the caller went away.
    pub(super) fn ended(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let (agent, model, used) = (self.agent.clone(), self.model.clone(), *locked(&self.used));
        let mut table = self.tally.table();
        *table.requests.entry((agent.clone(), model.clone(), self.outcome)).or_default() += 1;
        let seconds = table.seconds.entry(model.clone()).or_insert_with(|| Histogram::new(SECONDS));
        seconds.observe(self.begun.elapsed().as_secs_f64());
        let Usage { input, cached_input, cache_write, output } =
            table.tokens.entry((agent, model)).or_default();
        for (sum, more) in [
            (input, used.input),
            (cached_input, used.cached_input),
            (cache_write, used.cache_write),
            (output, used.output),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

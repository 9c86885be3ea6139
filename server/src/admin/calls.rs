//! What became of calls, counted.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, histogram::Histogram},
};
use server_core::{
    gateway::{CallLog, CallRecord},
    policy::Thing,
    snapshot::{Live, Snapshot},
};

/// Upper bounds of the durations that are told apart, in seconds.
const SECONDS: [f64; 11] = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0];

/// Counts calls by agent and name, as far as the snapshot in force has them: a
/// caller may ask for any name, and must not make a series of each.
#[derive(Debug)]
pub struct CallMetrics {
    live: Arc<Live>,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    calls: BTreeMap<(Caller, Called, &'static str), u64>,
    refusals: BTreeMap<(Caller, Called, &'static str), u64>,
    seconds: BTreeMap<Called, Histogram>,
}

/// An agent.
type Caller = String;

/// What was called. Without a name, it is none that there is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Called {
    kind: &'static str,
    name: String,
}

impl CallMetrics {
    /// None yet.
    #[must_use]
    pub fn new(live: Arc<Live>) -> Self {
        Self { live, table: Mutex::default() }
    }

    /// Forgets what the snapshot in force does not have any more, and writes the
    /// rest.
    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let snapshot = self.live.load();
        let mut table = self.table();
        table.retain(&snapshot);
        let help = "Calls that have ended, by how they did";
        let mut metric = encoder.encode_descriptor("mcp_calls", help, None, MetricType::Counter)?;
        for ((agent, called, outcome), count) in &table.calls {
            let labels = [
                ("agent", agent.as_str()),
                ("kind", called.kind),
                ("name", &called.name),
                ("outcome", outcome),
            ];
            ConstCounter::new(*count).encode(metric.encode_family(&labels)?)?;
        }
        let help = "Reasons for which calls, or services to them, were refused, each counted";
        let mut metric = encoder.encode_descriptor("mcp_call_refusals", help, None, MetricType::Counter)?;
        for ((agent, called, reason), count) in &table.refusals {
            let labels = [
                ("agent", agent.as_str()),
                ("kind", called.kind),
                ("name", &called.name),
                ("reason", reason),
            ];
            ConstCounter::new(*count).encode(metric.encode_family(&labels)?)?;
        }
        let help = "How long calls took that were let through";
        let mut metric = encoder.encode_descriptor("mcp_call_seconds", help, None, MetricType::Histogram)?;
        for (called, histogram) in &table.seconds {
            histogram.encode(metric.encode_family(&[("kind", called.kind), ("name", &called.name)])?)?;
        }
        Ok(())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallLog for CallMetrics {
    fn record(&self, record: &CallRecord) {
        let called = Called::of(record, &self.live.load());
        let agent = record.principal.agent.to_string();
        let mut table = self.table();
        for reason in &record.reasons {
            *table.refusals.entry((agent.clone(), called.clone(), reason)).or_default() += 1;
        }
        *table.calls.entry((agent, called.clone(), record.outcome.as_str())).or_default() += 1;
        if record.allowed {
            let histogram = table.seconds.entry(called).or_insert_with(|| Histogram::new(SECONDS));
            histogram.observe(record.duration.as_secs_f64());
        }
    }
}

impl Table {
    fn retain(&mut self, snapshot: &Snapshot) {
        let agents = &snapshot.settings.agents;
        let agent = |agent: &str| agents.keys().any(|id| id.as_str() == agent);
        self.calls.retain(|(caller, called, _), _| agent(caller) && called.is_in(snapshot));
        self.refusals.retain(|(caller, called, _), _| agent(caller) && called.is_in(snapshot));
        self.seconds.retain(|called, _| called.is_in(snapshot));
    }
}

impl Called {
    fn of(record: &CallRecord, snapshot: &Snapshot) -> Self {
        let kind = match record.thing {
            Thing::Tool => "tool",
            Thing::Resource => "resource",
            Thing::Prompt => "prompt",
        };
        let called = Self { kind, name: record.name.clone() };
        if called.is_in(snapshot) { called } else { Self { kind, name: String::new() } }
    }

    fn is_in(&self, snapshot: &Snapshot) -> bool {
        let Self { kind, name } = self;
        name.is_empty()
            || match *kind {
                "tool" => snapshot.registry.tool(name).is_some(),
                "prompt" => snapshot.registry.prompt(name).is_some(),
                // Of a template there may be any number.
                _ => snapshot.registry.resources().any(|resource| resource.spec.uri.as_str() == name),
            }
    }
}

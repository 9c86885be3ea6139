//! One log line per call, and whoever else wants to know.

use std::sync::Arc;

use server_core::{
    gateway::{CallLog, CallRecord},
    policy::Thing,
};
use tracing::info;

/// Hands every record to each of these.
pub struct Each(pub Vec<Arc<dyn CallLog>>);

impl CallLog for Each {
    fn record(&self, record: &CallRecord) {
        self.0.iter().for_each(|log| log.record(record));
    }
}

/// Writes call records to the log.
#[derive(Debug, Default)]
pub struct LogLines;

impl CallLog for LogLines {
    fn record(&self, record: &CallRecord) {
        let named = |thing| (record.thing == thing).then_some(record.name.as_str());
        info!(
            target: "call",
            agent = %record.principal.agent,
            tenant = %record.principal.tenant,
            tool = named(Thing::Tool),
            resource = named(Thing::Resource),
            prompt = named(Thing::Prompt),
            decision = if record.allowed { "allow" } else { "deny" },
            reasons = record.reasons.join(","),
            outcome = record.outcome.as_str(),
            generation = record.generation.0,
            duration_us = u64::try_from(record.duration.as_micros()).unwrap_or(u64::MAX),
            request_bytes = record.request_bytes,
            response_bytes = record.response_bytes,
            "call"
        );
    }
}

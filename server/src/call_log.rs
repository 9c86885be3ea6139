//! One log line per call.

use server_core::gateway::{CallLog, CallRecord};
use tracing::info;

/// Writes call records to the log.
#[derive(Debug, Default)]
pub struct LogLines;

impl CallLog for LogLines {
    fn record(&self, record: &CallRecord) {
        info!(
            target: "call",
            agent = %record.principal.agent,
            tenant = %record.principal.tenant,
            kind = record.thing.as_str(),
            name = record.name,
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

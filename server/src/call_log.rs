//! One log line per call, and whoever else wants to know.

use std::{net::IpAddr, sync::Arc};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use server_core::{
    gateway::{CallLog, CallRecord},
    policy::Thing,
};

use crate::logging::Lines;

/// Hands every record to each of these.
pub struct Each(pub Vec<Arc<dyn CallLog>>);

impl CallLog for Each {
    fn record(&self, record: &CallRecord) {
        self.0.iter().for_each(|log| log.record(record));
    }
}

/// Writes call records to the log, whatever else is logged. They are most of the
/// lines of a busy server, so they go there without the detour by which any part
/// of the program can log anything.
pub struct LogLines(pub Lines);

impl CallLog for LogLines {
    fn record(&self, record: &CallRecord) {
        // A line of text and numbers is always JSON.
        if let Ok(mut line) = serde_json::to_vec(&Line::of(record)) {
            line.push(b'\n');
            self.0.push(&line);
        }
    }
}

/// A line, with the fields that every line has.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(serialize_with = "microseconds")]
    timestamp: Timestamp,
    level: &'static str,
    message: &'static str,
    agent: &'a str,
    tenant: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'a str>,
    decision: &'static str,
    reasons: String,
    outcome: &'static str,
    generation: u64,
    duration_us: u64,
    request_bytes: u64,
    response_bytes: u64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    egress: &'a [String],
    target: &'static str,
}

impl<'a> Line<'a> {
    fn of(record: &'a CallRecord) -> Self {
        let named = |thing| (record.thing == thing).then_some(record.name.as_str());
        Self {
            timestamp: Timestamp::now(),
            level: "INFO",
            message: "call",
            agent: record.principal.agent.as_str(),
            tenant: record.principal.tenant.as_str(),
            address: record.address,
            tool: named(Thing::Tool),
            resource: named(Thing::Resource),
            prompt: named(Thing::Prompt),
            decision: if record.allowed { "allow" } else { "deny" },
            reasons: record.reasons.join(","),
            outcome: record.outcome.as_str(),
            generation: record.generation.0,
            duration_us: u64::try_from(record.duration.as_micros()).unwrap_or(u64::MAX),
            request_bytes: record.request_bytes,
            response_bytes: record.response_bytes,
            egress: &record.egress,
            target: "call",
        }
    }
}

fn microseconds<S: Serializer>(timestamp: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{timestamp:.6}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use server_core::{
        gateway::Outcome,
        id::{CallId, Generation},
        principal::Principal,
    };

    use super::*;

    #[test]
    fn a_line_says_everything_of_a_call_but_what_was_said_in_it() {
        let record = CallRecord {
            call: CallId(3),
            principal: Principal { agent: "laptop".parse().unwrap(), tenant: "research".parse().unwrap() },
            address: Some([10, 0, 0, 7].into()),
            thing: Thing::Tool,
            name: "core.\"wipe\"\n".to_owned(),
            plugin: None,
            generation: Generation(7),
            allowed: false,
            reasons: vec!["tool_not_granted_to_agent", "rate_limited"],
            messages: Vec::new(),
            is_decided: false,
            outcome: Outcome::Refused,
            duration: Duration::from_micros(52),
            request_bytes: 12,
            response_bytes: 0,
            egress: vec!["jira.lan:443".to_owned()],
            cost_nano_usd: None,
        };
        let line = Line { timestamp: "2026-11-22T16:35:10.4Z".parse().unwrap(), ..Line::of(&record) };
        assert_eq!(
            serde_json::to_string(&line).unwrap(),
            r#"{"timestamp":"2026-11-22T16:35:10.400000Z","level":"INFO","message":"call","agent":"laptop","tenant":"research","address":"10.0.0.7","tool":"core.\"wipe\"\n","decision":"deny","reasons":"tool_not_granted_to_agent,rate_limited","outcome":"refused","generation":7,"duration_us":52,"request_bytes":12,"response_bytes":0,"egress":["jira.lan:443"],"target":"call"}"#
        );
    }
}

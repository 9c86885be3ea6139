//! Records of calls as events of the Open Cybersecurity Schema Framework: API
//! Activity, class 6003, of version 1.3.0 with the profile `security_control`. One
//! event for each call, made of the record that has its outcome.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

const CLASS: u64 = 6003;
const OTHER: u64 = 99;
const READ: u64 = 2;

/// The event that a record is, if it has the outcome of a call.
#[must_use]
pub fn event(record: &Value) -> Option<Value> {
    let text = |key: &str| record.get(key).and_then(Value::as_str);
    let (agent, outcome) = (text("agent")?, text("outcome")?);
    let (kind, name) =
        ["tool", "resource", "prompt"].into_iter().find_map(|kind| Some((kind, text(kind)?)))?;
    let activity = if kind == "tool" { OTHER } else { READ };
    let allowed = text("decision") == Some("allow");
    let time: Timestamp = text("time")?.parse().ok()?;
    let duration_us = record.get("duration_us").and_then(Value::as_u64).unwrap_or_default();
    let success = outcome == "ok";
    let severity = match (allowed, success) {
        (true, true) => (1, "Informational"),
        (true, false) => (2, "Low"),
        (false, _) => (3, "Medium"),
    };
    let mut event = json!({
        "class_uid": CLASS,
        "class_name": "API Activity",
        "category_uid": 6,
        "category_name": "Application Activity",
        "activity_id": activity,
        "activity_name": if kind == "tool" { "Call" } else { "Read" },
        "type_uid": CLASS * 100 + activity,
        "time": time.as_millisecond(),
        "duration": duration_us / 1000,
        "severity_id": severity.0,
        "severity": severity.1,
        "status_id": if success { 1 } else { 2 },
        "status": if success { "Success" } else { "Failure" },
        "status_code": outcome,
        "action_id": if allowed { 1 } else { 2 },
        "action": if allowed { "Allowed" } else { "Denied" },
        "disposition_id": if allowed { 1 } else { 2 },
        "disposition": if allowed { "Allowed" } else { "Blocked" },
        "metadata": {
            "version": "1.3.0",
            "profiles": ["security_control"],
            "product": { "name": "mcp-universal-server", "vendor_name": "mcp-universal-server", "version": env!("CARGO_PKG_VERSION") },
            "uid": text("hash"),
            "sequence": record.get("seq"),
            "correlation_uid": text("call"),
            "log_name": "audit",
            "original_time": text("time"),
        },
        "actor": { "user": { "name": agent, "uid": agent, "type_id": 3, "type": "System", "org": { "name": text("tenant") } } },
        "src_endpoint": { "name": agent, "ip": text("address"), "type_id": 0 },
        "api": {
            "operation": name,
            "service": { "name": text("plugin").unwrap_or("mcp-universal-server"), "uid": text("plugin_sha256") },
            "request": { "uid": text("call") },
            "response": { "code": if success { 0 } else { 1 }, "message": outcome, "error": (!success).then_some(outcome) },
        },
        "resources": [{ "name": name, "type": kind }],
        "unmapped": unmapped(record),
    });
    if let Some(reasons) = record.get("reasons").and_then(Value::as_array)
        && let Some(event) = event.as_object_mut()
    {
        let codes: Vec<_> = reasons.iter().filter_map(Value::as_str).collect();
        let messages = record.get("messages").and_then(Value::as_array).cloned().unwrap_or_default();
        let messages: Vec<_> = messages.iter().filter_map(Value::as_str).collect();
        event.insert("status_detail".to_owned(), codes.join(", ").into());
        event.insert("message".to_owned(), messages.join("; ").into());
    }
    without_nulls(&mut event);
    Some(event)
}

/// What the schema has no place for, under its own name.
fn unmapped(record: &Value) -> Map<String, Value> {
    const KEYS: [&str; 7] = [
        "generation",
        "request_bytes",
        "response_bytes",
        "arguments_hmac",
        "egress",
        "cost_nano_usd",
        "prev",
    ];
    let taken = KEYS.into_iter().filter_map(|key| Some((key.to_owned(), record.get(key)?.clone())));
    taken.collect()
}

fn without_nulls(value: &mut Value) {
    if let Value::Object(map) = value {
        map.retain(|_, value| !value.is_null());
        map.values_mut().for_each(without_nulls);
    }
}

//! Records as rows for people.

use serde_json::Value;

/// Over the rows.
pub(super) const HEADER: &str = "TIME                     AGENT            WHAT                         DECISION  OUTCOME          MS  WHY";

/// How much of a record's other keys is shown.
const SAYS: usize = 160;

/// One record.
pub(super) fn row(record: &Value) -> String {
    let text = |key: &str| record.get(key).and_then(Value::as_str);
    let time = text("time").unwrap_or_default();
    // Milliseconds will do.
    let time = time.get(..23).map_or_else(|| time.to_owned(), |time| format!("{time}Z"));
    let Some(agent) = text("agent").filter(|_| text("decision").is_some()) else {
        let event = text("event").unwrap_or_default();
        return printable(&format!("{time:24} {event:16} {}", says(record)));
    };
    let what = ["tool", "resource", "prompt"].into_iter().find_map(text).unwrap_or_default();
    let decision = text("decision").unwrap_or_default();
    let outcome = text("outcome").unwrap_or("…");
    let ms = record.get("duration_us").and_then(Value::as_u64);
    let ms = ms.map_or_else(String::new, |us| format!("{}.{:02}", us / 1000, us % 1000 / 10));
    let row = format!(
        "{time:24} {agent:16} {what:28} {decision:9} {outcome:9} {ms:>9}  {}",
        list(record, "reasons")
    );
    printable(row.trim_end())
}

/// What a record that is not about a call says, in short.
fn says(record: &Value) -> String {
    const LEFT_OUT: [&str; 6] = ["event", "time", "seq", "prev", "hash", "signature"];
    let keys = record.as_object().into_iter().flatten();
    let said = keys.filter(|(key, value)| !LEFT_OUT.contains(&key.as_str()) && !is_nothing(value));
    let said: Vec<_> = said
        .map(|(key, value)| match value {
            Value::String(text) => format!("{key}={}", short(text)),
            other => format!("{key}={other}"),
        })
        .collect();
    let said = said.join(" ");
    match said.char_indices().nth(SAYS) {
        Some((at, _)) => format!("{}…", said.get(..at).unwrap_or_default()),
        None => said,
    }
}

/// A digest or a key is known by its first digits.
fn short(text: &str) -> String {
    let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest { format!("{}…", text.get(..12).unwrap_or_default()) } else { text.to_owned() }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

fn list(record: &Value, key: &str) -> String {
    let items = record.get(key).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

/// A name that a stranger made up must not steer somebody's terminal.
fn printable(row: &str) -> String {
    row.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_is_a_row_and_anything_else_says_what_it_has() {
        for (record, expected) in [
            (
                json!({
                    "event": "outcome", "time": "2026-11-25T08:00:00.123456Z", "agent": "laptop", "tenant": "research",
                    "tool": "core.echo", "decision": "allow", "outcome": "ok", "duration_us": 1234,
                }),
                "2026-11-25T08:00:00.123Z laptop           core.echo                    allow     ok             1.23",
            ),
            (
                json!({
                    "event": "decision", "time": "2026-11-25T08:00:00.123456Z", "agent": "laptop", "tool": "core.\u{1b}[2J",
                    "decision": "deny", "outcome": "refused", "duration_us": 9, "reasons": ["rate_limited", "too_many_calls"],
                }),
                "2026-11-25T08:00:00.123Z laptop           core.\u{fffd}[2J                    deny      refused        0.00  rate_limited, too_many_calls",
            ),
            (
                json!({ "event": "auth_failure", "time": "2026-11-25T08:00:00.123456Z", "address": "192.0.2.1", "door": "mcp", "seq": 7 }),
                "2026-11-25T08:00:00.123Z auth_failure     address=192.0.2.1 door=mcp",
            ),
        ] {
            assert_eq!(row(&record), expected);
        }
        assert_eq!(HEADER.find("DECISION"), Some(71));
    }
}

//! The server's log, for a person at a terminal.

use std::{
    fmt::Write as _,
    io::{self, Write},
    sync::Arc,
};

use serde_json::Value;

use super::desk::Desk;

/// Keys that are the same in every line, or say nothing to an author.
const LEFT_OUT: [&str; 10] = [
    "timestamp",
    "level",
    "message",
    "target",
    "config_sha256",
    "signer",
    "key_id",
    "sha256",
    "from_sha256",
    "tenant",
];

/// Where the log is written to.
pub(super) struct Screen {
    desk: Arc<Desk>,
    /// The beginning of a line.
    rest: Vec<u8>,
}

impl Screen {
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, rest: Vec::new() }
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            if let Ok(line) = serde_json::from_slice(&line) {
                self.desk.logged(&line);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line of the log in words: when, what, and what there is to know about it.
pub(super) fn readable(line: &Value) -> String {
    let text = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default();
    let time = text("timestamp").get(11..19).unwrap_or_default().to_owned();
    let level = match text("level") {
        "ERROR" => "error: ",
        "WARN" => "warning: ",
        _ => "",
    };
    let mut readable = format!("{time}  {level}{}", text("message"));
    let fields = line.as_object().into_iter().flatten();
    for (key, value) in fields.filter(|(key, _)| !LEFT_OUT.contains(&key.as_str()) && *key != "help") {
        let value = match value {
            Value::Null => continue,
            Value::String(text) if text.is_empty() => continue,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        // It never fails.
        let _ = write!(readable, "  {key}={value}");
    }
    if let Some(help) = line.get("help").and_then(Value::as_str) {
        let _ = write!(readable, "\n          help: {help}");
    }
    readable.push('\n');
    readable
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_what_an_author_wants_to_know() {
        let call = json!({
            "timestamp": "2026-11-22T16:35:10.400000Z", "level": "INFO", "message": "call", "agent": "developer",
            "tenant": "development", "tool": "hello.greet", "decision": "deny", "reasons": "rate_limited",
            "outcome": "refused", "generation": 1, "duration_us": 52, "egress": [], "target": "call",
        });
        assert_eq!(
            readable(&call),
            "16:35:10  call  agent=developer  decision=deny  duration_us=52  egress=[]  generation=1  \
             outcome=refused  reasons=rate_limited  tool=hello.greet\n"
        );
        let refused = json!({
            "timestamp": "2026-11-22T16:35:10.400000Z", "level": "ERROR", "message": "plugin refused: it is too large",
            "code": "too_large", "help": "strip it", "target": "plugin",
        });
        assert_eq!(
            readable(&refused),
            "16:35:10  error: plugin refused: it is too large  code=too_large\n          help: strip it\n"
        );
    }
}

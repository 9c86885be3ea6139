//! Plugins' lines in the server's log.

use plugin_contract::{
    PluginName,
    op::{LogLevel, LogLine},
};
use server_core::policy::Permit;
use tracing::{debug, error, info, warn};

/// Bytes of a message that are logged.
const MAX_MESSAGE: usize = 4096;

/// Writes a line, under the name of the plugin and, if it is known, the agent it
/// works for.
pub(super) fn write(plugin: &PluginName, permit: Option<&Permit>, line: &LogLine) {
    let message = printable(&line.message);
    let agent = permit.map(|permit| permit.principal().agent.as_str());
    match line.level {
        LogLevel::Debug => debug!(target: "plugin", %plugin, agent, "{message}"),
        LogLevel::Info => info!(target: "plugin", %plugin, agent, "{message}"),
        LogLevel::Warn => warn!(target: "plugin", %plugin, agent, "{message}"),
        LogLevel::Error => error!(target: "plugin", %plugin, agent, "{message}"),
    }
}

/// A message that cannot pass for another line or move a terminal's cursor.
fn printable(message: &str) -> String {
    let mut printable = String::with_capacity(message.len().min(MAX_MESSAGE));
    for c in message.chars() {
        if printable.len() >= MAX_MESSAGE {
            printable.push('…');
            break;
        }
        if c.is_control() {
            printable.extend(c.escape_default());
        } else {
            printable.push(c);
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stays_one_line_of_bounded_length() {
        for (message, logged) in [
            ("plain, ä", "plain, ä".to_owned()),
            ("a\nb\tc\u{1b}[31m\u{7f}", "a\\nb\\tc\\u{1b}[31m\\u{7f}".to_owned()),
            (&"x".repeat(5000), format!("{}…", "x".repeat(4096))),
        ] {
            assert_eq!(printable(message), logged);
        }
    }
}

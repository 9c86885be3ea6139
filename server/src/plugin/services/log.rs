//! Plugins' lines in the server's log.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use plugin_contract::{
    PluginName,
    op::{LogLevel, LogLine},
};
use server_core::policy::Permit;
use tracing::{debug, error, info, warn};

use crate::allowance::Allowance;

/// Bytes of a message that are logged.
pub(crate) const MAX_MESSAGE: usize = 4096;

/// How many lines a plugin may write at once, and how fast that grows back.
const LINES: (u32, Duration) = (200, Duration::from_millis(50));

/// What is left of a plugin's right to write lines.
#[derive(Debug)]
pub(super) struct PluginLog {
    lines: Allowance,
    lost: AtomicU64,
}

impl Default for PluginLog {
    fn default() -> Self {
        let (burst, interval) = LINES;
        Self { lines: Allowance::new(burst, interval), lost: AtomicU64::new(0) }
    }
}

impl PluginLog {
    /// Writes a line, under the name of the plugin and, if it is known, the agent
    /// it works for. Lines that are too many are counted, and the count is written.
    pub(super) fn write(&self, plugin: &PluginName, permit: Option<&Permit>, line: &LogLine) {
        if self.take(plugin) {
            write(plugin, permit, line);
        }
    }

    /// Writes a line that the plugin's process printed, out of the same allowance.
    /// False if it is lost.
    pub(super) fn printed(&self, plugin: &PluginName, line: &str) -> bool {
        let taken = self.take(plugin);
        if taken {
            warn!(target: "plugin", %plugin, printed = true, "{}", printable(line));
        }
        taken
    }

    fn take(&self, plugin: &PluginName) -> bool {
        if !self.lines.take() {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            warn!(target: "plugin", %plugin, lost, "the plugin logs too much: lines are lost");
        }
        true
    }
}

fn write(plugin: &PluginName, permit: Option<&Permit>, line: &LogLine) {
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

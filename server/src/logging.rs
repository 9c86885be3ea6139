//! The log: JSON on stdout, one object a line.

use std::{
    io, panic,
    sync::{Arc, Once},
};

use server_core::{redact::Redaction, settings::LogLevel};
use tracing::{Metadata, Subscriber, error, info, subscriber::Interest};
use tracing_subscriber::{
    Layer, Registry,
    filter::LevelFilter,
    layer::{Context, Filter, SubscriberExt},
    reload::{self, Handle},
    util::SubscriberInitExt,
};

mod asked;
mod lines;

pub use asked::{Asked, InvalidLogFilter};
pub use lines::Lines;

/// Targets of our own. What other crates log below `warn` may hold arguments,
/// headers and tokens.
const OURS: [&str; 14] = [
    "audit",
    "auth",
    "budget",
    "call",
    "config",
    "database",
    "egress",
    "files",
    "llm",
    "mcp",
    "plugin",
    "server",
    "mcp_universal_server",
    "server_core",
];

/// The running log. To drop it waits until its lines are written, but not for
/// ever.
#[must_use]
pub struct Log {
    lines: Lines,
    level: Level,
}

/// By which the running log's level is changed. A clone changes the same one.
#[derive(Clone)]
pub struct Level {
    filter: Handle<Asked, Registry>,
    /// The environment has said what is logged; the configuration does not count.
    fixed: bool,
    told: Arc<Once>,
}

/// Starts logging, to `out`. Called once, by whoever serves.
///
/// # Errors
///
/// If there can be no thread for it.
pub fn start(
    asked: Asked,
    redaction: Arc<Redaction>,
    out: impl io::Write + Send + 'static,
) -> io::Result<Log> {
    let lines = Lines::start(out, redaction)?;
    let fixed = asked.by_environment();
    let (asked, filter) = reload::Layer::new(asked);
    let written = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(lines.clone())
        .with_filter(asked);
    // A second start could only come from a test that runs two servers in one
    // process; the first one's log then serves both.
    let _ = tracing_subscriber::registry().with(written).try_init();
    panic::set_hook(Box::new(|panic| {
        // What a panic says may quote what an agent sent, so only its place is told.
        let place = panic.location().map(ToString::to_string);
        error!(target: "server", place, "a bug: something panicked; what it was doing has failed, the rest goes on");
    }));
    Ok(Log { lines, level: Level { filter, fixed, told: Arc::new(Once::new()) } })
}

impl Log {
    /// Where its lines go.
    pub fn lines(&self) -> Lines {
        self.lines.clone()
    }

    /// By which its level is changed.
    pub fn level(&self) -> Level {
        self.level.clone()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.lines.flush();
    }
}

impl Level {
    /// Logs what the configuration asks for from now on, unless the environment
    /// says otherwise, which is told once.
    pub fn set(&self, level: LogLevel) {
        if self.fixed {
            self.told.call_once(|| {
                info!(target: "config", "RUST_LOG is set, so it says what is logged, and `log.level` does not count");
            });
        } else {
            // It fails only where the log has ended.
            let _ = self.filter.reload(level);
        }
    }
}

impl<S: Subscriber> Filter<S> for Asked {
    fn enabled(&self, event: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        is_logged(self, event)
    }

    /// Asked once for every line of the program there may be, and again after a
    /// change.
    fn callsite_enabled(&self, event: &'static Metadata<'static>) -> Interest {
        if is_logged(self, event) { Interest::always() } else { Interest::never() }
    }
}

fn is_logged(asked: &Asked, event: &Metadata<'_>) -> bool {
    let target = event.target();
    asked.has(target, *event.level()) && *event.level() <= most(target)
}

/// What may be logged of a target.
fn most(target: &str) -> LevelFilter {
    match target.split("::").next().unwrap_or_default() {
        ours if OURS.contains(&ours) => LevelFilter::TRACE,
        "rmcp" => LevelFilter::ERROR,
        _ => LevelFilter::WARN,
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn other_crates_are_kept_quiet_whatever_is_asked_for() {
        for (target, level) in [
            ("plugin", Level::TRACE),
            ("mcp_universal_server::mcp", Level::TRACE),
            ("server_core", Level::TRACE),
            ("rmcp", Level::ERROR),
            ("rmcp::service", Level::ERROR),
            ("hyper::proto::h1", Level::WARN),
            ("h2", Level::WARN),
            ("reqwest::connect", Level::WARN),
            ("callous", Level::WARN),
        ] {
            assert_eq!(most(target), level, "{target}");
        }
    }
}

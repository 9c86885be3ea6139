//! The log: JSON on stdout, one object a line.

use std::panic;

use tracing::error;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// What is logged unless `RUST_LOG` says otherwise. rmcp would log arguments at
/// debug level and every client that hangs up at error level.
const DEFAULT_FILTER: &str = "info,rmcp=off";

/// Starts logging. Called once, by `serve`.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false);
    // A second start could only come from a test that runs two servers in one
    // process; the first one's log then serves both.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    panic::set_hook(Box::new(|panic| {
        // What a panic says may quote what an agent sent, so only its place is told.
        let place = panic.location().map(ToString::to_string);
        error!(target: "server", place, "a bug: something panicked; what it was doing has failed, the rest goes on");
    }));
}

//! Whether the server can take calls, and how the last reload went: what
//! `/readyz` tells.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use jiff::Timestamp;
use serde::Serialize;

/// Shared between whoever changes it and `/readyz`.
#[derive(Debug, Default)]
pub struct Readiness {
    draining: AtomicBool,
    last_reload: Mutex<LastReload>,
    last_success: Mutex<Option<Timestamp>>,
}

/// What came of the files when they were read last. Plugins that come and go by
/// themselves say nothing of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum LastReload {
    /// There was none since the start.
    #[default]
    None,
    /// It is in force.
    Applied,
    /// It changed nothing.
    Refused {
        /// How many problems it had.
        problems: usize,
    },
    /// It waits for a confirmation.
    Held,
}

impl Readiness {
    /// The server is about to stop: it takes no more calls.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether it is about to stop.
    #[must_use]
    pub fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The files were read, and what they hold is in force.
    pub fn succeeded(&self) {
        *self.last_success.lock().unwrap_or_else(PoisonError::into_inner) = Some(Timestamp::now());
    }

    /// The files were read again.
    pub fn reloaded(&self, result: LastReload) {
        if result == LastReload::Applied {
            self.succeeded();
        }
        *self.last_reload.lock().unwrap_or_else(PoisonError::into_inner) = result;
    }

    /// When the files were read last and what they held was in force.
    #[must_use]
    pub fn last_success(&self) -> Option<Timestamp> {
        *self.last_success.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the last reload went.
    #[must_use]
    pub fn last_reload(&self) -> LastReload {
        *self.last_reload.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

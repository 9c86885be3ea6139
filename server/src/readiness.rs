//! Whether the server can take calls, and how the last reload went: what
//! `/readyz` tells.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use serde::Serialize;

/// Shared between whoever changes it and `/readyz`.
#[derive(Debug, Default)]
pub struct Readiness {
    draining: AtomicBool,
    last_reload: Mutex<LastReload>,
}

/// How the last reload went.
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

    /// A reload has ended.
    pub fn reloaded(&self, result: LastReload) {
        *self.last_reload.lock().unwrap_or_else(PoisonError::into_inner) = result;
    }

    /// How the last reload went.
    #[must_use]
    pub fn last_reload(&self) -> LastReload {
        *self.last_reload.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

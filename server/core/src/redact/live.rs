//! The redactor in force, which whoever writes something asks for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;

use super::{Known, Redactor, Rules};
use crate::secret::Secret;

/// How long a secret is looked for after nothing has named it any more: a call
/// that began with it may still run, and a plugin may have kept it.
const REMEMBERED: Duration = Duration::from_hours(1);

/// How many secrets are remembered that nothing names any more.
const MAX_REMEMBERED: usize = 100_000;

/// Holds the current redactor, and remembers secrets longer than configurations
/// do.
#[derive(Debug, Default)]
pub struct Redaction {
    current: ArcSwap<Redactor>,
    memory: Mutex<HashMap<Secret, Instant>>,
}

impl Redaction {
    /// The redactor in force.
    #[must_use]
    pub fn load(&self) -> Arc<Redactor> {
        self.current.load_full()
    }

    /// Looks for these too from now on. To be called before anything is done with
    /// them, also with those of a configuration that may be refused.
    pub fn learn(&self, secrets: impl IntoIterator<Item = Secret>, now: Instant) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let before = memory.len();
        let mut named = 0;
        for secret in secrets {
            memory.insert(secret, now);
            named += 1;
        }
        let learnt = memory.len() - before;
        memory.retain(|_, seen| now.saturating_duration_since(*seen) < REMEMBERED);
        forget(&mut memory, named + MAX_REMEMBERED);
        if learnt > 0 || memory.len() != before {
            let known = Arc::new(Known::new(memory.keys()));
            self.current.rcu(|current| Redactor::new(current.rules.clone(), known.clone()));
        }
    }

    /// Goes by these rules from now on.
    pub fn follow(&self, rules: &Arc<Rules>) {
        self.current.rcu(|current| Redactor::new(rules.clone(), current.known.clone()));
    }
}

/// The oldest, until so many are left.
fn forget(memory: &mut HashMap<Secret, Instant>, most: usize) {
    if memory.len() > most {
        let mut times: Vec<Instant> = memory.values().copied().collect();
        times.sort_unstable();
        let oldest = times.get(times.len() - most).copied();
        memory.retain(|_, seen| oldest.is_none_or(|oldest| *seen >= oldest));
    }
}

//! The calls that plugins are busy with.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use server_core::policy::Permit;

/// Names a call for a plugin: random, so that none can be guessed.
type Token = [u8; 16];

/// The calls in flight, each with the rights it has.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<HashMap<Token, Arc<Permit>>>);

/// A call in flight. Dropping it ends it: its token is worth nothing any more.
#[derive(Debug)]
pub(crate) struct InFlight {
    token: Token,
    calls: Arc<Calls>,
}

impl Calls {
    /// Begins a call.
    pub(crate) fn begin(self: &Arc<Self>, permit: Arc<Permit>) -> Result<InFlight, getrandom::Error> {
        let mut token = Token::default();
        getrandom::fill(&mut token)?;
        self.table().insert(token, permit);
        Ok(InFlight { token, calls: self.clone() })
    }

    /// The rights of the call that `token` names.
    pub(crate) fn permit(&self, token: &[u8]) -> Option<Arc<Permit>> {
        let token: &Token = token.try_into().ok()?;
        self.table().get(token).cloned()
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Token, Arc<Permit>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InFlight {
    /// What the plugin hands back to name this call.
    pub(crate) fn token(&self) -> &[u8] {
        &self.token
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        // It may be the last to hold an old plugin, whose own `Drop` may log: the
        // table must be free by then.
        let permit = self.calls.table().remove(&self.token);
        drop(permit);
    }
}

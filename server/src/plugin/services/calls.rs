//! The calls that plugins are busy with.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use plugin_contract::op::{ErrorCode, OpError};
use server_core::{conversation::Conversation, gateway::Notes, policy::Permit};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::plugin::deadline::Deadline;

/// Names a call for a plugin: random, so that none can be guessed.
type Token = [u8; 16];

/// How many tokens' worth of randomness a thread asks the system for at once.
const TOKENS: usize = 256;

/// The calls in flight.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<HashMap<Token, Arc<Work>>>);

/// What a plugin is busy with, for whom.
#[derive(Debug)]
pub(crate) struct Work {
    /// The rights it has.
    pub(crate) permit: Arc<Permit>,
    /// The client.
    pub(crate) conversation: Arc<dyn Conversation>,
    /// Its thread may be blocked.
    pub(crate) may_wait: bool,
    /// Nobody waits for it after that.
    pub(crate) deadline: Deadline,
    /// Nobody waits for it any more.
    pub(crate) abandoned: CancellationToken,
    /// What is noted of it for its record.
    pub(crate) notes: Arc<Notes>,
    /// Does what a plugin's thread waits for.
    pub(crate) runtime: Option<Handle>,
}

impl Work {
    /// Whether it is in vain.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.is_cancelled() || self.permit.is_revoked() || self.remaining().is_zero()
    }

    /// How long somebody waits for it.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.remaining()
    }

    /// Does `work` while the plugin's thread waits: until the call's deadline, and
    /// no longer than somebody waits for the call itself.
    pub(crate) fn wait_for<T>(&self, work: impl Future<Output = T>) -> Result<T, OpError> {
        let cannot = |message| OpError::new(ErrorCode::InvalidInput, message);
        if !self.may_wait {
            return Err(cannot("a tool that is `inline` must not wait: remove `.inline()`"));
        }
        let Some(runtime) = &self.runtime else {
            return Err(cannot("nothing can be waited for here"));
        };
        let in_vain = |message| Err(OpError::new(ErrorCode::Failed, message));
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.abandoned.cancelled() => in_vain("nobody waits for the call any more"),
                () = self.deadline.passed() => in_vain("the call's time is up"),
                done = work => Ok(done),
            }
        })
    }
}

/// A call in flight. Dropping it ends it: its token is worth nothing any more.
#[derive(Debug)]
pub(crate) struct InFlight {
    token: Token,
    calls: Arc<Calls>,
}

impl Calls {
    /// Begins a call.
    pub(crate) fn begin(self: &Arc<Self>, work: Work) -> Result<InFlight, getrandom::Error> {
        let token = token()?;
        self.table().insert(token, Arc::new(work));
        Ok(InFlight { token, calls: self.clone() })
    }

    /// The call that `token` names.
    pub(crate) fn find(&self, token: &[u8]) -> Option<Arc<Work>> {
        let token: &Token = token.try_into().ok()?;
        self.table().get(token).cloned()
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Token, Arc<Work>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token that nobody has had.
fn token() -> Result<Token, getrandom::Error> {
    thread_local! {
        static UNUSED: RefCell<Vec<Token>> = const { RefCell::new(Vec::new()) };
    }
    UNUSED.with_borrow_mut(|unused| {
        if let Some(token) = unused.pop() {
            return Ok(token);
        }
        let mut fresh = vec![Token::default(); TOKENS];
        getrandom::fill(fresh.as_flattened_mut())?;
        *unused = fresh;
        unused.pop().ok_or(getrandom::Error::UNEXPECTED)
    })
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
        let work = self.calls.table().remove(&self.token);
        drop(work);
    }
}

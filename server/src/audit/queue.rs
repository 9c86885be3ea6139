//! Records that wait for the writer.

use std::{
    collections::VecDeque,
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use server_core::audit::AuditUnavailable;
use tokio::sync::oneshot;

use super::{chain::Body, event::Event};

/// Bytes of records that may wait, as those do that tell how calls ended while
/// the disk was full.
const MAX_BYTES: usize = 8 << 20;

/// A record that waits.
pub(crate) struct Waiting {
    pub(crate) event: Event,
    pub(crate) body: Body,
    /// Whoever waits for it to be written.
    pub(crate) done: Option<oneshot::Sender<Result<(), AuditUnavailable>>>,
    /// No call may write it for the one that it is about.
    pub(crate) by_the_thread: bool,
}

#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    wanted: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// There is something to do that is not in here.
    is_wanted: bool,
    is_closed: bool,
}

impl Queue {
    /// Takes a record, unless there are too many. Waits for nobody. The writer is
    /// woken only for what it has to write itself.
    pub(crate) fn push(&self, waiting: Waiting) -> bool {
        let by_the_thread = waiting.by_the_thread;
        let mut state = self.state();
        let bytes = state.bytes + waiting.body.len();
        if bytes > MAX_BYTES {
            return false;
        }
        state.bytes = bytes;
        state.waiting.push_back(waiting);
        drop(state);
        if by_the_thread {
            self.wanted.notify_one();
        }
        true
    }

    /// Takes all that waits, unless the writer has to write some of it.
    pub(crate) fn take(&self) -> Vec<Waiting> {
        let mut state = self.state();
        if state.waiting.iter().any(|it| it.by_the_thread) {
            return Vec::new();
        }
        state.bytes = 0;
        mem::take(&mut state.waiting).into()
    }

    /// Wakes the writer.
    pub(crate) fn wake(&self) {
        self.state().is_wanted = true;
        self.wanted.notify_one();
    }

    /// Has the writer end once nothing waits any more.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
        self.wanted.notify_one();
    }

    /// Waits until `deadline` for something to do, and takes what waits: nothing
    /// while it is `held`. Says whether the queue is closed.
    pub(crate) fn next(&self, deadline: Instant, held: bool) -> (Vec<Waiting>, bool) {
        let state = self.state();
        let is_idle =
            |state: &mut State| !state.is_wanted && !state.is_closed && (held || state.waiting.is_empty());
        let patience = deadline.saturating_duration_since(Instant::now());
        let (mut state, _) =
            self.wanted.wait_timeout_while(state, patience, is_idle).unwrap_or_else(PoisonError::into_inner);
        state.is_wanted = false;
        let taken = if held { VecDeque::new() } else { mem::take(&mut state.waiting) };
        if !held {
            state.bytes = 0;
        }
        (taken.into(), state.is_closed)
    }

    /// Puts back what could not be written, before what has come since.
    pub(crate) fn put_back(&self, waiting: Vec<Waiting>) {
        let mut state = self.state();
        for waiting in waiting.into_iter().rev() {
            state.bytes += waiting.body.len();
            state.waiting.push_front(waiting);
        }
    }

    /// Takes those that are about the server and not about calls.
    pub(crate) fn take_servers_own(&self) -> Vec<Waiting> {
        let mut state = self.state();
        let (own, calls) =
            mem::take(&mut state.waiting).into_iter().partition(|it| it.event.is_servers_own());
        state.waiting = calls;
        state.bytes = state.waiting.iter().map(|it| it.body.len()).sum();
        Vec::from(own as VecDeque<Waiting>)
    }

    /// How many records wait.
    pub(crate) fn len(&self) -> usize {
        self.state().waiting.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

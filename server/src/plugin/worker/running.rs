//! A worker that runs: calls go in, answers and questions come out, and how it
//! ends is what happens to the calls that it has.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use server_core::{id::AgentId, invocation::Invocation, limits::counters::Slot, registry::InvokeError};
use tokio::{
    net::UnixStream,
    runtime::Handle,
    sync::{Notify, oneshot},
};
use tokio_util::sync::CancellationToken;

use super::{
    birth::{Newborn, Recipe},
    frame::{self, Frames, Kind, MAX_ASK, Request},
    outbox::Outbox,
    pool::{Cause, Place},
    process::Process,
};
use crate::plugin::{
    deadline::Deadline,
    services::{InFlight, Work},
};

/// How long code of which nobody waits for the answer may take to return.
const GRACE: Duration = Duration::from_secs(1);

/// How long the words of an error may be, whatever else the call may answer.
const MAX_ERROR: usize = 64 << 10;

/// Why a worker ends whose call did not.
const OVERRUN: &str = "a call in its worker went on although nobody waited for it any more";

/// A worker. Its [driver](super::driver) reads what it says.
pub(super) struct Worker {
    pub(super) recipe: Arc<Recipe>,
    pub(super) process: Process,
    pub(super) stream: UnixStream,
    pub(super) outbox: Outbox,
    /// It is to end once it has no calls.
    pub(super) leave: Notify,
    desk: Mutex<Desk>,
}

#[derive(Default)]
struct Desk {
    calls: HashMap<u64, Pending>,
    last: u64,
    /// Why it takes no calls any more.
    fate: Option<Fate>,
}

/// Why a worker ends, and whose doing that is.
#[derive(Clone, Debug)]
pub(super) struct Fate {
    pub(super) reason: String,
    pub(super) cause: Cause,
}

/// A call that the worker has. All of it is kept until the code has returned or
/// is gone, whoever still waits.
struct Pending {
    tell: oneshot::Sender<Result<Vec<u8>, InvokeError>>,
    /// Whose it is.
    agent: AgentId,
    /// How long its answer may be.
    room: usize,
    in_flight: InFlight,
    abandoned: CancellationToken,
    _slot: Slot,
    _place: Place,
}

/// A call that was not begun, because the worker takes none any more.
pub(super) struct NotBegun(pub(super) Box<Invocation>);

impl Worker {
    /// The worker that came up. Within a runtime.
    pub(super) fn new(recipe: Arc<Recipe>, newborn: Newborn) -> std::io::Result<(Arc<Self>, Frames)> {
        let Newborn { process, stream, frames, .. } = newborn;
        stream.set_nonblocking(true)?;
        let stream = UnixStream::from_std(stream)?;
        let (outbox, leave, desk) = Default::default();
        Ok((Arc::new(Self { recipe, process, stream, outbox, leave, desk }), frames))
    }

    /// Has it run an operation, in a place of its own.
    pub(super) async fn call(
        self: &Arc<Self>,
        invocation: Invocation,
        deadline: &Deadline,
        place: Place,
    ) -> Result<Result<Vec<u8>, InvokeError>, NotBegun> {
        let timeout = invocation.timeout;
        let (tell, told) = oneshot::channel();
        let waiting = match self.begin(invocation, deadline, tell, place) {
            Ok(Ok(waiting)) => waiting,
            Ok(Err(error)) => return Ok(Err(error)),
            Err(not_begun) => return Err(not_begun),
        };
        Ok(match deadline.until(told).await {
            Some(Ok(result)) => {
                waiting.heard();
                result
            }
            Some(Err(_)) => Err(self.lost("its worker is gone")),
            None => Err(InvokeError::TimedOut { seconds: timeout.as_secs() }),
        })
    }

    fn begin(
        self: &Arc<Self>,
        invocation: Invocation,
        deadline: &Deadline,
        tell: oneshot::Sender<Result<Vec<u8>, InvokeError>>,
        place: Place,
    ) -> Result<Result<Waiting, InvokeError>, NotBegun> {
        let mut desk = self.desk();
        if desk.fate.is_some() {
            return Err(NotBegun(Box::new(invocation)));
        }
        let abandoned = CancellationToken::new();
        let work = Work {
            permit: invocation.permit.clone(),
            conversation: invocation.conversation.clone(),
            may_wait: !invocation.inline,
            deadline: deadline.clone(),
            abandoned: abandoned.clone(),
            notes: invocation.notes.clone(),
            runtime: Handle::try_current().ok(),
        };
        let in_flight = match self.recipe.services.calls().begin(work) {
            Ok(in_flight) => in_flight,
            Err(error) => return Ok(Err(self.lost(&error.to_string()))),
        };
        desk.last += 1;
        let id = desk.last;
        let request = Request { op: invocation.op, token: in_flight.token(), input: &invocation.input };
        let Some(bytes) = frame::request(Kind::Call, id, request) else {
            return Ok(Err(self.lost("the call is larger than what can go to a worker")));
        };
        let room = usize::try_from(invocation.max_response_bytes).unwrap_or(usize::MAX);
        let agent = invocation.permit.principal().agent.clone();
        let (slot, unheard) = (invocation.slot, abandoned.clone());
        let pending =
            Pending { tell, agent, room, in_flight, abandoned: unheard, _slot: slot, _place: place };
        desk.calls.insert(id, pending);
        drop(desk);
        self.outbox.send(&self.stream, bytes);
        Ok(Ok(Waiting { worker: self.clone(), id, abandoned: Some(abandoned) }))
    }

    /// Takes a call's answer. Whoever answers what it was not asked is not heard
    /// any more.
    pub(super) fn answered(&self, id: u64, result: Result<Vec<u8>, InvokeError>) -> Result<(), String> {
        let Some(pending) = self.desk().calls.remove(&id) else {
            return Err("it answered a call that it does not have".to_owned());
        };
        let Pending { tell, in_flight, .. } = pending;
        // The token is worth nothing by the time that somebody hears.
        drop(in_flight);
        let _ = tell.send(result);
        Ok(())
    }

    /// How many bytes it may send: no more than whoever waits for them may be given.
    pub(super) fn room(&self, kind: Kind, id: u64) -> usize {
        let answer = || self.desk().calls.get(&id).map_or(0, |pending| pending.room);
        match kind {
            Kind::Answer => answer(),
            Kind::Error => answer().max(MAX_ERROR),
            _ => MAX_ASK,
        }
    }

    /// Whether a token names a call that this very worker has.
    pub(super) fn has(&self, token: &[u8]) -> bool {
        self.desk().calls.values().any(|it| it.in_flight.token() == token)
    }

    /// How many calls it has.
    pub(super) fn calls(&self) -> usize {
        self.desk().calls.len()
    }

    /// How many calls it was given so far.
    pub(super) fn given(&self) -> u64 {
        self.desk().last
    }

    /// Ends it at once, for a reason, of which the first counts.
    pub(super) fn kill(&self, reason: &str, cause: Cause) {
        self.doom(reason, cause);
        self.process.kill();
    }

    /// Takes no more calls, for a reason, of which the first counts.
    pub(super) fn doom(&self, reason: &str, cause: Cause) -> Fate {
        self.desk().fate.get_or_insert_with(|| Fate { reason: reason.to_owned(), cause }).clone()
    }

    /// Fails the calls that it has, and says whose these were.
    pub(super) fn fail(&self, reason: &str) -> Vec<AgentId> {
        let calls = std::mem::take(&mut self.desk().calls);
        let fail = |pending: Pending| {
            pending.abandoned.cancel();
            let Pending { tell, agent, in_flight, .. } = pending;
            drop(in_flight);
            let _ = tell.send(Err(self.lost(reason)));
            agent
        };
        calls.into_values().map(fail).collect()
    }

    fn lost(&self, reason: &str) -> InvokeError {
        let plugin = self.recipe.services.plugin().clone();
        InvokeError::Lost { plugin, reason: reason.to_owned() }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("process", &self.process.id()).finish_non_exhaustive()
    }
}

/// Somebody waits for an answer. Dropped before it came, the code has a moment to
/// return, and then its worker ends.
struct Waiting {
    worker: Arc<Worker>,
    id: u64,
    /// `None` once it came.
    abandoned: Option<CancellationToken>,
}

impl Waiting {
    fn heard(mut self) {
        self.abandoned = None;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(abandoned) = self.abandoned.take() else { return };
        abandoned.cancel();
        let (worker, id) = (self.worker.clone(), self.id);
        let end = async move {
            tokio::time::sleep(GRACE).await;
            if worker.desk().calls.contains_key(&id) {
                worker.kill(OVERRUN, Cause::Overrun);
            }
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(end);
        }
    }
}

//! The conversation with a client while its call runs: what the plugin's code
//! says on its own thread goes out here, beside the call.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::channel as reply,
    },
    time::{Duration, Instant},
};

use plugin_contract::op::{
    Answers, Ask, ClientAbout, ClientLog, ErrorCode, Offered, OpError, Progress, Question,
};
use rmcp::{RoleServer, service::Peer, task_manager::TaskContext};
use server_core::conversation::Conversation;
use tokio::{
    runtime::Handle,
    sync::{Notify, mpsc, watch},
};

use super::{
    Audience,
    asking::{self, Round},
    line::{Line, Said},
    progress::Reports,
};
use crate::allowance::Allowance;

/// How many reports, or log messages, a call may send at once, and how fast that
/// grows back.
const NOTICES: (u32, Duration) = (50, Duration::from_millis(100));

/// How much may wait to go out.
const WAITING: usize = 128;

/// How many questions that a client has to be asked, or cannot be asked, are noted
/// of one call.
const OPEN: usize = 32;

/// The plugin's end.
pub(super) struct Talk {
    client: ClientAbout,
    to: mpsc::Sender<Said>,
    notices: [Allowance; 2],
    audience: Arc<Audience>,
    runtime: Handle,
    /// In a revision without sessions: what the client has answered.
    round: Option<Round>,
    /// There is room for another task of the agent's.
    room: bool,
    /// The call goes on as a task.
    detached: AtomicBool,
    detaching: Arc<Notify>,
    task: watch::Sender<Option<TaskContext>>,
    open: Mutex<Open>,
}

/// What could not be answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Open {
    /// The client has to be asked these.
    pub(super) asked: BTreeMap<String, Question>,
    /// It cannot be asked these.
    pub(super) lacking: Vec<Question>,
    /// It cannot come back for a result.
    pub(super) lacks_tasks: bool,
}

/// Connects a call with its client. `room`: for another task of its agent's.
pub(super) fn connect(
    client: ClientAbout,
    round: Option<Round>,
    room: bool,
    audience: Arc<Audience>,
    peer: Peer<RoleServer>,
    reports: Option<Reports>,
) -> (Arc<Talk>, Line) {
    let (to, from) = mpsc::channel(WAITING);
    let notices = [NOTICES; 2].map(|(burst, interval)| Allowance::new(burst, interval));
    let (runtime, open, detached) = (Handle::current(), Mutex::default(), AtomicBool::new(false));
    let (detaching, (task, its)) = (Arc::new(Notify::new()), watch::channel(None));
    let line = Line::new(from, peer, reports, detaching.clone(), its);
    let talk = Talk { client, to, notices, audience, runtime, round, room, detached, detaching, task, open };
    (Arc::new(talk), line)
}

impl Talk {
    /// What the call could not get from the client.
    pub(super) fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the plugin detaches the call.
    pub(super) async fn detaching(&self) {
        self.detaching.notified().await;
    }

    /// The call has become a task.
    pub(super) fn has_become(&self, task: TaskContext) {
        self.task.send_replace(Some(task));
    }

    /// What the client has answered, in a revision without sessions.
    pub(super) fn round(&self) -> Option<&Round> {
        self.round.as_ref()
    }

    /// Answers from what the client brought along, or notes what it has to be
    /// asked.
    fn look_up(&self, round: &Round, questions: BTreeMap<String, Question>) -> Result<Answers, OpError> {
        let mut answers = Answers::default();
        let mut asked = BTreeMap::new();
        for (key, question) in questions {
            match round.answers.get(&key).filter(|answer| asking::check(&question, answer).is_ok()) {
                Some(answer) => drop(answers.answers.insert(key, answer.clone())),
                None => drop(asked.insert(key, question)),
            }
        }
        if asked.is_empty() {
            return Ok(answers);
        }
        let noted = &mut self.open().asked;
        if noted.len() + asked.len() > OPEN {
            let message = "the call asks for more and more, and does not pass on that it must be asked first";
            return Err(OpError::new(ErrorCode::InvalidInput, message));
        }
        noted.extend(asked);
        Err(OpError::new(ErrorCode::InputRequired, "the client has to answer first"))
    }
}

impl Conversation for Talk {
    fn client(&self) -> ClientAbout {
        self.client
    }

    fn progress(&self, progress: Progress) {
        let [reports, _] = &self.notices;
        if reports.take() {
            let _ = self.to.try_send(Said::Progress(progress));
        }
    }

    fn log(&self, message: ClientLog) {
        let [_, messages] = &self.notices;
        if self.client.log_level.is_some_and(|least| message.level >= least) && messages.take() {
            let _ = self.to.try_send(Said::Log(message));
        }
    }

    fn ask(&self, ask: Ask, deadline: Instant) -> Result<Answers, OpError> {
        for (key, question) in &ask.questions {
            asking::request(question).map_err(|error| {
                OpError::new(ErrorCode::InvalidInput, format!("question `{key}`: {error}"))
            })?;
        }
        let lacking: Vec<_> =
            ask.questions.values().filter(|question| !question.suits(&self.client)).cloned().collect();
        if let Some(question) = lacking.first() {
            let message = format!("the client does not offer `{}`, which this needs", question.capability());
            let noted = &mut self.open().lacking;
            noted.extend(lacking);
            noted.truncate(OPEN);
            return Err(OpError::new(ErrorCode::ClientCannot, message));
        }
        if let Some(round) = &self.round
            && !self.detached.load(Ordering::Acquire)
        {
            return self.look_up(round, ask.questions);
        }
        let (reply, answered) = reply();
        let over = || OpError::new(ErrorCode::NoAnswer, "the client has not answered");
        self.to.try_send(Said::Ask { ask, deadline, reply }).map_err(|_| over())?;
        let left = deadline.saturating_duration_since(Instant::now());
        answered.recv_timeout(left).unwrap_or_else(|_| Err(over()))
    }

    fn detach(&self, required: bool) -> Result<bool, OpError> {
        if self.client.tasks && self.room {
            if !self.detached.swap(true, Ordering::AcqRel) {
                let over = |_| OpError::new(ErrorCode::Failed, "the call is over");
                self.to.try_send(Said::Detach).map_err(over)?;
            }
            return Ok(true);
        }
        match (required, self.client.tasks) {
            (false, _) => Ok(false),
            (true, true) => Err(OpError::new(ErrorCode::Failed, "the agent has as many tasks as it may")),
            (true, false) => {
                self.open().lacks_tasks = true;
                let message = "the client does not offer tasks, which this needs";
                Err(OpError::new(ErrorCode::ClientCannot, message))
            }
        }
    }

    fn resource_updated(&self, uri: &str) {
        let _runtime = self.runtime.enter();
        self.audience.resource_updated(uri);
    }

    fn offer_changed(&self, thing: &Offered) {
        let _runtime = self.runtime.enter();
        self.audience.offer_changed(thing);
    }
}

impl fmt::Debug for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Talk").field("client", &self.client).finish_non_exhaustive()
    }
}

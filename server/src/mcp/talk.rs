//! The conversation with a client while its call runs: what the plugin's code
//! says on its own thread goes out here, beside the call.

use std::{
    collections::BTreeMap,
    fmt,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Sender as Reply, channel as reply},
    },
    time::{Duration, Instant},
};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use plugin_contract::op::{
    Answers, Ask, ClientAbout, ClientLog, ErrorCode, Offered, OpError, Progress, Question,
};
use rmcp::{
    RoleServer,
    model::ServerNotification,
    service::{Peer, PeerRequestOptions},
};
use server_core::conversation::Conversation;
use tokio::{runtime::Handle, sync::mpsc, time::timeout};

use super::{
    Audience,
    asking::{self, Round},
    progress::Reports,
};
use crate::allowance::Allowance;

/// How many reports, or log messages, a call may send at once, and how fast that
/// grows back.
const NOTICES: (u32, Duration) = (50, Duration::from_millis(100));

/// How much may wait to go out.
const WAITING: usize = 128;

/// How long what was said before the answer may take to leave before it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The plugin's end.
pub(super) struct Talk {
    client: ClientAbout,
    to: mpsc::Sender<Said>,
    notices: [Allowance; 2],
    audience: Arc<Audience>,
    runtime: Handle,
    /// In a revision without sessions: what the client has answered.
    round: Option<Round>,
    open: Mutex<Open>,
}

/// What could not be answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Open {
    /// The client has to be asked these.
    pub(super) asked: BTreeMap<String, Question>,
    /// It cannot be asked these.
    pub(super) lacking: Vec<Question>,
}

/// What the plugin said.
enum Said {
    Progress(Progress),
    Log(ClientLog),
    Ask { ask: Ask, deadline: Instant, reply: Reply<Result<Answers, OpError>> },
}

/// The client's end.
pub(super) struct Line {
    from: mpsc::Receiver<Said>,
    peer: Peer<RoleServer>,
    reports: Option<Reports>,
}

/// Connects a call with its client.
pub(super) fn connect(
    client: ClientAbout,
    round: Option<Round>,
    audience: Arc<Audience>,
    peer: Peer<RoleServer>,
    reports: Option<Reports>,
) -> (Arc<Talk>, Line) {
    let (to, from) = mpsc::channel(WAITING);
    let notices = [NOTICES; 2].map(|(burst, interval)| Allowance::new(burst, interval));
    let (runtime, open) = (Handle::current(), Mutex::default());
    let talk = Talk { client, to, notices, audience, runtime, round, open };
    (Arc::new(talk), Line { from, peer, reports })
}

impl Talk {
    /// What the call could not get from the client.
    pub(super) fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.open().asked.extend(asked);
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
            self.open().lacking.extend(lacking);
            return Err(OpError::new(ErrorCode::ClientCannot, message));
        }
        if let Some(round) = &self.round {
            return self.look_up(round, ask.questions);
        }
        let (reply, answered) = reply();
        let over = || OpError::new(ErrorCode::NoAnswer, "the client has not answered");
        self.to.try_send(Said::Ask { ask, deadline, reply }).map_err(|_| over())?;
        let left = deadline.saturating_duration_since(Instant::now());
        answered.recv_timeout(left).unwrap_or_else(|_| Err(over()))
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

impl Line {
    /// Runs a call, and carries what is said meanwhile. It stays on the task of
    /// the request: that is how rmcp knows what a question belongs to.
    pub(super) async fn accompany<T>(mut self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        let mut asking = FuturesUnordered::new();
        let mut sending: Option<BoxFuture<'static, ()>> = None;
        loop {
            let idle = sending.is_none();
            let said = tokio::select! {
                biased;
                answer = &mut call => {
                    let _ = timeout(LAST_WORDS, self.finish(sending)).await;
                    return answer;
                }
                () = async { if let Some(sending) = &mut sending { sending.await } }, if !idle => {
                    sending = None;
                    continue;
                }
                Some(()) = asking.next() => continue,
                Some(said) = self.from.recv(), if idle => said,
                report = silence(&mut self.reports), if idle && self.reports.is_some() => {
                    let peer = self.peer.clone();
                    sending = report.map(|report| -> BoxFuture<'static, ()> {
                        Box::pin(async move { drop(peer.notify_progress(report).await) })
                    });
                    continue;
                }
            };
            match said {
                Said::Ask { ask, deadline, reply } => {
                    asking.push(answer(self.peer.clone(), ask, deadline, reply))
                }
                said => sending = self.notice(said),
            }
        }
    }

    async fn finish(&mut self, sending: Option<BoxFuture<'static, ()>>) {
        if let Some(sending) = sending {
            sending.await;
        }
        while let Ok(said) = self.from.try_recv() {
            if let Some(sending) = self.notice(said) {
                sending.await;
            }
        }
    }

    fn notice(&mut self, said: Said) -> Option<BoxFuture<'static, ()>> {
        let peer = self.peer.clone();
        match said {
            Said::Progress(progress) => {
                let report = self.reports.as_mut()?.plugin(progress)?;
                Some(Box::pin(async move { drop(peer.notify_progress(report).await) }))
            }
            Said::Log(message) => {
                let message = log_message(message)?;
                Some(Box::pin(async move { drop(peer.send_notification(message).await) }))
            }
            Said::Ask { .. } => None,
        }
    }
}

async fn silence(reports: &mut Option<Reports>) -> Option<rmcp::model::ProgressNotificationParam> {
    match reports {
        Some(reports) => Some(reports.server().await),
        None => None,
    }
}

#[expect(deprecated, reason = "clients of the older revisions, and those that ask, still take them")]
fn log_message(message: ClientLog) -> Option<ServerNotification> {
    let level = serde_json::to_value(message.level).and_then(serde_json::from_value).ok()?;
    let param = rmcp::model::LoggingMessageNotificationParam::new(level, message.data);
    Some(ServerNotification::LoggingMessageNotification(rmcp::model::LoggingMessageNotification::new(param)))
}

/// Asks a session's client, all questions at once.
async fn answer(peer: Peer<RoleServer>, ask: Ask, deadline: Instant, reply: Reply<Result<Answers, OpError>>) {
    let mut asked = FuturesUnordered::new();
    for (key, question) in ask.questions {
        let peer = peer.clone();
        asked.push(async move { answer_one(peer, &question, deadline).await.map(|answer| (key, answer)) });
    }
    let mut answers = Answers::default();
    while let Some(answer) = asked.next().await {
        match answer {
            Ok((key, answer)) => drop(answers.answers.insert(key, answer)),
            Err(message) => {
                let _ = reply.send(Err(OpError::new(ErrorCode::NoAnswer, message)));
                return;
            }
        }
    }
    let _ = reply.send(Ok(answers));
}

async fn answer_one(
    peer: Peer<RoleServer>,
    question: &Question,
    deadline: Instant,
) -> Result<serde_json::Value, String> {
    let left = deadline.saturating_duration_since(Instant::now());
    let none = |error: rmcp::ServiceError| format!("the client has not answered: {error}");
    let options = PeerRequestOptions::with_timeout(left);
    let sent = peer.send_cancellable_request(asking::message(question)?, options).await.map_err(none)?;
    let answer = serde_json::to_value(sent.await_response().await.map_err(none)?)
        .map_err(|error| format!("the client's answer cannot be read: {error}"))?;
    asking::check(question, &answer).map_err(|error| format!("the client's answer does not fit: {error}"))?;
    Ok(answer)
}

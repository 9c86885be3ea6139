//! The client's end of a conversation: carries what the plugin says beside its
//! call, and brings the answers.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, mpsc::Sender as Reply},
    time::{Duration, Instant},
};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use plugin_contract::op::{Answers, Ask, ClientLog, ErrorCode, OpError, Progress, Question};
use rmcp::{
    RoleServer,
    model::{ProgressNotificationParam, ServerNotification},
    service::{Peer, PeerRequestOptions},
    task_manager::{TaskContext, TaskExit},
};
use serde_json::Value;
use tokio::{
    sync::{Notify, mpsc, watch},
    time::timeout,
};

use super::{asking, progress::Reports};

/// How long what was said before the answer may take to leave before it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the plugin said.
pub(super) enum Said {
    Progress(Progress),
    Log(ClientLog),
    Ask { ask: Ask, deadline: Instant, reply: Reply<Result<Answers, OpError>> },
    Detach,
}

/// The client's end.
pub(super) struct Line {
    from: mpsc::Receiver<Said>,
    peer: Peer<RoleServer>,
    reports: Option<Reports>,
    detaching: Arc<Notify>,
    /// What the call becomes when it is detached.
    task: watch::Receiver<Option<TaskContext>>,
    detached: bool,
}

impl Line {
    pub(super) fn new(
        from: mpsc::Receiver<Said>,
        peer: Peer<RoleServer>,
        reports: Option<Reports>,
        detaching: Arc<Notify>,
        task: watch::Receiver<Option<TaskContext>>,
    ) -> Self {
        Self { from, peer, reports, detaching, task, detached: false }
    }

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
                    let whom = if self.detached {
                        Whom::Task(self.task.clone())
                    } else {
                        Whom::Session(self.peer.clone())
                    };
                    asking.push(answer(whom, ask, deadline, reply));
                }
                Said::Detach => {
                    // The request is about to be answered; then nobody hears reports.
                    (self.detached, self.reports) = (true, None);
                    self.detaching.notify_one();
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
            Said::Ask { .. } | Said::Detach => None,
        }
    }
}

async fn silence(reports: &mut Option<Reports>) -> Option<ProgressNotificationParam> {
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

/// Asks all questions at once.
async fn answer(whom: Whom, ask: Ask, deadline: Instant, reply: Reply<Result<Answers, OpError>>) {
    let mut asked = FuturesUnordered::new();
    for (key, question) in ask.questions {
        let whom = whom.clone();
        asked.push(async move {
            let answer = whom.ask(&key, &question, deadline).await?;
            let misfit = |error| format!("the client's answer does not fit: {error}");
            asking::check(&question, &answer).map_err(misfit)?;
            Ok::<_, String>((key, answer))
        });
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
    let weighed = asking::weigh(&answers.answers);
    let _ =
        reply.send(weighed.map(|()| answers).map_err(|message| OpError::new(ErrorCode::NoAnswer, message)));
}

/// Who is asked.
#[derive(Clone)]
enum Whom {
    Session(Peer<RoleServer>),
    /// The client that looks after the task, once the call is one.
    Task(watch::Receiver<Option<TaskContext>>),
}

impl Whom {
    async fn ask(self, key: &str, question: &Question, deadline: Instant) -> Result<Value, String> {
        let none = |error: &dyn fmt::Display| format!("the client has not answered: {error}");
        match self {
            Self::Session(peer) => {
                let left = deadline.saturating_duration_since(Instant::now());
                let options = PeerRequestOptions::with_timeout(left);
                let sent = peer.send_cancellable_request(asking::message(question)?, options).await;
                let answer = match sent {
                    Ok(sent) => sent.await_response().await.map_err(|error| none(&error))?,
                    Err(error) => return Err(none(&error)),
                };
                serde_json::to_value(answer).map_err(|error| none(&error))
            }
            Self::Task(mut task) => {
                let task = task.wait_for(Option::is_some).await.map_err(|error| none(&error))?.clone();
                let task = task.ok_or("the call is no task")?;
                let answer = task.request_input(key, asking::request(question)?).await;
                answer.map_err(|exit| match exit {
                    TaskExit::Cancelled => none(&"the task was cancelled"),
                    TaskExit::Error(error) => none(&error.message),
                })
            }
        }
    }
}

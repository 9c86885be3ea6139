//! A call that its client may have to be asked about.

use std::{convert::Infallible, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use plugin_contract::op::{ClientLogLevel, ToolResult};
use rmcp::{
    RoleServer,
    model::{CreateTaskResult, ErrorData, InputRequests, InputRequiredResult, InputResponses},
    service::RequestContext,
};
use server_core::{conversation::Conversation, gateway::Answer, principal::Principal};
use tokio_util::sync::CancellationToken;

use super::{
    Audience, STOPPING, answer,
    asking::{self, Context, Seal},
    from_mcp,
    line::Line,
    progress::Reports,
    talk::{self, Open, Talk},
    tasks::Tasks,
};

/// What every exchange needs.
pub(super) struct Exchange {
    audience: Arc<Audience>,
    /// `None`: there is no randomness on this machine, so nothing can be sealed.
    seal: Option<Seal>,
    tasks: Tasks,
    cut: CancellationToken,
    pace: Duration,
}

/// What a client sent along with a request: what it brings from an earlier round,
/// and what that must be bound to.
pub(super) struct Brought<'r> {
    pub(super) bound: Context,
    pub(super) state: Option<&'r str>,
    pub(super) responses: Option<InputResponses>,
}

/// What came of it.
pub(super) enum Came<T, D = Infallible> {
    /// An answer.
    Answered(Answer<T>),
    /// Questions: the client is to make the request again with its answers.
    Asks(InputRequiredResult),
    /// A task: it goes on without the request.
    Detached(D),
}

/// A call and its client, connected.
struct Connected {
    talk: Arc<Talk>,
    line: Line,
    bound: Context,
    stateless: bool,
}

impl Exchange {
    /// One that lets calls speak to `audience`, and ends those that are tasks when
    /// `cut` is cancelled. The server reports progress where a plugin is silent for
    /// `pace`.
    pub(super) fn new(audience: Arc<Audience>, cut: CancellationToken, pace: Duration) -> Self {
        Self { audience, seal: Seal::new().ok(), tasks: Tasks::default(), cut, pace }
    }

    /// The calls that go on without a request.
    pub(super) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Runs a call with the client at its other end.
    pub(super) async fn run<T, F: Future<Output = Answer<T>>>(
        &self,
        context: &RequestContext<RoleServer>,
        brought: Brought<'_>,
        call: impl FnOnce(Arc<dyn Conversation>) -> F,
    ) -> Result<Came<T>, ErrorData> {
        let Connected { talk, line, bound, stateless } = self.connect(context, brought, None)?;
        let answer = line.accompany(call(talk.clone())).await;
        self.came(&talk, &bound, stateless, answer)
    }

    /// The same for the call of a tool, which may go on without its request.
    pub(super) async fn run_tool<F: Future<Output = Answer<ToolResult>> + Send + 'static>(
        &self,
        context: &RequestContext<RoleServer>,
        brought: Brought<'_>,
        principal: &Principal,
        name: &str,
        call: impl FnOnce(Arc<dyn Conversation>) -> F,
    ) -> Result<Came<ToolResult, CreateTaskResult>, ErrorData> {
        let Connected { talk, line, bound, stateless } = self.connect(context, brought, Some(principal))?;
        let mut running = Box::pin(line.accompany(call(talk.clone())));
        tokio::select! {
            biased;
            answer = &mut running => self.came(&talk, &bound, stateless, answer),
            () = talk.detaching() => {
                let (name, cut) = (name.to_owned(), self.cut.clone());
                // The server waits for it like for any other call.
                let flight = context.extensions.get::<http::request::Parts>().cloned();
                let work = async move {
                    let _flight = flight;
                    let ended = tokio::select! {
                        biased;
                        ended = AssertUnwindSafe(running).catch_unwind() => ended,
                        () = cut.cancelled() => return Err(ErrorData::internal_error(STOPPING, None)),
                    };
                    match ended {
                        Ok(Answer::Broken(message)) => Err(ErrorData::internal_error(message, None)),
                        Ok(answer) => answer::tool(answer, &name),
                        Err(_panic) => Err(ErrorData::internal_error("internal error", None)),
                    }
                };
                Ok(Came::Detached(self.tasks.create(principal, |task| talk.has_become(task), work)))
            }
        }
    }

    fn connect(
        &self,
        context: &RequestContext<RoleServer>,
        brought: Brought<'_>,
        detachable: Option<&Principal>,
    ) -> Result<Connected, ErrorData> {
        let stateless = from_mcp::is_stateless(context);
        let Brought { bound, state, responses } = brought;
        let round = match (&self.seal, stateless) {
            (Some(seal), true) => Some(seal.open(state, responses, &bound)?),
            (None, true) => return Err(ErrorData::internal_error("internal error", None)),
            (_, false) => None,
        };
        let reports = context.meta.get_progress_token().map(|token| Reports::new(token, self.pace));
        let client = from_mcp::client(context, self.log_level(context, stateless));
        let room = client.tasks && detachable.is_some_and(|principal| self.tasks.has_room(principal));
        let (audience, peer) = (self.audience.clone(), context.peer.clone());
        let (talk, line) = talk::connect(client, round, room, audience, peer, reports);
        Ok(Connected { talk, line, bound, stateless })
    }

    fn came<T, D>(
        &self,
        talk: &Talk,
        bound: &Context,
        stateless: bool,
        answer: Answer<T>,
    ) -> Result<Came<T, D>, ErrorData> {
        match answer {
            Answer::Unanswered(message) if stateless => self.unanswered(talk, bound, message),
            answer => Ok(Came::Answered(answer)),
        }
    }

    /// In a session from its own setting, else from each request's.
    fn log_level(&self, context: &RequestContext<RoleServer>, stateless: bool) -> Option<ClientLogLevel> {
        if stateless {
            context.meta.log_level().and_then(from_mcp::log_level)
        } else {
            self.audience.log_level(from_mcp::session(&context.extensions)?)
        }
    }

    /// The plugin passed on that the client has to answer first, or cannot. What
    /// the client hears is what the conversation noted, and not what the plugin
    /// says.
    fn unanswered<T, D>(
        &self,
        talk: &Talk,
        bound: &Context,
        message: String,
    ) -> Result<Came<T, D>, ErrorData> {
        let Open { asked, lacking, lacks_tasks } = talk.open().clone();
        if !lacking.is_empty() || lacks_tasks {
            let needed = asking::capabilities(&lacking, lacks_tasks);
            return Err(ErrorData::missing_required_client_capability(needed));
        }
        let (Some(round), Some(seal), false) = (talk.round(), &self.seal, asked.is_empty()) else {
            return Ok(Came::Answered(Answer::Failed(message)));
        };
        let requests: Result<InputRequests, String> =
            asked.into_iter().map(|(key, question)| Ok((key, asking::request(&question)?))).collect();
        match requests {
            Ok(requests) => {
                Ok(Came::Asks(InputRequiredResult::new(Some(requests), Some(seal.close(round, bound)?))))
            }
            Err(message) => Ok(Came::Answered(Answer::Failed(message))),
        }
    }
}

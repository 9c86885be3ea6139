//! A call that its client may have to be asked about.

use std::{sync::Arc, time::Duration};

use plugin_contract::op::ClientLogLevel;
use rmcp::{
    RoleServer,
    model::{ErrorData, InputRequests, InputRequiredResult, InputResponses},
    service::RequestContext,
};
use server_core::{conversation::Conversation, gateway::Answer};

use super::{
    Audience,
    asking::{self, Context, Seal},
    from_mcp,
    progress::Reports,
    talk::{self, Open, Talk},
};

/// What every exchange needs.
pub(super) struct Exchange {
    audience: Arc<Audience>,
    /// `None`: there is no randomness on this machine, so nothing can be sealed.
    seal: Option<Seal>,
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
pub(super) enum Came<T> {
    /// An answer.
    Answered(Answer<T>),
    /// Questions: the client is to make the request again with its answers.
    Asks(InputRequiredResult),
}

impl Exchange {
    /// One that lets calls speak to `audience`. The server reports progress where
    /// a plugin is silent for `pace`.
    pub(super) fn new(audience: Arc<Audience>, pace: Duration) -> Self {
        Self { audience, seal: Seal::new().ok(), pace }
    }

    /// Runs a call with the client at its other end.
    pub(super) async fn run<T, F: Future<Output = Answer<T>>>(
        &self,
        context: &RequestContext<RoleServer>,
        brought: Brought<'_>,
        call: impl FnOnce(Arc<dyn Conversation>) -> F,
    ) -> Result<Came<T>, ErrorData> {
        let stateless = from_mcp::is_stateless(context);
        let Brought { bound, state, responses } = brought;
        let round = match (&self.seal, stateless) {
            (Some(seal), true) => Some(seal.open(state, responses, &bound)?),
            (None, true) => return Err(ErrorData::internal_error("internal error", None)),
            (_, false) => None,
        };
        let reports = context.meta.get_progress_token().map(|token| Reports::new(token, self.pace));
        let client = from_mcp::client(context, self.log_level(context, stateless));
        let (talk, line) = talk::connect(client, round, self.audience.clone(), context.peer.clone(), reports);
        let answer = line.accompany(call(talk.clone())).await;
        match answer {
            Answer::Unanswered(message) if stateless => self.unanswered(&talk, &bound, message),
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
    fn unanswered<T>(&self, talk: &Talk, bound: &Context, message: String) -> Result<Came<T>, ErrorData> {
        let Open { asked, lacking } = talk.open().clone();
        if !lacking.is_empty() {
            return Err(ErrorData::missing_required_client_capability(asking::capabilities(&lacking)));
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

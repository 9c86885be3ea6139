//! The call in progress, through which a handler asks the host.

use std::{any::Any, sync::Arc, time::Duration};

use plugin_contract::op::{
    self as contract, AgentAbout, Answers, CallState, ClientAbout, ClientLog, ClientLogLevel, Detach,
    ErrorCode, LogLevel, LogLine, Offer, Offered, OpError, Progress, Question, ServerAbout, Updated,
    host as op,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Answered, Ask, CallError, Databases, Files, HttpRequest, HttpResponse, LlmAnswer, LlmQuery};

/// The call that a handler answers.
pub struct Call {
    host: Arc<dyn Services>,
    token: Vec<u8>,
    config: Option<Config>,
}

/// The host refused or failed to do something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", error.message)]
pub struct HostError {
    error: OpError,
}

/// The host's services as bytes: behind the ABI, or scripted by a test.
pub(crate) trait Services: Send + Sync {
    /// Asks for the service `op` on behalf of the call that `token` names.
    fn invoke(&self, op: &str, token: &[u8], input: &[u8]) -> Result<Vec<u8>, Vec<u8>>;
}

/// The operator's configuration, as the type that the plugin declares.
pub(crate) type Config = Arc<dyn Any + Send + Sync>;

impl Call {
    pub(crate) fn new(host: Arc<dyn Services>, token: &[u8], config: Option<Config>) -> Self {
        Self { host, token: token.to_vec(), config }
    }

    /// Writes a line to the server's log, never to the client. Leave secrets and
    /// personal data out of it.
    pub fn log(&self, level: LogLevel, message: impl Into<String>) {
        let message = message.into();
        // A call does not fail for want of a log line.
        let _: Result<(), _> = self.host(op::LOG, &LogLine { level, message });
    }

    /// What the server is, and which plugins it runs.
    pub fn server(&self) -> Result<ServerAbout, HostError> {
        self.host(op::ABOUT_SERVER, &())
    }

    /// What the calling agent may do, and its limits.
    pub fn agent(&self) -> Result<AgentAbout, HostError> {
        self.host(op::ABOUT_AGENT, &())
    }

    /// The operator's configuration. `C` is the type that the plugin declares
    /// with [`Plugin::config`](crate::Plugin::config).
    pub fn config<C: Any>(&self) -> Result<&C, CallError> {
        self.config.as_deref().and_then(|config| config.downcast_ref()).ok_or_else(|| {
            let wanted = std::any::type_name::<C>();
            CallError::failed(format!(
                "the plugin has no configuration of type `{wanted}`: declare it with `Plugin::config`"
            ))
        })
    }

    /// What the client of the call can be asked and told.
    pub fn client(&self) -> Result<ClientAbout, HostError> {
        self.host(op::ABOUT_CLIENT, &())
    }

    /// Tells the client how far the call is, if it wants to know. What is done
    /// must grow with every report; say what it will be at the end where you know.
    pub fn progress(&self, done: f64, total: impl Into<Option<f64>>, message: impl Into<String>) {
        let message = Some(message.into()).filter(|message| !message.is_empty());
        let progress = Progress { progress: done, total: total.into(), message };
        // A call does not fail for want of a report.
        let _: Result<(), _> = self.host(op::PROGRESS, &progress);
    }

    /// Writes to the client's log, if it takes messages of that level: text, or any
    /// other JSON. Leave secrets and personal data out of it.
    pub fn client_log(&self, level: ClientLogLevel, data: impl Into<Value>) {
        let _: Result<(), _> = self.host(op::CLIENT_LOG, &ClientLog { level, data: data.into() });
    }

    /// Whether nobody waits for the answer any more: the client cancelled or went
    /// away, or time is up. Work that goes on for long looks from time to time,
    /// and returns.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        match self.state() {
            Ok(state) => state.cancelled,
            // The call is over: nobody waits.
            Err(error) => error.code() == ErrorCode::Denied,
        }
    }

    /// How long there is somebody to wait for the answer.
    pub fn remaining(&self) -> Result<Duration, HostError> {
        Ok(Duration::from_millis(self.state()?.remaining_ms))
    }

    /// Lets the call go on after its request is answered, where the client can come
    /// back for the result, and says whether it does. The agent's limits hold all
    /// the same. Questions from here on are put to a client that looks after it, so
    /// ask what the person is waiting for before.
    pub fn detach(&self) -> Result<bool, HostError> {
        self.host(op::DETACH, &Detach { required: false })
    }

    /// The same, for what makes no sense otherwise: a client that cannot come back
    /// is told so. Pass the error on with `?`.
    pub fn must_detach(&self) -> Result<(), HostError> {
        self.host(op::DETACH, &Detach { required: true }).map(|_: bool| ())
    }

    /// The files that the agent is granted. The tool has to declare
    /// [`Capability::FsRead`](crate::Capability::FsRead).
    #[must_use]
    pub fn files(&self) -> Files<'_> {
        Files::new(self)
    }

    /// The databases that the agent is granted. The tool has to declare
    /// [`Capability::DbRead`](crate::Capability::DbRead).
    #[must_use]
    pub fn databases(&self) -> Databases<'_> {
        Databases::new(self)
    }

    fn state(&self) -> Result<CallState, HostError> {
        self.host(op::CALL_STATE, &())
    }

    /// Asks the client, and answers what it said. The key names the question within
    /// the call; see [the crate's documentation](crate#asking) for what happens
    /// meanwhile.
    pub fn ask<A: Ask>(&self, key: &str, question: &A) -> Result<A::Answer, HostError> {
        self.ask_all([(key, question.question())])?.get::<A>(key)
    }

    /// Asks several questions at once, each under a key of its own.
    pub fn ask_all<'k>(
        &self,
        questions: impl IntoIterator<Item = (&'k str, Question)>,
    ) -> Result<Answered, HostError> {
        let questions = questions.into_iter().map(|(key, question)| (key.to_owned(), question)).collect();
        let answers: Answers = self.host(op::ASK, &contract::Ask { questions })?;
        Ok(Answered(answers))
    }

    /// Tells those who subscribed to it that a resource of the plugin's holds
    /// something else now.
    pub fn resource_updated(&self, uri: impl Into<String>) -> Result<(), HostError> {
        self.host(op::RESOURCE_UPDATED, &Updated { uri: uri.into() })
    }

    /// Withdraws a tool, a resource or a prompt that the plugin lists, for everyone,
    /// or offers it again; clients learn that the list has changed. It lasts until
    /// the plugin is loaded anew, so say it again where it matters.
    pub fn offer(&self, thing: Offered, available: bool) -> Result<(), HostError> {
        self.host(op::OFFER, &Offer { thing, available })
    }

    /// Has the host ask a model, within the calling agent's rights and budget, and
    /// waits for the answer; the client sees how far it is. The error is a refusal
    /// with its reasons, to be passed on with `?`, or says what went wrong.
    pub fn llm(&self, query: &LlmQuery) -> Result<LlmAnswer, HostError> {
        self.host(op::LLM_QUERY, query)
    }

    /// Has the host make a request, and waits for the answer. The error is a refusal
    /// with its reasons, to be passed on with `?`, or says what went wrong.
    pub fn http(&self, request: &HttpRequest) -> Result<HttpResponse, HostError> {
        self.host(op::HTTP, &request.0).map(HttpResponse)
    }

    pub(crate) fn host<I: Serialize, O: DeserializeOwned>(
        &self,
        op: &str,
        input: &I,
    ) -> Result<O, HostError> {
        let unreadable = |what: &str, error: serde_json::Error| {
            let message = format!("the {what} of `{op}` is not understood: {error}");
            HostError::new(op, OpError::new(ErrorCode::Failed, message))
        };
        let input = serde_json::to_vec(input).map_err(|error| unreadable("input", error))?;
        match self.host.invoke(op, &self.token, &input) {
            Ok(answer) => serde_json::from_slice(&answer).map_err(|error| unreadable("answer", error)),
            Err(error) => Err(match serde_json::from_slice(&error) {
                Ok(error) => HostError::new(op, error),
                Err(error) => unreadable("error", error),
            }),
        }
    }
}

impl HostError {
    pub(crate) fn new(op: &str, mut error: OpError) -> Self {
        if error.code == ErrorCode::Unsupported {
            error.message =
                format!("the server does not know `{op}`: it is older than this plugin and must be updated");
        }
        Self { error }
    }

    /// The kind of failure.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.error.code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Host(Result<&'static str, &'static str>);

    impl Services for Host {
        fn invoke(&self, _: &str, _: &[u8], _: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
            self.0.map(Vec::from).map_err(Vec::from)
        }
    }

    fn call(answer: Result<&'static str, &'static str>) -> Call {
        Call::new(Arc::new(Host(answer)), b"token", None)
    }

    #[test]
    fn what_the_host_cannot_answer_is_an_error_to_read() {
        for (answer, message) in [
            (
                Err(r#"{"code": "unsupported", "message": "?"}"#),
                "the server does not know `about/agent`: it is older than this plugin and must be updated",
            ),
            (Err(r#"{"code": "denied", "message": "the call is over"}"#), "the call is over"),
            (Err("oops"), "the error of `about/agent` is not understood: expected value at line 1 column 1"),
            (
                Ok("{}"),
                "the answer of `about/agent` is not understood: missing field `agent` at line 1 column 2",
            ),
        ] {
            assert_eq!(call(answer).agent().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_log_line_that_is_refused_fails_nothing() {
        call(Err("no")).log(LogLevel::Info, "hello");
    }

    #[test]
    fn a_configuration_that_was_not_declared_is_an_error_that_names_the_fix() {
        assert_eq!(
            call(Ok("null")).config::<u8>().unwrap_err().to_string(),
            "the plugin has no configuration of type `u8`: declare it with `Plugin::config`"
        );
    }
}

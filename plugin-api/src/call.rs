//! The call in progress, through which a handler asks the host.

use std::{any::Any, sync::Arc};

use plugin_contract::op::{AgentAbout, ErrorCode, LogLevel, LogLine, OpError, ServerAbout, host as op};
use serde::{Serialize, de::DeserializeOwned};

use crate::CallError;

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
        let _: Result<(), _> = self.ask(op::LOG, &LogLine { level, message });
    }

    /// What the server is, and which plugins it runs.
    pub fn server(&self) -> Result<ServerAbout, HostError> {
        self.ask(op::ABOUT_SERVER, &())
    }

    /// What the calling agent may do, and its limits.
    pub fn agent(&self) -> Result<AgentAbout, HostError> {
        self.ask(op::ABOUT_AGENT, &())
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

    fn ask<I: Serialize, O: DeserializeOwned>(&self, op: &str, input: &I) -> Result<O, HostError> {
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

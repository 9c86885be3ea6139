//! Why a handler failed.

use std::{error::Error, fmt};

use plugin_contract::op::{ErrorCode, OpError};

use crate::HostError;

/// Why a call failed, for the model that made it: say what is wrong and what to
/// do instead. `?` turns any error into one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError(OpError);

impl CallError {
    /// The input cannot be used; another one could.
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidInput, message)
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// It was tried and did not work.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Failed, message)
    }

    /// An error of the given kind.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(OpError::new(code, message))
    }

    /// The kind.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// `CallError` must not be an `Error` itself, or this would overlap with
// `From<T> for T`.
impl<E: Error + 'static> From<E> for CallError {
    /// A refusal by the host stays one, and so does a question that is open;
    /// everything else has failed. The message names the error and what caused it.
    fn from(error: E) -> Self {
        let error: &(dyn Error + 'static) = &error;
        let code = match error.downcast_ref::<HostError>().map(HostError::code) {
            Some(
                code @ (ErrorCode::Denied
                | ErrorCode::InputRequired
                | ErrorCode::ClientCannot
                | ErrorCode::NoAnswer),
            ) => code,
            _ => ErrorCode::Failed,
        };
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::new(code, message)
    }
}

impl From<CallError> for OpError {
    fn from(error: CallError) -> Self {
        error.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the page cannot be read")]
    struct Unreadable(#[source] std::num::ParseIntError);

    #[test]
    fn any_error_becomes_a_failure_that_names_its_causes() {
        let cause = "x".parse::<u8>().unwrap_err();
        let error = CallError::from(Unreadable(cause));
        assert_eq!(error.code(), ErrorCode::Failed);
        assert_eq!(error.to_string(), "the page cannot be read: invalid digit found in string");
    }

    #[test]
    fn what_the_host_denies_stays_denied() {
        for (code, expected) in [
            (ErrorCode::Denied, ErrorCode::Denied),
            (ErrorCode::InputRequired, ErrorCode::InputRequired),
            (ErrorCode::ClientCannot, ErrorCode::ClientCannot),
            (ErrorCode::InvalidInput, ErrorCode::Failed),
            (ErrorCode::Unsupported, ErrorCode::Failed),
        ] {
            let error = CallError::from(HostError::new("log", OpError::new(code, "no")));
            assert_eq!(error.code(), expected);
        }
    }
}

//! What an argument might be, while a person types it.

use std::collections::BTreeMap;

use plugin_contract::op::Completion;

use crate::{Call, CallError};

/// An argument that is being typed.
#[derive(Clone, Copy, Debug)]
pub struct Completing<'a> {
    /// What is there of it so far.
    pub value: &'a str,
    /// The arguments that are decided already, as far as the client says.
    pub decided: &'a BTreeMap<String, String>,
}

/// What a completer may answer.
pub trait IntoCompletion {
    /// What the client shows.
    fn into_completion(self) -> Result<Completion, CallError>;
}

pub(crate) type Completer = Box<dyn Fn(&Call, Completing<'_>) -> Result<Completion, CallError> + Send + Sync>;

pub(crate) fn completer<R: IntoCompletion>(
    answer: impl Fn(&Call, Completing<'_>) -> R + Send + Sync + 'static,
) -> Completer {
    Box::new(move |call, completing| answer(call, completing).into_completion())
}

impl IntoCompletion for Completion {
    fn into_completion(self) -> Result<Completion, CallError> {
        Ok(self)
    }
}

impl<T: Into<String>> IntoCompletion for Vec<T> {
    fn into_completion(self) -> Result<Completion, CallError> {
        Ok(Completion { values: self.into_iter().map(Into::into).collect(), total: None })
    }
}

impl<T: IntoCompletion> IntoCompletion for Result<T, CallError> {
    fn into_completion(self) -> Result<Completion, CallError> {
        self?.into_completion()
    }
}

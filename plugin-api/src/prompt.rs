//! Prompts.

use std::collections::BTreeMap;

use plugin_contract::op::{PromptMessage, PromptResult};
use serde_json::Value;

use crate::{
    Call, CallError, Completing, Input, IntoCompletion,
    completion::{Completer, completer},
    input::{self, TextField},
    looks::{Looks, looks},
};

/// A prompt that people can pick in their client.
pub struct Prompt {
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    pub(crate) description: String,
    /// `None` if the handler takes no struct.
    pub(crate) arguments: Option<Vec<TextField>>,
    pub(crate) completers: BTreeMap<String, Completer>,
    pub(crate) looks: Looks,
    pub(crate) run: Run,
}

looks!(Prompt);

pub(crate) type Run =
    Box<dyn Fn(&Call, BTreeMap<String, String>) -> Result<PromptResult, CallError> + Send + Sync>;

/// What a prompt's handler may answer.
pub trait IntoPromptResult {
    /// The messages that the client puts before the model. Without a description,
    /// they get the prompt's own.
    fn into_prompt_result(self) -> Result<PromptResult, CallError>;
}

impl Prompt {
    /// A prompt that `handler` writes. The fields of its input are the prompt's
    /// arguments: text, with a default or an `Option` where it can do without.
    pub fn new<I: Input, R: IntoPromptResult>(
        name: impl Into<String>,
        description: impl Into<String>,
        handler: impl Fn(&Call, I) -> R + Send + Sync + 'static,
    ) -> Self {
        let description = description.into();
        let default = description.clone();
        let read = input::reader::<I>();
        Self {
            name: name.into(),
            title: None,
            description,
            arguments: input::text_fields::<I>(),
            completers: BTreeMap::new(),
            looks: Looks::default(),
            run: Box::new(move |call, arguments| {
                let arguments =
                    arguments.into_iter().map(|(name, text)| (name, Value::String(text))).collect();
                let mut result = handler(call, read(arguments)?).into_prompt_result()?;
                if result.description.is_none() && !default.is_empty() {
                    result.description = Some(default.clone());
                }
                Ok(result)
            }),
        }
    }

    /// A name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Helps a person who types the argument.
    #[must_use]
    pub fn complete<R: IntoCompletion>(
        mut self,
        argument: impl Into<String>,
        answer: impl Fn(&Call, Completing<'_>) -> R + Send + Sync + 'static,
    ) -> Self {
        self.completers.insert(argument.into(), completer(answer));
        self
    }
}

impl IntoPromptResult for PromptResult {
    fn into_prompt_result(self) -> Result<PromptResult, CallError> {
        Ok(self)
    }
}

impl IntoPromptResult for Vec<PromptMessage> {
    fn into_prompt_result(self) -> Result<PromptResult, CallError> {
        Ok(PromptResult { messages: self, ..PromptResult::default() })
    }
}

/// One message of the user's.
impl IntoPromptResult for String {
    fn into_prompt_result(self) -> Result<PromptResult, CallError> {
        vec![PromptMessage::user(self)].into_prompt_result()
    }
}

impl<T: IntoPromptResult> IntoPromptResult for Result<T, CallError> {
    fn into_prompt_result(self) -> Result<PromptResult, CallError> {
        self?.into_prompt_result()
    }
}

//! What a plugin may tell the client of a call, and ask of it, meanwhile.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Content, PromptMessage, Role};

/// How far a call is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Grows with every report.
    pub progress: f64,
    /// What it will be at the end, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<f64>,
    /// What is being done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A message for the client's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientLog {
    /// How much it matters.
    pub level: ClientLogLevel,
    /// Text, or anything else.
    pub data: Value,
}

/// How much a message for a client's log matters, in the order of syslog's levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientLogLevel {
    /// For whoever debugs.
    Debug,
    /// Worth knowing.
    Info,
    /// Out of the ordinary, and fine.
    Notice,
    /// Odd, and handled.
    Warning,
    /// Broken.
    Error,
    /// A part has failed.
    Critical,
    /// Somebody must act.
    Alert,
    /// Nothing works.
    Emergency,
}

/// What the client of a call said that it can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientAbout {
    /// Put a form before its person.
    #[serde(default)]
    pub elicitation: bool,
    /// Ask its model.
    #[serde(default)]
    pub sampling: bool,
    /// Name its folders.
    #[serde(default)]
    pub roots: bool,
    /// Come back for the result of a call that takes long.
    #[serde(default)]
    pub tasks: bool,
    /// From where on it takes log messages; `None` is never.
    #[serde(default)]
    pub log_level: Option<ClientLogLevel>,
}

/// Questions to the client, all at once, under keys that the answers come back by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// The questions.
    pub questions: BTreeMap<String, Question>,
}

/// The client's answers, in MCP's own shape.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// One for each question.
    pub answers: BTreeMap<String, Value>,
}

/// A question to the client, in MCP's own shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", content = "params")]
#[non_exhaustive]
pub enum Question {
    /// To the person. The answer is [`Elicited`].
    #[serde(rename = "elicitation/create")]
    Elicit(Elicitation),
    /// To the model. The answer is [`Sampled`].
    #[serde(rename = "sampling/createMessage")]
    Sample(Sampling),
    /// For the folders that the client works in. The answer is [`Roots`].
    #[serde(rename = "roots/list")]
    Roots {},
}

impl Question {
    /// Whether that client can be asked it.
    #[must_use]
    pub fn suits(&self, client: &ClientAbout) -> bool {
        match self {
            Self::Elicit(_) => client.elicitation,
            Self::Sample(_) => client.sampling,
            Self::Roots {} => client.roots,
        }
    }

    /// What a client must be able to do, in MCP's word.
    #[must_use]
    pub fn capability(&self) -> &'static str {
        match self {
            Self::Elicit(_) => "elicitation",
            Self::Sample(_) => "sampling",
            Self::Roots {} => "roots",
        }
    }
}

/// A form for the person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Elicitation {
    /// Always a form.
    #[serde(default)]
    pub mode: Form,
    /// What it is about.
    pub message: String,
    /// JSON Schema of the answer: an object whose properties are text, numbers,
    /// truth values or choices.
    pub requested_schema: Map<String, Value>,
}

impl Elicitation {
    /// A form about something, with the schema of its answer.
    pub fn form(message: impl Into<String>, requested_schema: Map<String, Value>) -> Self {
        Self { mode: Form::Form, message: message.into(), requested_schema }
    }
}

/// The one way to ask a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A form in the client.
    #[default]
    Form,
}

/// What the person made of a form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Elicited<T = Map<String, Value>> {
    /// Filled it in.
    Accept {
        /// Valid against the form's schema.
        content: T,
    },
    /// Said no.
    Decline,
    /// Went away.
    Cancel,
}

/// A question to the client's model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sampling {
    /// The conversation so far.
    pub messages: Vec<PromptMessage>,
    /// Who the model is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// How long the answer may be.
    pub max_tokens: u32,
    /// How freely it may answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Where it is to stop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop_sequences: Vec<String>,
}

/// What the model said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sampled {
    /// The model, usually.
    pub role: Role,
    /// What it said.
    pub content: Content,
    /// Which model.
    pub model: String,
    /// Why it stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
}

/// The folders that a client works in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roots {
    /// Each of them.
    pub roots: Vec<Root>,
}

/// A folder that a client works in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// A `file://` URI, on the client's machine.
    pub uri: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn questions_have_the_shape_that_mcp_gives_them() {
        let schema = json!({ "type": "object", "properties": { "name": { "type": "string" } } });
        let form = Elicitation {
            mode: Form::Form,
            message: "Who?".to_owned(),
            requested_schema: schema.as_object().unwrap().clone(),
        };
        let sampling =
            Sampling { messages: vec![PromptMessage::user("Hello")], max_tokens: 10, ..Sampling::default() };
        for (question, shape) in [
            (
                Question::Elicit(form),
                json!({ "method": "elicitation/create", "params": { "mode": "form", "message": "Who?", "requestedSchema": schema } }),
            ),
            (
                Question::Sample(sampling),
                json!({
                    "method": "sampling/createMessage",
                    "params": { "messages": [{ "role": "user", "content": { "type": "text", "text": "Hello" } }], "maxTokens": 10 },
                }),
            ),
            (Question::Roots {}, json!({ "method": "roots/list", "params": {} })),
        ] {
            assert_eq!(serde_json::to_value(&question).unwrap(), shape);
            assert_eq!(serde_json::from_value::<Question>(shape).unwrap(), question);
        }
    }
}

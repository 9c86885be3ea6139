//! Questions to the client of a call.

use std::marker::PhantomData;

use plugin_contract::op::{
    Answers, Elicitation, Elicited, ErrorCode, OpError, Question, Roots, Sampled, Sampling, host,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{HostError, Input, input};

/// What a client can be asked.
pub trait Ask {
    /// What it answers.
    type Answer: DeserializeOwned;

    /// The question as the client gets it.
    fn question(&self) -> Question;
}

/// A form for the person at the client. Its fields are those of `T`: text,
/// numbers, truth values, enums without data, and an `Option` of one of them where
/// it may stay empty. Doc comments become their labels.
pub struct Form<T> {
    message: String,
    fields: PhantomData<fn() -> T>,
}

/// The question for the folders that the client works in.
#[derive(Clone, Copy, Debug)]
pub struct ClientRoots;

/// The answers to several questions.
#[derive(Debug)]
pub struct Answered(pub(crate) Answers);

impl<T: Input> Form<T> {
    /// A form that says what it is about.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), fields: PhantomData }
    }
}

impl<T: Input> Ask for Form<T> {
    type Answer = Elicited<T>;

    fn question(&self) -> Question {
        let requested_schema = form(input::schema::<T>().unwrap_or_default());
        Question::Elicit(Elicitation::form(&self.message, requested_schema))
    }
}

/// A form with a schema of one's own.
impl Ask for Elicitation {
    type Answer = Elicited;

    fn question(&self) -> Question {
        Question::Elicit(self.clone())
    }
}

impl Ask for Sampling {
    type Answer = Sampled;

    fn question(&self) -> Question {
        Question::Sample(self.clone())
    }
}

impl Ask for ClientRoots {
    type Answer = Roots;

    fn question(&self) -> Question {
        Question::Roots {}
    }
}

impl Answered {
    /// The answer to the question of that key; `A` is what it asks for, such as
    /// [`Sampling`].
    pub fn get<A: Ask>(&self, key: &str) -> Result<A::Answer, HostError> {
        let answer = self.0.answers.get(key).cloned().unwrap_or_default();
        serde_json::from_value(answer).map_err(|error| {
            let message = format!("the answer to `{key}` is not understood: {error}");
            HostError::new(host::ASK, OpError::new(ErrorCode::NoAnswer, message))
        })
    }
}

/// What clients take as a form: a flat object, without what only Rust needs.
fn form(mut schema: Map<String, Value>) -> Map<String, Value> {
    schema.retain(|key, _| ["type", "properties", "required"].contains(&key.as_str()));
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for property in properties.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
        // Of an `Option`, `required` says enough.
        let kinds = property.get("type").and_then(Value::as_array);
        if let Some(kind) = kinds.and_then(|kinds| kinds.iter().find(|kind| *kind != "null")).cloned() {
            property.insert("type".to_owned(), kind);
        }
        if let Some(Value::Array(choices)) = property.get_mut("enum") {
            choices.retain(|choice| !choice.is_null());
        }
        property.retain(|key, value| {
            key != "format" || ["email", "uri", "date", "date-time"].iter().any(|known| value == known)
        });
    }
    schema
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema matters")]
    struct Order {
        /// Your name.
        name: String,
        count: u8,
        size: Option<Size>,
        note: Option<String>,
        gift: bool,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Size {
        Small,
        Large,
    }

    #[test]
    fn a_form_is_flat_and_says_nothing_about_rust() {
        let Question::Elicit(form) = Form::<Order>::new("Your order?").question() else { panic!("a form") };
        assert_eq!(form.message, "Your order?");
        assert_eq!(
            Value::Object(form.requested_schema),
            json!({
                "type": "object",
                "properties": {
                    "name": { "type": "string", "description": "Your name." },
                    "count": { "type": "integer", "minimum": 0, "maximum": 255 },
                    "size": { "type": "string", "enum": ["small", "large"] },
                    "note": { "type": "string" },
                    "gift": { "type": "boolean" },
                },
                "required": ["name", "count", "gift"],
            })
        );
    }
}

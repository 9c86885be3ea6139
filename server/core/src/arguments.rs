//! A tool's input schema, compiled once, and what it says of a call's arguments.

use std::fmt;

use jsonschema::{Draft, Retrieve, Uri, Validator};
use serde_json::{Map, Value};

/// How many complaints about one call are worth reading.
const MAX_COMPLAINTS: usize = 16;
/// How many of the names that a caller made up are shown, and how much of each.
const MAX_NAMES: usize = 8;
const MAX_NAME: usize = 64;
/// Schemas nest no deeper than this.
const MAX_DEPTH: usize = 32;

/// A JSON Schema 2020-12 for the arguments of one tool.
pub struct ArgumentSchema(Validator);

/// A schema that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchema {
    /// Arguments are always an object.
    #[error("its `type` must be `object`")]
    NotObject,
    /// Checking against it could take for ever.
    #[error("it nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// Another dialect than 2020-12.
    #[error("its `$schema` is `{0}`; only JSON Schema 2020-12 is understood")]
    Dialect(String),
    /// Not a valid schema, or one that refers elsewhere.
    #[error("{0}")]
    Invalid(String),
}

impl ArgumentSchema {
    /// Compiles a schema. References may point into the schema itself only.
    pub fn new(schema: &Map<String, Value>) -> Result<Self, InvalidSchema> {
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            return Err(InvalidSchema::NotObject);
        }
        if let Some(dialect) = schema.get("$schema").and_then(Value::as_str)
            && dialect.trim_end_matches('#') != "https://json-schema.org/draft/2020-12/schema"
        {
            return Err(InvalidSchema::Dialect(dialect.to_owned()));
        }
        let schema = Value::Object(schema.clone());
        if depth_exceeds(&schema, MAX_DEPTH) {
            return Err(InvalidSchema::TooDeep);
        }
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_retriever(NoRetriever)
            .build(&schema)
            .map(Self)
            .map_err(|error| InvalidSchema::Invalid(error.to_string()))
    }

    /// What is wrong with the arguments, a sentence each; empty if nothing is.
    /// A sentence names the place and the rule, never the value, so that it can
    /// be logged.
    #[must_use]
    pub fn complaints(&self, arguments: &Value) -> Vec<String> {
        self.complaints_about("the arguments", arguments)
    }

    /// The same of another value, which the sentences call by that name.
    #[must_use]
    pub fn complaints_about(&self, whole: &str, value: &Value) -> Vec<String> {
        self.0
            .iter_errors(value)
            .take(MAX_COMPLAINTS)
            .map(|error| {
                let place = error.instance_path().to_string();
                let place =
                    if place.is_empty() { whole.to_owned() } else { quoted(place.trim_start_matches('/')) };
                format!("{place}: {}", rule(&error))
            })
            .collect()
    }
}

impl fmt::Debug for ArgumentSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ArgumentSchema(…)")
    }
}

/// The broken rule, without the value that broke it.
fn rule(error: &jsonschema::ValidationError<'_>) -> String {
    use jsonschema::error::ValidationErrorKind as Kind;
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            format!("unknown {}", list(unexpected))
        }
        Kind::FalseSchema => "the schema allows none".to_owned(),
        Kind::Required { property } => format!("`{}` is missing", property.as_str().unwrap_or_default()),
        _ => error.masked_with("the value").to_string(),
    }
}

fn list(names: &[String]) -> String {
    let mut list: Vec<_> = names.iter().take(MAX_NAMES).map(|name| quoted(name)).collect();
    if names.len() > MAX_NAMES {
        list.push(format!("and {} more", names.len() - MAX_NAMES));
    }
    list.join(", ")
}

/// A name that a caller made up, so that it can be shown: in one line, and short.
pub(crate) fn quoted(name: &str) -> String {
    let plain = |c: &char| !c.is_control() && *c != '`';
    let shown: String = name.chars().filter(plain).take(MAX_NAME).collect();
    let cut = if name.chars().nth(MAX_NAME).is_some() { "…" } else { "" };
    format!("`{shown}{cut}`")
}

/// Refuses to look anywhere outside the schema.
struct NoRetriever;

impl Retrieve for NoRetriever {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("it refers to `{uri}`; put what it refers to under `$defs`").into())
    }
}

fn depth_exceeds(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else { return true };
    match value {
        Value::Array(items) => items.iter().any(|item| depth_exceeds(item, below)),
        Value::Object(fields) => fields.values().any(|field| depth_exceeds(field, below)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(schema: Value) -> Result<ArgumentSchema, InvalidSchema> {
        ArgumentSchema::new(schema.as_object().unwrap())
    }

    #[test]
    fn complaints_name_the_place_and_the_rule_and_never_the_value() {
        let schema = schema(json!({
            "type": "object",
            "properties": { "a": { "type": "number" }, "b": { "type": "string", "maxLength": 3 } },
            "required": ["a"],
            "additionalProperties": false,
        }))
        .unwrap();
        assert_eq!(schema.complaints(&json!({ "a": 1, "b": "xyz" })), Vec::<String>::new());
        assert_eq!(
            schema.complaints(&json!({ "b": "s3cret", "c": "s3cret" })),
            [
                "`b`: the value is longer than 3 characters",
                "the arguments: unknown `c`",
                "the arguments: `a` is missing",
            ]
        );
        assert_eq!(
            schema.complaints(&json!({ "a": "s3cret" })),
            ["`a`: the value is not of type \"number\""]
        );
    }

    #[test]
    fn names_that_a_caller_made_up_are_shown_short_and_in_one_line() {
        let schema =
            schema(json!({ "type": "object", "properties": { "a": {} }, "additionalProperties": false }))
                .unwrap();
        let arguments: Map<_, _> =
            (10..30).map(|n| (format!("`\n# {n}{}", "x".repeat(99)), json!(1))).collect();
        let complaints = schema.complaints(&Value::Object(arguments));
        let [complaint] = &complaints[..] else { panic!("{complaints:?}") };
        assert!(!complaint.contains('\n') && complaint.len() < 700, "{complaint}");
        assert!(complaint.ends_with("…`, and 12 more"), "{complaint}");
    }

    #[test]
    fn a_schema_that_looks_elsewhere_is_refused() {
        let error = schema(
            json!({ "type": "object", "properties": { "a": { "$ref": "https://example.com/a.json" } } }),
        )
        .unwrap_err();
        assert!(error.to_string().contains("put what it refers to under `$defs`"), "{error}");
        let local =
            json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/a" } }, "$defs": { "a": {} } });
        assert!(schema(local).is_ok());
    }

    #[test]
    fn a_schema_of_another_kind_is_refused() {
        let mut deep = json!({});
        for _ in 0..40 {
            deep = json!({ "not": deep });
        }
        for (bad, message) in [
            (json!({ "type": "string" }), "its `type` must be `object`"),
            (
                json!({ "type": "object", "$schema": "http://json-schema.org/draft-07/schema#" }),
                "its `$schema` is `http://json-schema.org/draft-07/schema#`; only JSON Schema 2020-12 is understood",
            ),
            (json!({ "type": "object", "properties": deep }), "it nests deeper than 32 levels"),
        ] {
            assert_eq!(schema(bad).unwrap_err().to_string(), message);
        }
    }
}

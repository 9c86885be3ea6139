//! Tools that put forms before the person, with all that a form can hold.

use plugin_api::{CallError, Elicitation, prelude::*};
use serde_json::{Value, json};

pub(crate) fn add(plugin: Plugin) -> Plugin {
    plugin
        .tool(Tool::new("test_elicitation", "Asks the person.", |call, input: Asked| {
            let schema = json!({
                "type": "object",
                "properties": {
                    "username": { "type": "string", "description": "Your name here." },
                    "email": { "type": "string", "description": "Your address." },
                },
                "required": ["username", "email"],
            });
            ask(call, input.message, schema)
        }))
        .tool(Tool::new("test_elicitation_sep1034_defaults", "A form with defaults.", |call, (): ()| {
            ask(call, "Please review and update the form fields with defaults".to_owned(), defaults())
        }))
        .tool(Tool::new("test_elicitation_sep1330_enums", "A form with choices.", |call, (): ()| {
            ask(call, "Please select options from the enum fields".to_owned(), choices())
        }))
}

#[derive(Deserialize, JsonSchema)]
struct Asked {
    /// What to ask.
    message: String,
}

fn ask(call: &Call, message: String, schema: Value) -> Result<String, CallError> {
    let requested_schema = schema.as_object().cloned().unwrap_or_default();
    let (action, content) = match call.ask("form", &Elicitation::form(message, requested_schema))? {
        Elicited::Accept { content } => ("accept", content),
        Elicited::Decline => ("decline", serde_json::Map::new()),
        Elicited::Cancel => ("cancel", serde_json::Map::new()),
    };
    Ok(format!("User response: action={action}, content={}", Value::Object(content)))
}

fn defaults() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "description": "User name", "default": "John Doe" },
            "age": { "type": "integer", "description": "User age", "default": 30 },
            "score": { "type": "number", "description": "User score", "default": 95.5 },
            "status": {
                "type": "string", "description": "User status",
                "enum": ["active", "inactive", "pending"], "default": "active",
            },
            "verified": { "type": "boolean", "description": "Verification status", "default": true },
        },
        "required": [],
    })
}

fn choices() -> Value {
    let titled = |names: [&str; 3]| {
        json!([
            { "const": "value1", "title": names[0] },
            { "const": "value2", "title": names[1] },
            { "const": "value3", "title": names[2] },
        ])
    };
    let plain = ["option1", "option2", "option3"];
    json!({
        "type": "object",
        "properties": {
            "untitledSingle": { "type": "string", "description": "Select one option", "enum": plain },
            "titledSingle": {
                "type": "string", "description": "Select one option with titles",
                "oneOf": titled(["First Option", "Second Option", "Third Option"]),
            },
            "legacyEnum": {
                "type": "string", "description": "Select one option (legacy)",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": {
                "type": "array", "description": "Select multiple options", "minItems": 1, "maxItems": 3,
                "items": { "type": "string", "enum": plain },
            },
            "titledMulti": {
                "type": "array", "description": "Select multiple options with titles", "minItems": 1, "maxItems": 3,
                "items": { "anyOf": titled(["First Choice", "Second Choice", "Third Choice"]) },
            },
        },
        "required": [],
    })
}

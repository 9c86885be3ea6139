//! Tools for every kind of result.

use plugin_api::prelude::*;
use serde_json::{Map, Value, json};

/// A red pixel.
pub(crate) const PNG: [u8; 69] = *include_bytes!("pixel.png");
/// A recording of nothing.
const WAV: [u8; 44] = *include_bytes!("silence.wav");

pub(crate) fn add(plugin: Plugin) -> Plugin {
    plugin
        .tool(
            Tool::new(
                "test_simple_text",
                "Answers text.",
                |_, (): ()| "This is a simple text response for testing.",
            )
            .inline(),
        )
        .tool(Tool::new("test_image_content", "Answers a picture.", |_, (): ()| {
            Content::image(PNG, "image/png")
        }))
        .tool(Tool::new("test_audio_content", "Answers a recording.", |_, (): ()| {
            Content::audio(WAV, "audio/wav")
        }))
        .tool(Tool::new("test_embedded_resource", "Answers a resource.", |_, (): ()| {
            Content::resource(ResourceContent::text(
                "test://embedded-resource",
                "text/plain",
                "This is an embedded resource content.",
            ))
        }))
        .tool(Tool::new("test_multiple_content_types", "Answers text, a picture and a resource.", mixed))
        .tool(Tool::new("test_error_handling", "Fails.", |_, (): ()| -> Result<String, CallError> {
            Err(CallError::failed("This tool intentionally returns an error for testing"))
        }))
        .tool(Tool::new("test_structured", "Answers a structured result.", |_, input: Sum| {
            Json(Total { total: input.a + input.b })
        }))
        .tool(Tool::new("test_broken_structured", "Breaks its own output schema.", broken))
        .tool(Tool::new("test_large", "Answers as many bytes as one likes.", large))
        .tool(Tool::with_schema(
            "json_schema_2020_12_tool",
            "Takes what only JSON Schema 2020-12 can say.",
            schema(),
            |_, arguments: Map<String, Value>| Value::Object(arguments).to_string(),
        ))
        .tool(Tool::with_schema(
            "test_custom_header",
            "Takes an argument that clients repeat in a header.",
            json!({
                "type": "object",
                "properties": { "value": { "type": "string", "x-mcp-header": "Value" } },
                "required": ["value"],
            }),
            |_, arguments: Map<String, Value>| Value::Object(arguments).to_string(),
        ))
}

fn mixed(_: &Call, (): ()) -> Vec<Content> {
    let resource = json!({ "test": "data", "value": 123 }).to_string();
    vec![
        Content::text("Multiple content types test:"),
        Content::image(PNG, "image/png"),
        Content::resource(ResourceContent::text(
            "test://mixed-content-resource",
            "application/json",
            resource,
        )),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct Sum {
    a: i32,
    b: i32,
}

#[derive(Serialize, JsonSchema)]
struct Total {
    total: i32,
}

/// Says that it answers [`Total`], and answers something else.
#[derive(Serialize)]
struct Broken {
    sum: &'static str,
}

impl JsonSchema for Broken {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Broken".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Total::json_schema(generator)
    }
}

fn broken(_: &Call, (): ()) -> Json<Broken> {
    Json(Broken { sum: "five" })
}

#[derive(Deserialize, JsonSchema)]
struct Large {
    kind: Kind,
    bytes: usize,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Text,
    Image,
    Audio,
    Resource,
    Blob,
    Structured,
}

fn large(_: &Call, input: Large) -> ToolResult {
    let text = "x".repeat(input.bytes);
    let content = match input.kind {
        Kind::Text => Content::text(text),
        Kind::Image => Content::image(text, "image/png"),
        Kind::Audio => Content::audio(text, "audio/wav"),
        Kind::Resource => Content::resource(ResourceContent::text("test://large", "text/plain", text)),
        Kind::Blob => Content::resource(ResourceContent::blob("test://large", "image/png", text)),
        Kind::Structured => {
            return ToolResult { structured: Some(json!({ "text": text })), ..ToolResult::default() };
        }
    };
    ToolResult::new(vec![content])
}

fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
            },
        },
        "properties": {
            "name": { "type": "string" },
            "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] },
            "phone": { "type": "string" },
            "email": { "type": "string" },
        },
        "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
        "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
        "then": { "required": ["phone"] },
        "else": { "required": ["email"] },
        "additionalProperties": false,
    })
}

//! The plugin `hello`: a tool, a resource and a prompt to begin with.
//!
//! `cargo doc --package plugin-api --open` tells what else a plugin can do.

use plugin_api::prelude::*;

/// What the tool takes. Its JSON Schema follows from this type, and the comments are
/// what a model reads. The server refuses arguments that do not fit.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Greet {
    /// Whom to greet.
    name: String,
    /// The language to greet in; English by default.
    #[serde(default)]
    language: Language,
}

/// A language of the plugin.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
enum Language {
    #[default]
    English,
    Polish,
}

/// What the tool answers. The server holds every answer to this type's schema.
#[derive(JsonSchema, Serialize)]
struct Greeting {
    /// The greeting.
    text: String,
    /// The language that it is in.
    language: Language,
}

/// What the prompt takes: fields of text.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Introduce {
    /// Who is to be introduced.
    name: String,
}

/// The plugin's definition. The manifest that is signed follows from it.
fn plugin() -> Plugin {
    let greet = Tool::new("hello.greet", "Greets somebody by name.", greet)
        .title("Greet")
        .inline()
        .read_only(true)
        .idempotent(true)
        .open_world(false);
    let languages = Resource::new("hello://languages", "languages", "application/json", languages)
        .description("The languages that greetings come in.");
    let introduce = Prompt::new("hello.introduce", "Introduces somebody.", introduce);
    Plugin::new("hello", env!("CARGO_PKG_VERSION"))
        .description("Greets people.")
        .tool(greet)
        .resource(languages)
        .prompt(introduce)
}

plugin_api::export!(plugin);

fn greet(_call: &Call, input: Greet) -> Result<Json<Greeting>, CallError> {
    let name = input.name.trim();
    if name.is_empty() {
        return Err(CallError::invalid_input("`name` is empty: say whom to greet"));
    }
    let text = match input.language {
        Language::English => format!("Hello, {name}!"),
        Language::Polish => format!("Cześć, {name}!"),
    };
    Ok(Json(Greeting { text, language: input.language }))
}

fn languages(_call: &Call) -> Result<String, CallError> {
    Ok(serde_json::to_string(&[Language::English, Language::Polish])?)
}

fn introduce(_call: &Call, input: Introduce) -> String {
    format!("Introduce {} to the others in two friendly sentences.", input.name)
}

/// The tests need no server: `Harness` is a host whose answers a test writes.
#[cfg(test)]
mod tests {
    use plugin_api::{ErrorCode, testing::Harness};
    use serde_json::json;

    use super::*;

    #[test]
    fn somebody_is_greeted_in_a_language() {
        let harness = Harness::new(plugin());
        for (arguments, text, language) in [
            (json!({"name": "Ada"}), "Hello, Ada!", "english"),
            (json!({"name": "Ada", "language": "polish"}), "Cześć, Ada!", "polish"),
        ] {
            let result = harness.call_tool("hello.greet", arguments).unwrap();
            let greeting = json!({"text": text, "language": language});
            assert_eq!(result.structured, Some(greeting));
        }
    }

    #[test]
    fn nobody_cannot_be_greeted() {
        let harness = Harness::new(plugin());
        let error = harness.call_tool("hello.greet", json!({"name": " "})).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidInput);
    }

    #[test]
    fn the_languages_can_be_read() {
        let read = Harness::new(plugin()).read_resource("hello://languages").unwrap();
        let [ResourceContent::Text { text, .. }] = read.contents.as_slice() else {
            panic!("one text, not {read:?}");
        };
        assert_eq!(text, r#"["english","polish"]"#);
    }

    #[test]
    fn an_introduction_names_the_person() {
        let harness = Harness::new(plugin());
        let prompt = harness.get_prompt("hello.introduce", json!({"name": "Ada"})).unwrap();
        let json = serde_json::to_string(&prompt).unwrap();
        assert!(json.contains("Introduce Ada"), "{json}");
    }
}

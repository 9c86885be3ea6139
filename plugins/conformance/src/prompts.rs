//! Prompts, with arguments, resources, pictures and questions.

use plugin_api::{CallError, Role, prelude::*};

use crate::contents::PNG;

pub(crate) fn add(plugin: Plugin) -> Plugin {
    plugin
        .prompt(
            Prompt::new("test_simple_prompt", "A simple prompt without arguments", |_, (): ()| {
                "This is a simple prompt for testing.".to_owned()
            })
            .title("Simple Test Prompt"),
        )
        .prompt(
            Prompt::new(
                "test_prompt_with_arguments",
                "A prompt with required arguments",
                |_, input: Arguments| {
                    format!("Prompt with arguments: arg1='{}', arg2='{}'", input.arg1, input.arg2)
                },
            )
            .title("Prompt With Arguments")
            .complete("arg1", |_, typed| {
                ["paris", "park", "party"]
                    .into_iter()
                    .filter(|word| word.starts_with(typed.value))
                    .collect::<Vec<_>>()
            }),
        )
        .prompt(
            Prompt::new("test_prompt_with_embedded_resource", "A prompt with a resource in it", embedded)
                .title("Prompt With Embedded Resource"),
        )
        .prompt(
            Prompt::new("test_prompt_with_image", "A prompt with a picture in it", |_, (): ()| {
                vec![
                    user(Content::image(PNG, "image/png")),
                    PromptMessage::user("Please analyze the image above."),
                ]
            })
            .title("Prompt With Image"),
        )
        .prompt(Prompt::new("test_input_required_result_prompt", "A prompt that asks first", asking))
}

#[derive(Deserialize, JsonSchema)]
struct Arguments {
    /// First test argument
    arg1: String,
    /// Second test argument
    arg2: String,
}

#[derive(Deserialize, JsonSchema)]
struct Embedded {
    /// URI of the resource to embed
    #[serde(rename = "resourceUri")]
    resource_uri: String,
}

#[derive(Deserialize, JsonSchema)]
struct Context {
    context: String,
}

fn user(content: Content) -> PromptMessage {
    PromptMessage { role: Role::User, content }
}

fn embedded(_: &Call, input: Embedded) -> Vec<PromptMessage> {
    let resource =
        ResourceContent::text(input.resource_uri, "text/plain", "Embedded resource content for testing.");
    vec![
        user(Content::resource(resource)),
        PromptMessage::user("Please process the embedded resource above."),
    ]
}

fn asking(call: &Call, (): ()) -> Result<String, CallError> {
    match call.ask("user_context", &Form::<Context>::new("What context should the prompt use?"))? {
        Elicited::Accept { content } => Ok(format!("Prompt with context: {}", content.context)),
        Elicited::Decline | Elicited::Cancel => Err(CallError::failed("there is no context")),
    }
}

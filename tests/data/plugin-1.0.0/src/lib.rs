//! A plugin of the first release of the plugin interface, 1.0.0. Its library lies beside
//! it, as it was built then, and servers have to go on loading it.

use plugin_api::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Greet {
    /// Whom to greet.
    name: String,
}

fn greet(call: &Call, input: Greet) -> Result<String, CallError> {
    if input.name.is_empty() {
        return Err(CallError::invalid_input("a name is not empty"));
    }
    call.log(LogLevel::Info, "greeting");
    call.progress(1.0, 1.0, "greeted");
    let agent = call.agent()?.agent;
    Ok(format!("Hello, {}! Yours, {agent}.", input.name))
}

fn plugin() -> Plugin {
    Plugin::new("veteran", "1.0.0")
        .description("Greets people, since 1.0.0.")
        .tool(Tool::new("veteran.greet", "Greets somebody.", greet))
        .tool(Tool::new("veteran.panic", "Panics.", |_: &Call, (): ()| -> String {
            panic!("as it always did")
        }))
        .resource(Resource::new("veteran://age", "age", "text/plain", |_: &Call| "since 1.0.0".to_owned()))
        .prompt(Prompt::new("veteran_greeting", "Asks for a greeting.", |_: &Call, input: Greet| {
            format!("Greet {}.", input.name)
        }))
}

plugin_api::export!(plugin);

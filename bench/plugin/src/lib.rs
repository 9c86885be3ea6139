//! The plugin `many`: five hundred tools, `many.tool-000` and so on.

use plugin_api::prelude::*;

const TOOLS: usize = 500;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Note {
    /// What to answer.
    text: String,
    /// How often.
    #[serde(default)]
    times: Option<u8>,
}

fn plugin() -> Plugin {
    let plugin = Plugin::new("many", env!("CARGO_PKG_VERSION")).description("Has many tools.");
    (0..TOOLS).fold(plugin, |plugin, number| {
        let answer = |_: &Call, note: Note| note.text.repeat(note.times.unwrap_or(1).into());
        let name = format!("many.tool-{number:03}");
        plugin.tool(Tool::new(name, format!("Answers the given text, as tool {number}."), answer).inline())
    })
}

plugin_api::export!(plugin);

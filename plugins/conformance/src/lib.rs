//! What MCP's official conformance suite asks of a server, as a plugin like any
//! other. Tests load it; no installation does.

use plugin_api::prelude::*;

mod asking;
mod contents;
mod forms;
mod notices;
mod prompts;
mod resources;
mod tasks;

/// The plugin's definition.
pub fn plugin() -> Plugin {
    let plugin = Plugin::new("conformance", env!("CARGO_PKG_VERSION"))
        .title("Conformance")
        .description("What MCP's conformance suite asks of a server.");
    [contents::add, notices::add, asking::add, forms::add, resources::add, prompts::add, tasks::add]
        .into_iter()
        .fold(plugin, |plugin, add| add(plugin))
}

plugin_api::export!(plugin);

//! What a plugin can do through MCP, in both eras: the plugin that the official
//! conformance suite is run with.

mod asking;
mod contents;
mod notices;
mod tasks;

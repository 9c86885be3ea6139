//! Write plugins for mcp-universal-server in safe Rust.
//!
//! This is a whole plugin:
//!
//! ```
//! use plugin_api::prelude::*;
//!
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Greet {
//!     /// Whom to greet.
//!     name: String,
//! }
//!
//! fn greet(_call: &Call, input: Greet) -> String {
//!     format!("Hello, {}!", input.name)
//! }
//!
//! fn plugin() -> Plugin {
//!     Plugin::new("hello", "1.0.0")
//!         .description("Greets people.")
//!         .tool(Tool::new("hello.greet", "Greets somebody by name.", greet).inline())
//! }
//!
//! plugin_api::export!(plugin);
//! # let greeting = plugin_api::testing::Harness::new(plugin())
//! #     .call_tool("hello.greet", serde_json::json!({"name": "Ada"}));
//! # assert_eq!(greeting.unwrap().content, [Content::text("Hello, Ada!")]);
//! ```
//!
//! Its `Cargo.toml` says `crate-type = ["cdylib", "rlib"]` and depends on
//! `plugin-api`, `serde` and `schemars`. The manifest that is signed and the
//! schema that arguments are checked against are derived from this definition;
//! nothing is written twice. Tests need no server: see [`testing`].
//!
//! # What there is to know
//!
//! - **Names.** A server takes a plugin's tools, prompts and resources only if
//!   the key that signs it covers their names; by default `<plugin>.*` and
//!   `<plugin>://*`. So begin tool names with the plugin's name.
//! - **Input.** A [`Tool`]'s input is any struct with named fields that derives
//!   `Deserialize` and `JsonSchema`; doc comments become the descriptions that
//!   the model reads. Add `#[serde(deny_unknown_fields)]`, so that a misspelt
//!   argument is an error. A tool without input takes `()`. The inputs of a
//!   [`Prompt`] and of a [`ResourceTemplate`] are structs too, whose fields are
//!   all text.
//! - **Answers.** A handler answers `String`, [`Content`] (text, a picture, a
//!   recording, a resource or a link to one), `Vec<Content>`, [`ToolResult`], or a
//!   `Result` of one of them with [`CallError`], which `?` makes of any other
//!   error. With [`Json`] around a struct that derives `Serialize` and
//!   `JsonSchema`, the tool publishes the struct's schema, the server checks every
//!   result against it, and clients that show only text get the same as text.
//!   Prompts and resources have their own, likewise; a resource may be `Vec<u8>`.
//!   A result larger than the agent's limit is refused, not cut.
//! - **The host.** A plugin has no network, files or environment of its own when
//!   it runs isolated. What it may do goes through [`Call`], which also knows
//!   the [configuration](Plugin::config) the operator gave it.
//! - **While a call runs** it can report its [progress](Call::progress), write to
//!   the [client's log](Call::client_log), and see that it is
//!   [cancelled](Call::is_cancelled) or how much [time](Call::remaining) it has.
//!   The server bounds how much of that goes out, and tells clients by itself that
//!   a silent call still runs.
//! - **Long work.** Where the client can come back for the result,
//!   [`Call::detach`] lets the call go on after its request was answered, within
//!   the same limits; elsewhere it changes nothing.
//! - **News.** A plugin says that a resource [has changed](Call::resource_updated),
//!   and withdraws or [offers](Call::offer) what it lists. Those hear of it who
//!   subscribed, or see the list.
//! - **Files and databases** that the operator grants an agent by name are read
//!   with [`Call::files`] and [`Call::databases`]. The tool declares
//!   [`Capability::FsRead`] or [`Capability::DbRead`]; an agent that is granted none
//!   of them does not see it. Pass refusals on with `?`: the agent gets every reason.
//! - **Other servers.** [`Call::http`] makes a request, for a tool that
//!   [needs](Tool::needs) `network:outbound`, as far as the operator's rules let the
//!   calling agent go. Pass a refusal on with `?`: the agent learns which rule is
//!   missing. Credentials are [secrets by name](HttpRequest::secret), which the host
//!   attaches; say with [`Plugin::reaches`] which hosts the plugin is for.
//! - **State.** Keep none that you need between calls: the server may run several
//!   instances of a plugin, and replaces them when it likes.
//! - **The start.** Before a server takes a plugin in, it makes it once in a process
//!   that it ends at once, with the same configuration and an empty environment. So
//!   do nothing in the definition, or while the configuration is read, that must
//!   happen once only.
//! - **Panics** are caught, reported to the caller as an error and logged. They
//!   must unwind, so leave `panic = "abort"` out of the profile.
//! - **Unsafe.** There is none to write. [`export!`] expands to an exported
//!   symbol, so use `#![deny(unsafe_code)]` and not `forbid`. The symbol is the
//!   same in every plugin, so a program can link the `rlib` of one of them only.

//!
//! # Asking
//!
//! A handler can ask the client of its call: the person with a [`Form`], the model
//! with [`Sampling`], and for the folders that it works in with [`ClientRoots`].
//!
//! ```
//! use plugin_api::prelude::*;
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Confirmation {
//!     /// Delete the page for good?
//!     delete: bool,
//! }
//!
//! fn delete(call: &Call, (): ()) -> Result<String, CallError> {
//!     let form = Form::<Confirmation>::new("The page has 12 links to it.");
//!     match call.ask("confirm", &form)? {
//!         Elicited::Accept { content } if content.delete => Ok("It is deleted.".to_owned()),
//!         _ => Ok("It is still there.".to_owned()),
//!     }
//! }
//! ```
//!
//! Where a client has a session, [`Call::ask`] waits for the answer. Where it has
//! none, the question goes out as the answer of the request; the client makes the
//! same request again with what it knows by then, and **the handler runs again from
//! its beginning**, past the questions that are answered. The error by which the
//! first run ends there looks like any other, so pass it on with `?`. To be right
//! both ways, a handler that asks
//!
//! - does nothing before its last question that must not be done twice;
//! - gives each question a key of its own, and asks the same ones again for the
//!   same arguments; [`Call::ask_all`] saves rounds;
//! - is not [`inline`](Tool::inline).
//!
//! The server seals what the client carries from one round to the next: nobody can
//! change it, nor use it for another agent, other arguments, or after a quarter of
//! an hour. Answers are checked against the form's schema, and still come from
//! outside like any other input. Ask [`Call::client`] first where the tool can do
//! without; a client that cannot be asked is told what it lacks.

#[cfg(panic = "abort")]
compile_error!(
    "a plugin must unwind, so that a panic fails one call and not the server: \
     remove `panic = \"abort\"` from the profile in Cargo.toml"
);

mod ask;
mod call;
mod completion;
mod database;
mod definition;
mod error;
#[doc(hidden)]
pub mod export;
mod files;
mod guard;
mod http;
mod input;
mod instance;
mod looks;
mod plugin;
mod prompt;
mod resource;
pub mod testing;
mod tool;

pub use ask::{Answered, Ask, ClientRoots, Form};
pub use call::{Call, HostError};
pub use completion::{Completing, IntoCompletion};
pub use database::Databases;
pub use definition::InvalidPlugin;
pub use error::CallError;
pub use files::Files;
pub use http::{HttpRequest, HttpResponse};
pub use input::Input;
pub use plugin::Plugin;
pub use prompt::{IntoPromptResult, Prompt};
pub use resource::{IntoResourceContents, Resource, ResourceTemplate};
pub use tool::{IntoToolResult, Json, Output, Tool};

pub use plugin_contract::{
    Capability, Manifest,
    op::{
        AgentAbout, Annotations, BudgetAbout, ClientAbout, ClientLogLevel, Completion, Content, Database,
        DeniedTool, Elicitation, Elicited, ErrorCode, FileEncoding, FileEntry, FileKind, FileList, FileMatch,
        FileMatches, FilePart, FileRoot, FiltersAbout, HttpBody, HttpMethod, LimitsAbout, ListFiles,
        ListTables, LlmAbout, LlmAnswer, LlmQuery, LlmUsage, LogLevel, LogLine, LongContextAbout, Meta,
        ModelAbout, Offered, OpError, PluginAbout, PriceAbout, PromptMessage, PromptResult, Query, QueryEnd,
        Question, ReadFile, ResourceContent, ResourceContents, ResourceLink, Role, Root, Roots, Rows,
        Sampled, Sampling, SearchEnd, SearchFiles, ServerAbout, Skipped, Table, TableColumn, Tables,
        ToolAbout, ToolLimitsAbout, ToolResult,
    },
};

/// What nearly every plugin uses.
pub mod prelude {
    pub use crate::{
        Call, CallError, Capability, ClientLogLevel, Content, Elicited, Form, Json, LogLevel, Plugin, Prompt,
        PromptMessage, PromptResult, Resource, ResourceContent, ResourceTemplate, Tool, ToolResult,
    };
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};
}

//! Call a plugin without a server.
//!
//! ```
//! use plugin_api::{prelude::*, testing::Harness};
//!
//! fn plugin() -> Plugin {
//!     Plugin::new("whoami", "1.0.0").tool(Tool::new(
//!         "whoami.name",
//!         "Tells you your name.",
//!         |call: &Call, (): ()| -> Result<String, CallError> { Ok(call.agent()?.agent) },
//!     ))
//! }
//!
//! let agent = plugin_api::testing::agent();
//! let result = Harness::new(plugin())
//!     .agent(agent)
//!     .call_tool("whoami.name", serde_json::json!({}));
//! assert_eq!(result.unwrap().content, [Content::text("tester")]);
//! ```
//!
//! A plugin that asks finds the answers that a test gives, as in a session:
//!
//! ```
//! use plugin_api::{ClientAbout, prelude::*, testing::Harness};
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Name {
//!     name: String,
//! }
//!
//! fn plugin() -> Plugin {
//!     Plugin::new("hello", "1.0.0").tool(Tool::new(
//!         "hello.you",
//!         "Greets the person.",
//!         |call: &Call, (): ()| -> Result<String, CallError> {
//!             match call.ask("name", &Form::<Name>::new("What is your name?"))? {
//!                 Elicited::Accept { content } => Ok(format!("Hello, {}!", content.name)),
//!                 Elicited::Decline | Elicited::Cancel => Ok("Hello, whoever you are!".to_owned()),
//!             }
//!         },
//!     ))
//! }
//!
//! let harness = Harness::new(plugin())
//!     .client(ClientAbout { elicitation: true, ..ClientAbout::default() })
//!     .answer("name", serde_json::json!({"action": "accept", "content": {"name": "Ada"}}));
//! let result = harness.call_tool("hello.you", serde_json::json!({}));
//! assert_eq!(result.unwrap().content, [Content::text("Hello, Ada!")]);
//! ```
//!
//! What it asks of the world is answered in one of two ways. `http`, `llm` and
//! `database` take a function that answers whatever comes; `expect_http` and
//! `expect_llm` say what must come, in this order and nothing else, or the test fails
//! when its harness is dropped. Files are simply put there:
//!
//! ```
//! use std::time::Duration;
//!
//! use plugin_api::{
//!     HttpBody, HttpRequest, HttpResponse, ListFiles, ReadFile, prelude::*, testing::Harness,
//! };
//!
//! /// Posts every page of the handbook, as far as time allows.
//! fn publish(call: &Call, (): ()) -> Result<String, CallError> {
//!     let folder = ListFiles { root: "handbook".to_owned(), ..ListFiles::default() };
//!     let mut posted = 0;
//!     for page in call.files().list(&folder)?.entries {
//!         if call.is_cancelled() || call.remaining()? < Duration::from_secs(1) {
//!             break;
//!         }
//!         let page = ReadFile { root: folder.root.clone(), path: page.name, ..ReadFile::default() };
//!         let text = call.files().read(&page)?.content;
//!         call.http(&HttpRequest::post("https://wiki.example.com/pages").text(text))?;
//!         posted += 1;
//!         call.progress(f64::from(posted), None, "");
//!     }
//!     Ok(format!("posted {posted}"))
//! }
//!
//! fn plugin() -> Plugin {
//!     let tool = Tool::new("wiki.publish", "Publishes the handbook.", publish)
//!         .needs(Capability::FsRead)
//!         .needs(Capability::NetworkOutbound);
//!     Plugin::new("wiki", "1.0.0").tool(tool)
//! }
//!
//! let post = |text: &str| HttpRequest::post("https://wiki.example.com/pages").text(text);
//! let created = HttpResponse::new(201, "https://wiki.example.com/pages");
//! let harness = Harness::new(plugin())
//!     .file("handbook", "1-welcome.md", "Welcome!")
//!     .file("handbook", "2-leave.md", "Goodbye.")
//!     .expect_http(post("Welcome!"), Ok(created.clone()))
//!     .expect_http(post("Goodbye."), Ok(created));
//! let result = harness.call_tool("wiki.publish", serde_json::json!({}));
//! assert_eq!(result.unwrap().content, [Content::text("posted 2")]);
//! assert_eq!(harness.said().len(), 2);
//!
//! // Somebody hangs up before the second look.
//! let harness = Harness::new(plugin())
//!     .file("handbook", "1-welcome.md", "Welcome!")
//!     .file("handbook", "2-leave.md", "Goodbye.")
//!     .expect_http(post("Welcome!"), Ok(HttpResponse::new(201, "https://wiki.example.com/pages")))
//!     .cancelled_after(1);
//! let result = harness.call_tool("wiki.publish", serde_json::json!({}));
//! assert_eq!(result.unwrap().content, [Content::text("posted 1")]);
//! ```
//!
//! Requests take the way that they take in a server, as bytes. One thing is
//! missing: the server checks a tool's arguments against its schema first, and
//! that required arguments of a prompt are there. Here only serde does, so that a
//! plugin's tests need no JSON Schema validator.

use std::{sync::Arc, thread, time::Duration};

use plugin_contract::{
    Manifest,
    op::{
        AgentAbout, ClientAbout, ClientLog, Completion, LogLine, Offer, OpError, Progress, PromptResult,
        Query, ResourceContents, Rows, ServerAbout, ToolResult, plugin as op,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    HttpRequest, HttpResponse, LlmAnswer, LlmQuery, Plugin, definition::Definition, instance::Instance,
};

mod files;
mod made_up;
mod script;

pub use made_up::{agent, server};

use script::ScriptedHost;

/// A plugin with a scripted host.
pub struct Harness {
    instance: Instance,
    manifest: Manifest,
    host: Arc<ScriptedHost>,
}

/// What a plugin told somebody else than the server's log.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Said {
    /// The client, how far it is.
    Progress(Progress),
    /// The client's log.
    Log(ClientLog),
    /// Those who subscribed, that a resource has changed.
    Updated(String),
    /// Everyone, that something is to be had, or is not.
    Offer(Offer),
}

impl Harness {
    /// A plugin whose operator configures nothing.
    ///
    /// # Panics
    /// With everything that is wrong with the plugin's definition.
    pub fn new(plugin: Plugin) -> Self {
        Self::with_config(plugin, &Value::Null).unwrap_or_else(|error| fail(&error))
    }

    /// A plugin with an operator's configuration, or what the operator is told.
    pub fn with_config(plugin: Plugin, config: &Value) -> Result<Self, String> {
        let definition = Definition::new(plugin).map_err(|error| error.to_string())?;
        let manifest = definition.manifest.clone();
        let host = Arc::new(ScriptedHost::default());
        let instance = Instance::new(definition, host.clone(), &config.to_string())?;
        Ok(Self { instance, manifest, host })
    }

    /// What [`Call::server`](crate::Call::server) answers.
    #[must_use]
    pub fn server(self, server: ServerAbout) -> Self {
        self.host.with(|script| script.server = Some(server));
        self
    }

    /// What [`Call::agent`](crate::Call::agent) answers.
    #[must_use]
    pub fn agent(self, agent: AgentAbout) -> Self {
        self.host.with(|script| script.agent = Some(agent));
        self
    }

    /// What [`Call::client`](crate::Call::client) answers; by default a client that
    /// can be asked nothing.
    #[must_use]
    pub fn client(self, client: ClientAbout) -> Self {
        self.host.with(|script| script.client = client);
        self
    }

    /// What the client answers to the question of that key, in MCP's own shape.
    #[must_use]
    pub fn answer(self, key: &str, answer: Value) -> Self {
        self.host.with(|script| script.answers.insert(key.to_owned(), answer));
        self
    }

    /// What the host answers to an operation of [`plugin_contract::op::host`] that
    /// reaches the world, such as `files/read`, in the operation's own shape; or how
    /// it refuses.
    #[must_use]
    pub fn serve(self, op: &str, answer: Result<Value, OpError>) -> Self {
        self.host.with(|script| script.served.insert(op.to_owned(), answer));
        self
    }

    /// What the plugin has asked such operations for so far.
    #[must_use]
    pub fn asked(&self) -> Vec<(String, Value)> {
        self.host.with(|script| script.asked.clone())
    }

    /// Puts a file below a root, which the agent is granted then. Files are listed, read
    /// and searched as in a server, but for regular expressions.
    #[must_use]
    pub fn file(self, root: &str, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.host.with(|script| script.files.put(root, path, content.into()));
        self
    }

    /// Grants the agent a database, which speaks SQLite's SQL, and what
    /// [`Databases::query`](crate::Databases::query) answers of it.
    #[must_use]
    pub fn database(
        self,
        name: &str,
        answer: impl Fn(&Query) -> Result<Rows, OpError> + Send + Sync + 'static,
    ) -> Self {
        self.host.with(|script| script.databases.insert(name.to_owned(), Box::new(answer)));
        self
    }

    /// A request that the plugin must make with [`Call::http`](crate::Call::http), after
    /// those that were expected before it, and its answer. The harness panics when it
    /// is dropped if it was not made, or another one was.
    #[must_use]
    pub fn expect_http(self, request: HttpRequest, answer: Result<HttpResponse, OpError>) -> Self {
        self.host.with(|script| script.http.expect(request, answer));
        self
    }

    /// A question that the plugin must ask with [`Call::llm`](crate::Call::llm), in the
    /// same way.
    #[must_use]
    pub fn expect_llm(self, query: LlmQuery, answer: Result<LlmAnswer, OpError>) -> Self {
        self.host.with(|script| script.llm.expect(query, answer));
        self
    }

    /// What [`Call::http`](crate::Call::http) answers.
    #[must_use]
    pub fn http(
        self,
        server: impl Fn(&HttpRequest) -> Result<HttpResponse, OpError> + Send + Sync + 'static,
    ) -> Self {
        self.host.with(|script| script.http.answer_with(server));
        self
    }

    /// What [`Call::llm`](crate::Call::llm) answers.
    #[must_use]
    pub fn llm(
        self,
        models: impl Fn(&LlmQuery) -> Result<LlmAnswer, OpError> + Send + Sync + 'static,
    ) -> Self {
        self.host.with(|script| script.llm.answer_with(models));
        self
    }

    /// Calls from now on are cancelled when they begin.
    #[must_use]
    pub fn cancelled(self) -> Self {
        self.cancelled_after(0)
    }

    /// Calls are cancelled once a plugin has looked so often whether they are.
    #[must_use]
    pub fn cancelled_after(self, looks: u32) -> Self {
        self.host.with(|script| script.cancelled_after = Some(looks));
        self
    }

    /// What [`Call::remaining`](crate::Call::remaining) answers; 30 s by default.
    #[must_use]
    pub fn remaining(self, time: Duration) -> Self {
        self.host.with(|script| script.remaining = time);
        self
    }

    /// The plugin's manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Calls a tool.
    pub fn call_tool(&self, name: &str, arguments: Value) -> Result<ToolResult, OpError> {
        self.ask(op::CALL_TOOL, &json!({"name": name, "arguments": arguments}))
    }

    /// Reads a resource.
    pub fn read_resource(&self, uri: &str) -> Result<ResourceContents, OpError> {
        self.ask(op::READ_RESOURCE, &json!({"uri": uri}))
    }

    /// Fills in a prompt.
    pub fn get_prompt(&self, name: &str, arguments: Value) -> Result<PromptResult, OpError> {
        self.ask(op::GET_PROMPT, &json!({"name": name, "arguments": arguments}))
    }

    /// Completes an argument of a prompt.
    pub fn complete_prompt(&self, name: &str, argument: &str, value: &str) -> Result<Completion, OpError> {
        self.ask(op::COMPLETE, &json!({"of": {"prompt": name}, "argument": argument, "value": value}))
    }

    /// Completes a variable of a resource template.
    pub fn complete_template(
        &self,
        uri_template: &str,
        variable: &str,
        value: &str,
    ) -> Result<Completion, OpError> {
        let of = json!({"template": uri_template});
        self.ask(op::COMPLETE, &json!({"of": of, "argument": variable, "value": value}))
    }

    /// What the plugin has told clients so far.
    #[must_use]
    pub fn said(&self) -> Vec<Said> {
        self.host.with(|script| script.said.clone())
    }

    /// What the plugin has logged so far.
    #[must_use]
    pub fn log(&self) -> Vec<LogLine> {
        self.host.with(|script| script.log.clone())
    }

    fn ask<O: DeserializeOwned>(&self, op: &str, input: &Value) -> Result<O, OpError> {
        let answer = self.instance.invoke(op, b"test", input.to_string().as_bytes());
        match answer {
            Ok(answer) => Ok(read(&answer)),
            Err(error) => Err(read(&error)),
        }
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        let complaints = self.host.with(|script| script.complaints());
        // A test that fails already says why itself.
        if !complaints.is_empty() && !thread::panicking() {
            fail(&complaints.join("\n"));
        }
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> T {
    serde_json::from_slice(bytes).unwrap_or_else(|error| fail(&error.to_string()))
}

fn write<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|error| fail(&error.to_string()))
}

#[expect(clippy::panic, reason = "a test fails by panicking")]
fn fail(message: &str) -> ! {
    panic!("{message}")
}

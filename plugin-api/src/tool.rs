//! Tools.

use std::collections::BTreeSet;

use plugin_contract::{
    Capability,
    manifest::ToolAnnotations,
    op::{Content, ToolResult},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    Call, CallError, Input, input,
    looks::{Looks, looks},
};

/// A tool that models can call.
pub struct Tool {
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    pub(crate) description: String,
    pub(crate) input_schema: Option<Map<String, Value>>,
    pub(crate) output: Output,
    pub(crate) capabilities: BTreeSet<Capability>,
    pub(crate) inline: bool,
    pub(crate) annotations: ToolAnnotations,
    pub(crate) looks: Looks,
    pub(crate) run: Run,
}

pub(crate) type Run = Box<dyn Fn(&Call, Map<String, Value>) -> Result<ToolResult, CallError> + Send + Sync>;

/// What a tool's handler may answer.
pub trait IntoToolResult {
    /// The result that the client gets.
    fn into_tool_result(self) -> Result<ToolResult, CallError>;

    /// What kind of result that is.
    #[must_use]
    fn output() -> Output {
        Output::Content
    }
}

/// What kind of result a tool has.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Content only.
    Content,
    /// Structured, and the same as text. `None` if it is no struct.
    Structured(Option<Map<String, Value>>),
}

/// A structured result: a struct with named fields, whose schema the tool
/// publishes and the server checks. Clients that show only content get the same
/// as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Json<T>(pub T);

looks!(Tool);

impl Tool {
    /// A tool that `handler` answers. The description is for the model: what the
    /// tool does, and when to use it.
    pub fn new<I: Input, R: IntoToolResult>(
        name: impl Into<String>,
        description: impl Into<String>,
        handler: impl Fn(&Call, I) -> R + Send + Sync + 'static,
    ) -> Self {
        let read = input::reader::<I>();
        Self {
            name: name.into(),
            title: None,
            description: description.into(),
            input_schema: input::schema::<I>(),
            output: R::output(),
            capabilities: BTreeSet::new(),
            inline: false,
            annotations: ToolAnnotations::default(),
            looks: Looks::default(),
            run: Box::new(move |call, arguments| handler(call, read(arguments)?).into_tool_result()),
        }
    }

    /// A tool with an input schema of one's own, an object in JSON Schema 2020-12.
    /// The server validates against it before the handler gets the arguments.
    pub fn with_schema<R: IntoToolResult>(
        name: impl Into<String>,
        description: impl Into<String>,
        input_schema: Value,
        handler: impl Fn(&Call, Map<String, Value>) -> R + Send + Sync + 'static,
    ) -> Self {
        let tool = Self::new(name, description, move |_, (): ()| -> Result<R, CallError> {
            Err(CallError::failed("its handler takes arguments"))
        });
        let input_schema = match input_schema {
            Value::Object(schema) => Some(schema),
            _ => None,
        };
        let run: Run = Box::new(move |call, arguments| handler(call, arguments).into_tool_result());
        Self { input_schema, run, ..tool }
    }

    /// A name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Asks for a service of the host. An operator has to grant it, and the key
    /// that signs the plugin must be allowed it.
    #[must_use]
    pub fn needs(mut self, capability: Capability) -> Self {
        self.capabilities.insert(capability);
        self
    }

    /// Promises that the handler never waits for anything and is done in well
    /// under a millisecond. The host then saves a thread hop; a handler that
    /// blocks all the same holds up other agents' calls.
    #[must_use]
    pub fn inline(mut self) -> Self {
        self.inline = true;
        self
    }

    /// Tells clients whether the tool leaves everything as it is.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.annotations.read_only = Some(read_only);
        self
    }

    /// Tells clients whether the tool may destroy what is there. They assume so
    /// of a tool that is not read-only.
    #[must_use]
    pub fn destructive(mut self, destructive: bool) -> Self {
        self.annotations.destructive = Some(destructive);
        self
    }

    /// Tells clients whether a second identical call changes nothing more.
    #[must_use]
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.annotations.idempotent = Some(idempotent);
        self
    }

    /// Tells clients whether the tool deals with things outside the server.
    #[must_use]
    pub fn open_world(mut self, open_world: bool) -> Self {
        self.annotations.open_world = Some(open_world);
        self
    }
}

impl IntoToolResult for ToolResult {
    fn into_tool_result(self) -> Result<ToolResult, CallError> {
        Ok(self)
    }
}

impl IntoToolResult for Vec<Content> {
    fn into_tool_result(self) -> Result<ToolResult, CallError> {
        Ok(ToolResult::new(self))
    }
}

impl IntoToolResult for Content {
    fn into_tool_result(self) -> Result<ToolResult, CallError> {
        vec![self].into_tool_result()
    }
}

impl IntoToolResult for String {
    fn into_tool_result(self) -> Result<ToolResult, CallError> {
        Content::text(self).into_tool_result()
    }
}

impl IntoToolResult for &str {
    fn into_tool_result(self) -> Result<ToolResult, CallError> {
        Content::text(self).into_tool_result()
    }
}

impl<T: Serialize + JsonSchema> IntoToolResult for Json<T> {
    fn into_tool_result(self) -> Result<ToolResult, CallError> {
        let value = serde_json::to_value(self.0)?;
        let content = vec![Content::text(value.to_string())];
        Ok(ToolResult { structured: Some(value), ..ToolResult::new(content) })
    }

    fn output() -> Output {
        Output::Structured(input::output_schema::<T>())
    }
}

impl<T: IntoToolResult> IntoToolResult for Result<T, CallError> {
    fn into_tool_result(self) -> Result<ToolResult, CallError> {
        self?.into_tool_result()
    }

    fn output() -> Output {
        T::output()
    }
}

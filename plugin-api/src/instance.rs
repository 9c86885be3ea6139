//! A plugin at work: bytes in, bytes out. The ABI and the test harness both call
//! this, so that a test sees what a server would.

use std::sync::Arc;

use plugin_contract::op::{
    CallTool, Complete, Completes, Completion, ErrorCode, GetPrompt, OpError, PromptResult, ReadResource,
    ResourceContents, ToolResult, plugin as op,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    Call, CallError, Completing,
    call::{Config, Services},
    definition::Definition,
    guard,
};

pub(crate) struct Instance {
    definition: Definition,
    config: Option<Config>,
    host: Arc<dyn Services>,
}

impl Instance {
    /// Makes a plugin, given the operator's configuration as JSON. The error is a
    /// sentence for the operator.
    pub(crate) fn new(definition: Definition, host: Arc<dyn Services>, config: &str) -> Result<Self, String> {
        let config = read_config(&definition, config)?;
        Ok(Self { definition, config, host })
    }

    /// Runs the operation `op` on behalf of the call that `token` names.
    pub(crate) fn invoke(&self, op: &str, token: &[u8], input: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
        guard::during(token, || {
            let call = Call::new(Arc::clone(&self.host), token, self.config.clone());
            match op {
                op::CALL_TOOL => answer(input, |request| self.call_tool(&call, request)),
                op::READ_RESOURCE => answer(input, |request| self.read_resource(&call, request)),
                op::GET_PROMPT => answer(input, |request| self.get_prompt(&call, request)),
                op::COMPLETE => answer(input, |request| self.complete(&call, &request)),
                _ => Err(OpError::new(
                    ErrorCode::Unsupported,
                    format!("plugin `{}` does not know the operation `{op}`", self.definition.manifest.name),
                )),
            }
        })
        .map_err(|error| encode(&error).unwrap_or_default())
    }

    fn call_tool(&self, call: &Call, request: CallTool) -> Result<ToolResult, OpError> {
        let name = request.name.as_str();
        match self.definition.tools.get(name) {
            Some(run) => guarded(("tool", name), || run(call, request.arguments)),
            None => Err(self.not_found("tool", name)),
        }
    }

    fn read_resource(&self, call: &Call, request: ReadResource) -> Result<ResourceContents, OpError> {
        let uri = request.uri.as_str();
        if let Some(run) = self.definition.resources.get(uri) {
            return guarded(("resource", uri), || run(call, uri));
        }
        let mut templates = self.definition.templates.iter();
        let member = templates.find_map(|(template, run)| Some((template.values(uri)?, run)));
        match member {
            Some((values, run)) => guarded(("resource", uri), || run(call, uri, &values)),
            None => Err(self.not_found("resource", uri)),
        }
    }

    fn get_prompt(&self, call: &Call, request: GetPrompt) -> Result<PromptResult, OpError> {
        let name = request.name.as_str();
        match self.definition.prompts.get(name) {
            Some(run) => guarded(("prompt", name), || run(call, request.arguments)),
            None => Err(self.not_found("prompt", name)),
        }
    }

    /// What nobody completes has no completions; that is no error.
    fn complete(&self, call: &Call, request: &Complete) -> Result<Completion, OpError> {
        let (kind, name) = match &request.of {
            Completes::Prompt(name) => ("prompt", name.as_str()),
            Completes::Template(template) => ("resource template", template.as_str()),
        };
        match self.definition.completers.get(&(name.to_owned(), request.argument.clone())) {
            Some(complete) => guarded((kind, name), || {
                complete(call, Completing { value: &request.value, decided: &request.decided })
            }),
            None => Ok(Completion::default()),
        }
    }

    fn not_found(&self, kind: &str, name: &str) -> OpError {
        let plugin = &self.definition.manifest.name;
        OpError::new(ErrorCode::NotFound, format!("plugin `{plugin}` has no {kind} `{name}`"))
    }
}

fn read_config(definition: &Definition, config: &str) -> Result<Option<Config>, String> {
    let plugin = &definition.manifest.name;
    let unusable = |error| format!("the configuration of plugin `{plugin}` cannot be used: {error}");
    let value = match config.trim() {
        "" | "null" => Value::Object(Map::new()),
        config => serde_json::from_str(config).map_err(unusable)?,
    };
    match &definition.config {
        Some(config) => (config.parse)(value).map(Some).map_err(unusable),
        None if value == Value::Object(Map::new()) => Ok(None),
        None => Err(format!("plugin `{plugin}` takes no configuration: remove it")),
    }
}

/// Runs a handler, which may panic.
fn guarded<T>(
    (kind, name): (&str, &str),
    handler: impl FnOnce() -> Result<T, CallError>,
) -> Result<T, OpError> {
    match guard::catch(handler) {
        Ok(result) => result.map_err(OpError::from),
        Err(message) => {
            Err(OpError::new(ErrorCode::Panicked, format!("{kind} `{name}` panicked: {message}")))
        }
    }
}

fn answer<I: DeserializeOwned, O: Serialize>(
    input: &[u8],
    handler: impl FnOnce(I) -> Result<O, OpError>,
) -> Result<Vec<u8>, OpError> {
    let input = serde_json::from_slice(input).map_err(|error| {
        OpError::new(ErrorCode::InvalidInput, format!("the request is not understood: {error}"))
    })?;
    encode(&handler(input)?)
}

fn encode<T: Serialize>(answer: &T) -> Result<Vec<u8>, OpError> {
    serde_json::to_vec(answer)
        .map_err(|error| OpError::new(ErrorCode::Failed, format!("the answer cannot be written: {error}")))
}

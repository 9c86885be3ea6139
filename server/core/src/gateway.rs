//! The one path of every call, from a principal's wish to a recorded answer.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use plugin_contract::op::{
    self, CallTool, ErrorCode, GetPrompt, OpError, PromptResult, ReadResource, ResourceContents, ToolResult,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    invocation::Invocation,
    limits::{
        Limits, Rate,
        counters::{Counters, Slot},
    },
    policy::{self, Permit, Reason, Thing},
    principal::Principal,
    registry::{InvokeError, Prompt, Resource, ResourceTemplate, Tool},
    settings::Disclosure,
    snapshot::{Live, Snapshot},
};

mod record;

use record::Recorder;
pub use record::{CallLog, CallRecord, Outcome};

/// Bounds what the five limits do not count: lists, resources, prompts.
const OTHER_CONCURRENCY: u32 = 64;

/// Answers principals out of the current snapshot.
pub struct Gateway {
    live: Arc<Live>,
    calls: Counters,
    others: Counters,
    log: Arc<dyn CallLog>,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer<T> {
    /// It was done.
    Done(T),
    /// It was refused.
    Refused(Denial),
    /// There is no such thing, or none that this principal may know of.
    Unknown,
    /// It was tried and did not work; the sentence is for the caller.
    Failed(String),
}

/// A refusal, with the configuration it was decided under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Which snapshot.
    pub generation: crate::id::Generation,
    /// Every reason; at least one.
    pub reasons: Vec<Reason>,
}

impl Gateway {
    /// A gateway onto the snapshots that `live` will hold.
    #[must_use]
    pub fn new(live: Arc<Live>, log: Arc<dyn CallLog>) -> Self {
        Self { live, calls: Counters::new(), others: Counters::new(), log }
    }

    /// The snapshots it answers from.
    #[must_use]
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// The tools that `principal` may call.
    pub fn tools(&self, principal: &Principal) -> Answer<Vec<Arc<Tool>>> {
        self.list(principal, |snapshot| {
            let allowed = |tool: &&Arc<Tool>| policy::tool(snapshot, principal, tool).is_ok();
            snapshot.registry.tools().filter(allowed).cloned().collect()
        })
    }

    /// The resources that `principal` may read.
    pub fn resources(&self, principal: &Principal) -> Answer<Vec<Arc<Resource>>> {
        self.list(principal, |snapshot| {
            let allowed = |resource: &&Arc<Resource>| {
                policy::resource(snapshot, principal, resource.spec.uri.as_str(), &resource.plugin).is_ok()
            };
            snapshot.registry.resources().filter(allowed).cloned().collect()
        })
    }

    /// The templates of which `principal` may read some member.
    pub fn templates(&self, principal: &Principal) -> Answer<Vec<Arc<ResourceTemplate>>> {
        self.list(principal, |snapshot| {
            let allowed = |template: &&Arc<ResourceTemplate>| policy::template(snapshot, principal, template);
            snapshot.registry.templates().filter(allowed).cloned().collect()
        })
    }

    /// The prompts that `principal` may get.
    pub fn prompts(&self, principal: &Principal) -> Answer<Vec<Arc<Prompt>>> {
        self.list(principal, |snapshot| {
            let allowed = |prompt: &&Arc<Prompt>| policy::prompt(snapshot, principal, prompt).is_ok();
            snapshot.registry.prompts().filter(allowed).cloned().collect()
        })
    }

    /// Calls a tool.
    pub async fn call_tool(
        &self,
        principal: &Principal,
        name: &str,
        arguments: Map<String, Value>,
    ) -> Answer<ToolResult> {
        let mut call = self.begin(principal, Thing::Tool, name);
        let Some(tool) = call.snapshot.registry.tool(name).cloned() else { return call.unknown() };
        let permit = match policy::tool(&call.snapshot, principal, &tool) {
            Ok(permit) => permit,
            Err(reasons) => return call.denied(reasons),
        };
        let Some(limits) = call.limits() else { return call.unknown() };
        let request = CallTool { name: tool.spec.name.clone(), arguments };
        let payload = encoded_length(&request.arguments);
        call.recorder.asked(payload);
        let slot = match self.admit(principal, &limits, payload) {
            Ok(slot) => slot,
            Err(reasons) => return call.refused(reasons),
        };
        let CallTool { name: tool_name, arguments } = request;
        let arguments = Value::Object(arguments);
        let complaints = tool.arguments.complaints(&arguments);
        if !complaints.is_empty() {
            let name = tool_name.to_string();
            let reason = |complaint| Reason::InvalidArguments { complaint, name: name.clone() };
            return call.refused(complaints.into_iter().map(reason).collect());
        }
        let Value::Object(arguments) = arguments else { return call.unknown() };
        let input = serde_json::to_vec(&CallTool { name: tool_name, arguments });
        call.run(permit, op::plugin::CALL_TOOL, input, slot, &limits, tool.spec.inline).await
    }

    /// Reads a resource.
    pub async fn read_resource(&self, principal: &Principal, uri: &str) -> Answer<ResourceContents> {
        let call = self.begin(principal, Thing::Resource, uri);
        let Some(plugin) = call.snapshot.registry.resource_plugin(uri).cloned() else {
            return call.unknown();
        };
        let permit = match policy::resource(&call.snapshot, principal, uri, &plugin) {
            Ok(permit) => permit,
            Err(reasons) => return call.denied(reasons),
        };
        let Some(limits) = call.limits() else { return call.unknown() };
        let slot = match self.guard(principal) {
            Ok(slot) => slot,
            Err(reasons) => return call.refused(reasons),
        };
        let input = serde_json::to_vec(&ReadResource { uri: uri.to_owned() });
        call.run(permit, op::plugin::READ_RESOURCE, input, slot, &limits, false).await
    }

    /// Gets a prompt.
    pub async fn get_prompt(
        &self,
        principal: &Principal,
        name: &str,
        arguments: BTreeMap<String, String>,
    ) -> Answer<PromptResult> {
        let mut call = self.begin(principal, Thing::Prompt, name);
        call.recorder.asked(encoded_length(&arguments));
        let Some(prompt) = call.snapshot.registry.prompt(name).cloned() else { return call.unknown() };
        let permit = match policy::prompt(&call.snapshot, principal, &prompt) {
            Ok(permit) => permit,
            Err(reasons) => return call.denied(reasons),
        };
        let Some(limits) = call.limits() else { return call.unknown() };
        let slot = match self.guard(principal) {
            Ok(slot) => slot,
            Err(reasons) => return call.refused(reasons),
        };
        let complaints = prompt_complaints(&prompt, &arguments);
        if !complaints.is_empty() {
            let reason = |complaint| Reason::InvalidArguments { complaint, name: name.to_owned() };
            return call.refused(complaints.into_iter().map(reason).collect());
        }
        let input = serde_json::to_vec(&GetPrompt { name: prompt.spec.name.clone(), arguments });
        call.run(permit, op::plugin::GET_PROMPT, input, slot, &limits, false).await
    }

    fn begin(&self, principal: &Principal, thing: Thing, name: &str) -> Call {
        let snapshot = self.live.load();
        let recorder = Recorder::new(self.log.clone(), principal, snapshot.generation, thing, name);
        Call { snapshot, principal: principal.clone(), recorder }
    }

    fn list<T>(&self, principal: &Principal, items: impl FnOnce(&Arc<Snapshot>) -> Vec<T>) -> Answer<Vec<T>> {
        let snapshot = self.live.load();
        match self.guard(principal) {
            Ok(_slot) => Answer::Done(items(&snapshot)),
            Err(reasons) => Answer::Refused(Denial { generation: snapshot.generation, reasons }),
        }
    }

    /// The size is checked beside rate and concurrency, so that all three are
    /// reported together and a call refused by one spends none.
    fn admit(&self, principal: &Principal, limits: &Limits, payload: u64) -> Result<Slot, Vec<Reason>> {
        let limit = limits.max_payload_bytes;
        let agent = || principal.agent.clone();
        let too_large =
            (payload > limit).then(|| Reason::PayloadTooLarge { agent: agent(), bytes: payload, limit });
        self.calls.admit_unless(too_large, &principal.agent, limits.concurrency, limits.rate, Instant::now())
    }

    fn guard(&self, principal: &Principal) -> Result<Slot, Vec<Reason>> {
        self.others.admit_unless(
            None,
            &principal.agent,
            OTHER_CONCURRENCY,
            Rate::OTHER_REQUESTS,
            Instant::now(),
        )
    }
}

/// A request under way, with the snapshot it began under.
struct Call {
    snapshot: Arc<Snapshot>,
    principal: Principal,
    recorder: Recorder,
}

impl Call {
    fn limits(&self) -> Option<Limits> {
        self.snapshot.standing(&self.principal).map(|(agent, _)| agent.limits)
    }

    fn unknown<T>(mut self) -> Answer<T> {
        self.recorder.finish(Outcome::Unknown);
        Answer::Unknown
    }

    /// The engine said no, whatever the arguments: an opaque tenant's agents are
    /// not told that the thing exists.
    fn denied<T>(mut self, reasons: Vec<Reason>) -> Answer<T> {
        let opaque = self
            .snapshot
            .settings
            .tenants
            .get(&self.principal.tenant)
            .is_some_and(|tenant| tenant.disclosure == Disclosure::Opaque);
        if opaque {
            self.recorder.deny(&reasons);
            return Answer::Unknown;
        }
        self.refused(reasons)
    }

    fn refused<T>(mut self, reasons: Vec<Reason>) -> Answer<T> {
        self.recorder.deny(&reasons);
        Answer::Refused(Denial { generation: self.snapshot.generation, reasons })
    }

    fn failed<T>(mut self, message: String) -> Answer<T> {
        self.recorder.finish(Outcome::Failed);
        Answer::Failed(message)
    }

    async fn run<T: DeserializeOwned + Reply>(
        mut self,
        permit: Permit,
        op: &'static str,
        input: serde_json::Result<Vec<u8>>,
        slot: Slot,
        limits: &Limits,
        inline: bool,
    ) -> Answer<T> {
        let plugin = permit.plugin().clone();
        let name = plugin.manifest.name.clone();
        let Ok(input) = input else { return self.failed("the request could not be encoded".to_owned()) };
        self.recorder.allow();
        let timeout = Duration::from_secs(limits.timeout_seconds);
        let invocation = Invocation { permit: Arc::new(permit), op, input, timeout, inline, slot };
        let bytes = match plugin.instance.invoke(invocation).await {
            Ok(bytes) => bytes,
            Err(InvokeError::TimedOut { seconds }) => {
                let reason = Reason::TimedOut {
                    agent: self.principal.agent.clone(),
                    tool: self.recorder.name().to_owned(),
                    seconds,
                };
                return self.refused(vec![reason]);
            }
            Err(InvokeError::Plugin(OpError { code: ErrorCode::NotFound, .. })) => return self.unknown(),
            Err(error) => return self.failed(error.to_string()),
        };
        let (size, limit) = (bytes.len() as u64, limits.max_response_bytes);
        self.recorder.answered(size);
        if size > limit {
            let agent = self.principal.agent.clone();
            return self.refused(vec![Reason::ResponseTooLarge { agent, bytes: size, limit }]);
        }
        match serde_json::from_slice::<T>(&bytes) {
            Ok(reply) => {
                self.recorder.finish(if reply.is_error() { Outcome::ToolError } else { Outcome::Ok });
                Answer::Done(reply)
            }
            Err(_) => self
                .failed(format!("plugin `{name}` answered something that this server does not understand")),
        }
    }
}

/// What a plugin answers.
trait Reply {
    fn is_error(&self) -> bool {
        false
    }
}

impl Reply for ToolResult {
    fn is_error(&self) -> bool {
        self.is_error
    }
}

impl Reply for ResourceContents {}

impl Reply for PromptResult {}

fn prompt_complaints(prompt: &Prompt, arguments: &BTreeMap<String, String>) -> Vec<String> {
    let specs = &prompt.spec.arguments;
    let missing = specs
        .iter()
        .filter(|spec| spec.required && !arguments.contains_key(&spec.name))
        .map(|spec| format!("the arguments: `{}` is missing", spec.name));
    let unknown = arguments
        .keys()
        .filter(|name| !specs.iter().any(|spec| spec.name == **name))
        .map(|name| format!("the arguments: unknown `{}`", name.chars().take(64).collect::<String>()));
    missing.chain(unknown).collect()
}

/// How long a value is as JSON, without writing it anywhere.
fn encoded_length(value: &impl serde::Serialize) -> u64 {
    struct Count(u64);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        Err(_) => u64::MAX,
    }
}

#[cfg(test)]
mod tests;

//! The one path of every call, from a principal's wish to a recorded answer.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use plugin_contract::op::{
    self, Complete, Completes, Completion, GetPrompt, PromptResult, ReadResource, ResourceContents,
    ToolResult,
};
use serde_json::{Map, Value};

use crate::{
    arguments::quoted,
    audit::AuditSink,
    conversation::{Conversation, Nobody},
    id::{AgentId, CallId},
    limits::{Limits, Rate, counters::Counters, places::Places},
    policy::{self, Reason, Thing},
    principal::{Caller, Principal},
    redact::Redaction,
    registry::{Prompt, Resource, ResourceTemplate, Tool},
    snapshot::{Live, Snapshot},
};

mod admission;
mod call;
mod explain;
mod filter;
mod flights;
mod json;
mod notes;
mod record;
mod reply;

use admission::Held;
use call::{Bounds, Call};
pub use explain::{NoExplanation, Question};
use flights::Flights;
use json::{call_tool, encoded};
pub use notes::Notes;
pub use record::{CallLog, CallRecord, CalledPlugin, Outcome};

/// Bounds what the five limits do not count: lists, resources, prompts, and
/// calls of tools that are not there or not granted.
const OTHER_BOUNDS: Bounds = Bounds { timeout_seconds: 30, max_response_bytes: 4 << 20, inline: false };

/// How many complaints about one request are worth reading.
const MAX_COMPLAINTS: usize = 16;

/// Answers principals out of the current snapshot.
pub struct Gateway {
    live: Arc<Live>,
    calls: Counters,
    others: Counters,
    flights: Arc<Flights>,
    log: Arc<dyn CallLog>,
    redaction: Arc<Redaction>,
    audit: Arc<dyn AuditSink>,
    begun: AtomicU64,
}

/// What an agent uses of the limits on its calls of tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsInUse {
    /// Whose.
    pub agent: AgentId,
    /// Calls that run.
    pub running: u32,
    /// Calls that may run at once.
    pub concurrency: u32,
    /// Calls that could begin now, as far as its rate is concerned.
    pub rate_left: u32,
    /// Its rate.
    pub rate: Rate,
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
    /// It needs of the client what it has not got: the conversation says what.
    Unanswered(String),
    /// It was tried and did not work; the sentence is for the caller.
    Failed(String),
    /// The plugin's code broke over it; so is this sentence.
    Broken(String),
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
    pub fn new(live: Arc<Live>, log: Arc<dyn CallLog>, audit: Arc<dyn AuditSink>) -> Self {
        let flights = Flights::new(live.clone());
        // What runs for agents is one crowd, whatever they asked for.
        let places = Places::default();
        let (calls, others) = (Counters::new(places.clone()), Counters::new(places));
        let (redaction, begun) = (Arc::default(), AtomicU64::new(0));
        Self { live, calls, others, flights, log, redaction, audit, begun }
    }

    /// The same, which filters results by the redactor in force there.
    #[must_use]
    pub fn filtering(self, redaction: Arc<Redaction>) -> Self {
        Self { redaction, ..self }
    }

    /// The snapshots it answers from.
    #[must_use]
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Where every decision is on record.
    #[must_use]
    pub fn audit(&self) -> &Arc<dyn AuditSink> {
        &self.audit
    }

    /// How many requests of each agent are under way: calls of tools, and all that
    /// the five limits do not count.
    #[must_use]
    pub fn in_flight(&self) -> BTreeMap<AgentId, u32> {
        let mut all = BTreeMap::new();
        for (agent, running) in self.calls.running().into_iter().chain(self.others.running()) {
            *all.entry(agent).or_default() += running;
        }
        all
    }

    /// What each agent uses of the limits on its calls of tools.
    #[must_use]
    pub fn limits_in_use(&self) -> Vec<LimitsInUse> {
        let (snapshot, now) = (self.live.load(), Instant::now());
        let all = snapshot.settings.agents.iter().map(|(id, agent)| {
            let Limits { concurrency, rate, .. } = agent.limits;
            let (running, rate_left) = self.calls.standing(id, rate, now);
            LimitsInUse { agent: id.clone(), running, concurrency, rate_left, rate }
        });
        all.collect()
    }

    /// How many calls everybody has under way, of those that `server.max_calls` is
    /// about.
    #[must_use]
    pub fn places_taken(&self) -> u32 {
        self.calls.taken()
    }

    /// Ends the calls in flight whose caller, plugin or signing key `snapshot` no
    /// longer has; all others go on under the snapshot that they began under. Says
    /// how many. To be called once `snapshot` has been published.
    pub fn revoke(&self, snapshot: &Snapshot) -> usize {
        self.flights.revoke(snapshot)
    }

    /// Lets go of what is known of agents that have not called for so long that it
    /// makes no difference. To be called now and then.
    pub fn forget_idle(&self) {
        let now = Instant::now();
        self.calls.forget_idle(now);
        self.others.forget_idle(now);
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
            let allowed =
                |template: &&Arc<ResourceTemplate>| policy::template(snapshot, principal, template).is_ok();
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

    /// Counts a request that is answered elsewhere, such as one about a task.
    pub fn count(&self, principal: &Principal) -> Answer<()> {
        self.list(principal, |_| ())
    }

    /// The tool of that name, if `principal` may call it.
    #[must_use]
    pub fn tool_for(&self, principal: &Principal, name: &str) -> Option<Arc<Tool>> {
        let snapshot = self.live.load();
        let tool = snapshot.registry.tool(name)?;
        policy::tool(&snapshot, principal, tool).is_ok().then(|| tool.clone())
    }

    /// Calls a tool.
    pub async fn call_tool(
        &self,
        caller: &Caller,
        name: &str,
        arguments: Map<String, Value>,
        conversation: Arc<dyn Conversation>,
    ) -> Answer<ToolResult> {
        let principal = &caller.principal;
        let mut call = self.begin(caller, Thing::Tool, name);
        let Some(tool) = call.snapshot().registry.tool(name).cloned() else {
            return self.unless_flooding(principal, call, Call::unknown);
        };
        let permit = match policy::tool(call.snapshot(), principal, &tool) {
            Ok(permit) => permit,
            Err(reasons) => return self.unless_flooding(principal, call, |call| call.denied(reasons)),
        };
        let snapshot = call.snapshot().clone();
        let Some(held) = Held::new(&snapshot, principal, name) else { return call.unknown() };
        call.asked(encoded(&arguments));
        let payload = call.arguments().len() as u64;
        let slot = match self.admit(&held, payload) {
            Ok(slot) => slot,
            Err(reasons) => return call.refused(reasons),
        };
        let arguments = Value::Object(arguments);
        let complaints = tool.arguments.complaints(&arguments);
        if !complaints.is_empty() {
            return call.invalid(complaints);
        }
        let input = call_tool(&tool.spec.name, call.arguments());
        let bounds = Bounds {
            timeout_seconds: held.timeout().0,
            max_response_bytes: held.max_response(),
            inline: tool.spec.inline,
        };
        call.run(permit, op::plugin::CALL_TOOL, input, conversation, slot, bounds).await
    }

    /// Reads a resource.
    pub async fn read_resource(
        &self,
        caller: &Caller,
        uri: &str,
        conversation: Arc<dyn Conversation>,
    ) -> Answer<ResourceContents> {
        let principal = &caller.principal;
        let call = self.begin(caller, Thing::Resource, uri);
        let slot = match self.guard(principal, Some(call.snapshot())) {
            Ok(slot) => slot,
            Err(reasons) => return call.refused(reasons),
        };
        let Some(plugin) = call.snapshot().registry.resource_plugin(uri).cloned() else {
            return call.unknown();
        };
        let permit = match policy::resource(call.snapshot(), principal, uri, &plugin) {
            Ok(permit) => permit,
            Err(reasons) => return call.denied(reasons),
        };
        let request = ReadResource { uri: uri.to_owned() };
        call.run(permit, op::plugin::READ_RESOURCE, encoded(&request), conversation, slot, OTHER_BOUNDS).await
    }

    /// Whether `principal` may read a resource, and so hear of its changes.
    pub fn watch_resource(&self, caller: &Caller, uri: &str) -> Answer<()> {
        let principal = &caller.principal;
        let call = self.begin(caller, Thing::Resource, uri);
        let _slot = match self.guard(principal, None) {
            Ok(slot) => slot,
            Err(reasons) => return call.refused(reasons),
        };
        let Some(plugin) = call.snapshot().registry.resource_plugin(uri).cloned() else {
            return call.unknown();
        };
        match policy::resource(call.snapshot(), principal, uri, &plugin) {
            Ok(_) => call.done(()),
            Err(reasons) => call.denied(reasons),
        }
    }

    /// Completes an argument that a person is typing.
    pub async fn complete(&self, caller: &Caller, request: Complete) -> Answer<Completion> {
        let principal = &caller.principal;
        let (thing, name) = match &request.of {
            Completes::Prompt(name) => (Thing::Prompt, name.as_str()),
            Completes::Template(template) => (Thing::Resource, template.as_str()),
        };
        let mut call = self.begin(caller, thing, name);
        call.asked(encoded(&request));
        let slot = match self.guard(principal, Some(call.snapshot())) {
            Ok(slot) => slot,
            Err(reasons) => return call.refused(reasons),
        };
        let registry = &call.snapshot().registry;
        let (decision, completes) = match &request.of {
            Completes::Prompt(name) => {
                let Some(prompt) = registry.prompt(name.as_str()).cloned() else { return call.unknown() };
                let argument = prompt.spec.arguments.iter().find(|spec| spec.name == request.argument);
                let completes = argument.map(|argument| argument.completes);
                (policy::prompt(call.snapshot(), principal, &prompt), completes)
            }
            Completes::Template(name) => {
                let Some(template) = registry.template(name).cloned() else { return call.unknown() };
                let known = template.template.variables().any(|variable| variable == request.argument);
                let completes = known.then(|| template.spec.completes.contains(&request.argument));
                (policy::template(call.snapshot(), principal, &template), completes)
            }
        };
        let permit = match decision {
            Ok(permit) => permit,
            Err(reasons) => return call.denied(reasons),
        };
        match completes {
            Some(true) => {
                let nobody = Arc::new(Nobody);
                call.run(permit, op::plugin::COMPLETE, encoded(&request), nobody, slot, OTHER_BOUNDS).await
            }
            Some(false) => call.done(Completion::default()),
            None => call.invalid(vec![format!("the arguments: unknown {}", quoted(&request.argument))]),
        }
    }

    /// Gets a prompt.
    pub async fn get_prompt(
        &self,
        caller: &Caller,
        name: &str,
        arguments: BTreeMap<String, String>,
        conversation: Arc<dyn Conversation>,
    ) -> Answer<PromptResult> {
        let principal = &caller.principal;
        let mut call = self.begin(caller, Thing::Prompt, name);
        call.asked(encoded(&arguments));
        let slot = match self.guard(principal, Some(call.snapshot())) {
            Ok(slot) => slot,
            Err(reasons) => return call.refused(reasons),
        };
        let Some(prompt) = call.snapshot().registry.prompt(name).cloned() else { return call.unknown() };
        let permit = match policy::prompt(call.snapshot(), principal, &prompt) {
            Ok(permit) => permit,
            Err(reasons) => return call.denied(reasons),
        };
        let complaints = prompt_complaints(&prompt, &arguments);
        if !complaints.is_empty() {
            return call.invalid(complaints);
        }
        let request = GetPrompt { name: prompt.spec.name.clone(), arguments };
        call.run(permit, op::plugin::GET_PROMPT, encoded(&request), conversation, slot, OTHER_BOUNDS).await
    }

    fn begin(&self, caller: &Caller, thing: Thing, name: &str) -> Call {
        let id = CallId(self.begun.fetch_add(1, Ordering::Relaxed) + 1);
        Call::begin(self, id, caller, thing, name)
    }

    fn list<T>(&self, principal: &Principal, items: impl FnOnce(&Arc<Snapshot>) -> T) -> Answer<T> {
        let snapshot = self.live.load();
        match self.guard(principal, None) {
            Ok(_slot) => Answer::Done(items(&snapshot)),
            Err(reasons) => Answer::Refused(Denial { generation: snapshot.generation, reasons }),
        }
    }

    fn unless_flooding<T>(
        &self,
        principal: &Principal,
        call: Call,
        end: impl FnOnce(Call) -> Answer<T>,
    ) -> Answer<T> {
        match self.guard(principal, None) {
            Ok(_slot) => end(call),
            Err(reasons) => call.refused(reasons),
        }
    }
}

fn prompt_complaints(prompt: &Prompt, arguments: &BTreeMap<String, String>) -> Vec<String> {
    let specs = &prompt.spec.arguments;
    let missing = specs
        .iter()
        .filter(|spec| spec.required && !arguments.contains_key(&spec.name))
        .map(|spec| format!("the arguments: `{}` is missing", spec.name));
    let unknown = arguments
        .keys()
        .filter(|name| !specs.iter().any(|spec| spec.name == **name))
        .map(|name| format!("the arguments: unknown {}", quoted(name)));
    missing.chain(unknown).take(MAX_COMPLAINTS).collect()
}

#[cfg(test)]
mod tests;

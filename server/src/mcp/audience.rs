//! Whom to tell that a list has changed: sessions of the older revisions, and
//! the streams that clients of 2026-07-28 listen on.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use plugin_contract::manifest::{PromptSpec, ResourceSpec, ResourceTemplateSpec, ToolSpec};
use rmcp::{
    RoleServer,
    service::{Peer, SubscriptionSink},
};
use server_core::{
    policy,
    principal::Principal,
    snapshot::{Live, Snapshot},
};
use tokio_util::sync::CancellationToken;

use super::Caller;

/// How long one client may take to accept a notification.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many streams one agent may listen on; the oldest gives way.
const STREAMS_PER_AGENT: usize = 64;

/// Everyone who wants to know.
pub struct Audience {
    live: Arc<Live>,
    draining: CancellationToken,
    state: Mutex<State>,
}

/// A listening stream's place in the audience, given up when dropped.
pub struct Membership {
    audience: Arc<Audience>,
    place: Place,
    ended: CancellationToken,
}

struct State {
    /// What the members know.
    told: Arc<Snapshot>,
    members: BTreeMap<Place, Member>,
    next: u64,
}

/// A session has one, however often its client says that it is ready; streams
/// are numbered in the order in which they came.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Session(Box<str>),
    Stream(u64),
}

struct Member {
    caller: Caller,
    line: Line,
}

#[derive(Clone)]
enum Line {
    Session(Peer<RoleServer>),
    Stream { sink: SubscriptionSink, ended: CancellationToken },
}

impl Audience {
    /// Nobody yet. Streams end when `draining` is cancelled.
    #[must_use]
    pub fn new(live: Arc<Live>, draining: CancellationToken) -> Arc<Self> {
        let state = State { told: live.load(), members: BTreeMap::new(), next: 0 };
        Arc::new(Self { live, draining, state: Mutex::new(state) })
    }

    /// Takes a session in, until it leaves.
    pub fn join_session(&self, session: &str, caller: &Caller, peer: Peer<RoleServer>) {
        let member = Member { caller: caller.clone(), line: Line::Session(peer) };
        self.state().members.insert(Place::Session(session.into()), member);
    }

    /// Lets a session go that has ended.
    pub fn leave_session(&self, session: &str) {
        self.state().members.remove(&Place::Session(session.into()));
    }

    /// Takes a listening stream in.
    pub fn join_stream(self: &Arc<Self>, caller: &Caller, sink: SubscriptionSink) -> Membership {
        let ended = self.draining.child_token();
        let mut state = self.state();
        state.make_room(&caller.principal);
        let place = Place::Stream(state.next);
        state.next += 1;
        let line = Line::Stream { sink, ended: ended.clone() };
        state.members.insert(place.clone(), Member { caller: caller.clone(), line });
        drop(state);
        // Looked up after joining: a snapshot that comes later finds the member.
        if !caller.stands(&self.live.load()) {
            ended.cancel();
        }
        Membership { audience: self.clone(), place, ended }
    }

    /// Tells each member what differs for its agent between the snapshot that
    /// it knows and the current one, without waiting for anyone, and ends the
    /// streams whose token is gone. Needs a runtime.
    pub fn lists_changed(&self) {
        let after = self.live.load();
        let (before, members) = {
            let mut state = self.state();
            state.prune();
            let members: Vec<_> =
                state.members.values().map(|member| (member.caller.clone(), member.line.clone())).collect();
            (std::mem::replace(&mut state.told, after.clone()), members)
        };
        let mut known = HashMap::new();
        for (caller, line) in members {
            if let Line::Stream { ended, .. } = &line
                && !caller.stands(&after)
            {
                ended.cancel();
                continue;
            }
            let changed = *known
                .entry(caller.principal)
                .or_insert_with_key(|who| Changed::between(&before, &after, who));
            if changed != Changed::default() {
                tokio::spawn(tokio::time::timeout(PATIENCE, tell(line, changed)));
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Audience {
    pub(crate) fn count(&self) -> usize {
        self.state().members.len()
    }
}

impl Membership {
    /// Waits until the server ends the stream.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.audience.state().members.remove(&self.place);
    }
}

impl State {
    /// A session may have ended while it joined.
    fn prune(&mut self) {
        self.members.retain(|_, member| match &member.line {
            Line::Session(peer) => !peer.is_transport_closed(),
            Line::Stream { .. } => true,
        });
    }

    fn make_room(&self, principal: &Principal) {
        let streams = self.members.values().filter(|member| member.caller.principal.agent == principal.agent);
        let mut running = streams.filter_map(|member| match &member.line {
            Line::Stream { ended, .. } if !ended.is_cancelled() => Some(ended),
            _ => None,
        });
        let oldest = running.next();
        if let Some(ended) = oldest
            && 1 + running.count() >= STREAMS_PER_AGENT
        {
            ended.cancel();
        }
    }
}

/// Who does not take it in time, or has gone, learns it from the next list.
async fn tell(line: Line, changed: Changed) {
    match line {
        Line::Session(peer) => {
            if changed.tools {
                let _ = peer.notify_tool_list_changed().await;
            }
            if changed.resources {
                let _ = peer.notify_resource_list_changed().await;
            }
            if changed.prompts {
                let _ = peer.notify_prompt_list_changed().await;
            }
        }
        // The sink drops what the client did not ask for.
        Line::Stream { sink, .. } => {
            if changed.tools {
                let _ = sink.notify_tool_list_changed().await;
            }
            if changed.resources {
                let _ = sink.notify_resource_list_changed().await;
            }
            if changed.prompts {
                let _ = sink.notify_prompt_list_changed().await;
            }
        }
    }
}

/// Which of an agent's lists differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Changed {
    tools: bool,
    resources: bool,
    prompts: bool,
}

impl Changed {
    fn between(before: &Arc<Snapshot>, after: &Arc<Snapshot>, principal: &Principal) -> Self {
        let (before, after) = (Lists::of(before, principal), Lists::of(after, principal));
        Self {
            tools: before.tools != after.tools,
            resources: (before.resources, before.templates) != (after.resources, after.templates),
            prompts: before.prompts != after.prompts,
        }
    }
}

struct Lists<'a> {
    tools: Vec<&'a ToolSpec>,
    resources: Vec<&'a ResourceSpec>,
    templates: Vec<&'a ResourceTemplateSpec>,
    prompts: Vec<&'a PromptSpec>,
}

impl<'a> Lists<'a> {
    /// What the gateway would list.
    fn of(snapshot: &'a Arc<Snapshot>, principal: &Principal) -> Self {
        let registry = &snapshot.registry;
        let tools = registry.tools().filter(|tool| policy::tool(snapshot, principal, tool).is_ok());
        let resources = registry
            .resources()
            .filter(|it| policy::resource(snapshot, principal, it.spec.uri.as_str(), &it.plugin).is_ok());
        let templates =
            registry.templates().filter(|template| policy::template(snapshot, principal, template));
        let prompts = registry.prompts().filter(|prompt| policy::prompt(snapshot, principal, prompt).is_ok());
        Self {
            tools: tools.map(|tool| &tool.spec).collect(),
            resources: resources.map(|resource| &resource.spec).collect(),
            templates: templates.map(|template| &template.spec).collect(),
            prompts: prompts.map(|prompt| &prompt.spec).collect(),
        }
    }
}

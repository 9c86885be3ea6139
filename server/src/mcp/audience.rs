//! Whom to tell that a list has changed: sessions of the older revisions, and
//! the streams that clients of 2026-07-28 listen on.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use plugin_contract::op::{ClientLogLevel, Offered};
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

mod changed;
mod line;

use changed::Changed;
use line::{Line, News};

/// How long one client may take to accept a notification.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many streams one agent may listen on; the oldest gives way.
const STREAMS_PER_AGENT: usize = 64;

/// How many resources a session, or a stream, may be told of.
pub(super) const MAX_SUBSCRIPTIONS: usize = 256;

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
    /// Of the resources that it wants to hear of, the URIs.
    subscriptions: BTreeSet<String>,
    /// From where on a session takes log messages.
    log_level: ClientLogLevel,
}

impl Member {
    fn new(caller: &Caller, line: Line, subscriptions: BTreeSet<String>) -> Self {
        Self { caller: caller.clone(), line, subscriptions, log_level: ClientLogLevel::Info }
    }
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
        let member = Member::new(caller, Line::Session(peer), BTreeSet::new());
        self.state().members.insert(Place::Session(session.into()), member);
    }

    /// From where on a session wants log messages.
    pub fn log_level(&self, session: &str) -> Option<ClientLogLevel> {
        self.state().members.get(&Place::Session(session.into())).map(|member| member.log_level)
    }

    /// Sets it.
    pub fn set_log_level(&self, session: &str, level: ClientLogLevel) {
        if let Some(member) = self.state().members.get_mut(&Place::Session(session.into())) {
            member.log_level = level;
        }
    }

    /// Has a session told when a resource changes. `false`: it is told of too many.
    pub fn subscribe(&self, session: &str, uri: &str) -> bool {
        let mut state = self.state();
        let Some(member) = state.members.get_mut(&Place::Session(session.into())) else { return true };
        let subscriptions = &mut member.subscriptions;
        if subscriptions.len() >= MAX_SUBSCRIPTIONS && !subscriptions.contains(uri) {
            return false;
        }
        subscriptions.insert(uri.to_owned());
        true
    }

    /// Has it told no more.
    pub fn unsubscribe(&self, session: &str, uri: &str) {
        if let Some(member) = self.state().members.get_mut(&Place::Session(session.into())) {
            member.subscriptions.remove(uri);
        }
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
        let subscriptions = sink.accepted().resource_subscriptions.iter().flatten().cloned().collect();
        let line = Line::Stream { sink, ended: ended.clone() };
        state.members.insert(place.clone(), Member::new(caller, line, subscriptions));
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
                spread(line, News::Lists(changed));
            }
        }
    }

    /// Tells each member that it concerns that a plugin has withdrawn something, or
    /// offers it again. Needs a runtime.
    pub fn offer_changed(&self, thing: &Offered) {
        let snapshot = self.live.load();
        for (caller, line) in self.members(|_| true) {
            let changed = Changed::by_offer(&snapshot, &caller.principal, thing);
            if changed != Changed::default() {
                spread(line, News::Lists(changed));
            }
        }
    }

    /// Tells the members that subscribed to a resource, and may read it, that it
    /// has changed. Needs a runtime.
    pub fn resource_updated(&self, uri: &str) {
        let snapshot = self.live.load();
        let Some(plugin) = snapshot.registry.resource_plugin(uri) else { return };
        for (caller, line) in self.members(|member| member.subscriptions.contains(uri)) {
            if policy::resource(&snapshot, &caller.principal, uri, plugin).is_ok() {
                spread(line, News::Resource(uri.to_owned()));
            }
        }
    }

    fn members(&self, wanted: impl Fn(&Member) -> bool) -> Vec<(Caller, Line)> {
        let mut state = self.state();
        state.prune();
        let members = state.members.values().filter(|member| wanted(member));
        members.map(|member| (member.caller.clone(), member.line.clone())).collect()
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

/// Without waiting for anyone.
fn spread(line: Line, news: News) {
    tokio::spawn(tokio::time::timeout(PATIENCE, line.tell(news)));
}

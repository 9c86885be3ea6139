use std::{
    sync::Mutex,
    task::{Context, Poll},
};

use futures::{FutureExt, executor::block_on, future::BoxFuture, task::noop_waker};
use jiff::civil::date;
use plugin_contract::op::ToolResult;
use serde_json::Map;

use super::*;
use crate::{
    conversation::Nobody,
    gateway::{Answer, Denial, Gateway, Outcome},
    invocation::Invocation,
    policy::{Lapse, Reason},
    principal::Caller,
    registry::{Instance, InvokeError, Plugin, Registry},
    settings::{KeySource, Settings, TrustedKey},
    snapshot::Content,
    testing::{Records, caller, codes, content, patterns, plugin, settings, tool},
};

/// A plugin that takes for ever, and keeps what it was given.
#[derive(Default)]
struct Busy(Mutex<Vec<Invocation>>);

impl Instance for Busy {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'static, Result<Vec<u8>, InvokeError>> {
        self.0.lock().unwrap().push(invocation);
        futures::future::pending().boxed()
    }
}

struct World {
    gateway: Gateway,
    records: Arc<Records>,
    busy: Arc<Busy>,
}

/// Settings that trust `acme`, with its key `RW…`.
fn trusting() -> Settings {
    let mut settings = settings();
    let key = TrustedKey {
        minisign: KeySource::Minisign("RWQ-acme".to_owned()),
        plugins: patterns(&["*"]),
        names: Some(patterns(&["*"])),
        capabilities: [].into(),
        in_process: true,
        not_after: None,
        revoked: false,
    };
    settings.plugins.trusted_keys.insert("acme".parse().unwrap(), key);
    settings.agents.values_mut().for_each(|agent| agent.tokens.push(TokenDigest::of("spare-token")));
    settings
}

fn demo(release: char, instance: Arc<dyn Instance>) -> Arc<Plugin> {
    let mut plugin = Arc::into_inner(plugin(&[tool("demo.say", &[])], &[], instance)).unwrap();
    plugin.provenance.sha256 = release.to_string().repeat(64);
    Arc::new(plugin)
}

impl World {
    fn new() -> Self {
        let (busy, records) = (Arc::<Busy>::default(), Arc::<Records>::default());
        let live = Arc::new(Live::new(content(trusting(), demo('0', busy.clone()))));
        Self { gateway: Gateway::new(live, records.clone()), records, busy }
    }

    /// Another snapshot, as a reload brings it.
    fn reload(&self, content: Content) -> usize {
        let snapshot = self.gateway.live().publish(content);
        self.gateway.revoke(&snapshot)
    }

    fn call<'w>(&'w self, caller: &'w Caller) -> BoxFuture<'w, Answer<ToolResult>> {
        let mut call = self.gateway.call_tool(caller, "demo.say", Map::new(), Arc::new(Nobody)).boxed();
        assert_eq!(poll(&mut call), None);
        call
    }

    fn outcomes(&self) -> Vec<(Outcome, String)> {
        self.records.0.lock().unwrap().iter().map(|it| (it.outcome, it.reasons.join(","))).collect()
    }

    fn settings_and(&self, change: impl FnOnce(&mut Settings)) -> Settings {
        let mut settings = trusting();
        change(&mut settings);
        settings
    }
}

fn poll<T>(call: &mut BoxFuture<'_, T>) -> Option<T> {
    match call.as_mut().poll(&mut Context::from_waker(&noop_waker())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

fn without_plugins(settings: Settings) -> Content {
    Content { config_sha256: String::new(), settings, registry: Registry::default() }
}

fn without_first_token(settings: &mut Settings) {
    for agent in settings.agents.values_mut() {
        agent.tokens.remove(0);
    }
}

fn acme(settings: &mut Settings) -> &mut TrustedKey {
    settings.plugins.trusted_keys.values_mut().next().unwrap()
}

fn revoked(answer: Option<Answer<ToolResult>>) -> String {
    match answer {
        Some(Answer::Refused(denial)) => {
            assert_eq!((codes(&denial.reasons), denial.generation), (vec!["revoked"], Generation(2)));
            denial.reasons[0].to_string()
        }
        other => panic!("expected a revocation, got {other:?}"),
    }
}

#[test]
fn a_call_ends_with_what_was_revoked() {
    let elsewhere = |s: &mut Settings| {
        let tenant = s.tenants.values().next().unwrap().clone();
        s.tenants.insert("sales".parse().unwrap(), tenant);
        s.agents.values_mut().for_each(|agent| agent.tenant = "sales".parse().unwrap());
    };
    let moved_token = |s: &mut Settings| {
        let mut other = s.agents.values().next().unwrap().clone();
        other.tokens.retain(|token| *token == TokenDigest::of("laptop-token"));
        s.agents.values_mut().for_each(|agent| agent.tokens.retain(|token| !other.tokens.contains(token)));
        s.agents.insert("other".parse().unwrap(), other);
    };
    let token = "the token that it was made with is no longer one of agent `laptop`";
    let key = |why: &str| format!("plugin `demo` is signed with key `acme`, which {why}");
    type Change<'c> = &'c dyn Fn(&mut Settings);
    let gone: [(Change<'_>, bool, String); 10] = [
        (&|s| s.agents.clear(), true, "agent `laptop` is no longer configured".to_owned()),
        (&without_first_token, true, token.to_owned()),
        (&moved_token, true, token.to_owned()),
        (&elsewhere, true, "agent `laptop` belongs to another tenant now".to_owned()),
        (&|_| {}, false, "plugin `demo` is no longer loaded".to_owned()),
        (&|s| s.plugins.trusted_keys.clear(), false, key("is no longer trusted")),
        (
            &|s| acme(s).minisign = KeySource::Minisign("RWQ-other".to_owned()),
            false,
            key("is no longer trusted"),
        ),
        (&|s| acme(s).revoked = true, false, key("is revoked")),
        (&|s| acme(s).not_after = Some(date(2001, 2, 3)), false, key("was trusted until 2001-02-03")),
        (&|s| acme(s).names = None, false, key("may no longer vouch for it")),
    ];
    for (change, loaded, expected) in gone {
        let world = World::new();
        let caller = caller();
        let mut call = world.call(&caller);
        let settings = world.settings_and(change);
        let content =
            if loaded { content(settings, demo('0', world.busy.clone())) } else { without_plugins(settings) };
        assert_eq!(world.reload(content), 1, "{expected}");
        assert_eq!(revoked(poll(&mut call)), format!("the call was ended: {expected}"));
        drop(call);
        assert_eq!(world.outcomes(), [(Outcome::Revoked, "revoked".to_owned())]);
    }
}

#[test]
fn a_call_outlives_every_other_change() {
    let limits = |s: &mut Settings| {
        for agent in s.agents.values_mut() {
            (agent.limits.concurrency, agent.limits.timeout_seconds) = (1, 1);
            agent.grant.tools = patterns(&[]);
        }
    };
    type Change<'c> = &'c dyn Fn(&mut Settings);
    let changes: [(Change<'_>, char); 5] = [
        (&|_| {}, '0'),
        (&limits, '0'),
        // Another release takes its place, and its key stands.
        (&|_| {}, '1'),
        (&|s| acme(s).not_after = Some(date(2999, 1, 1)), '1'),
        (
            &|s| {
                let key = s.plugins.trusted_keys.pop_first().unwrap().1;
                s.plugins.trusted_keys.insert("renamed".parse().unwrap(), key);
            },
            '1',
        ),
    ];
    for (change, release) in changes {
        let world = World::new();
        let caller = caller();
        let mut call = world.call(&caller);
        let next = content(world.settings_and(change), demo(release, world.busy.clone()));
        assert_eq!(world.reload(next), 0);
        assert_eq!(poll(&mut call), None);
    }
}

#[test]
fn a_replaced_plugin_goes_with_its_key() {
    let world = World::new();
    let caller = caller();
    let mut call = world.call(&caller);
    let settings = world.settings_and(|s| acme(s).revoked = true);
    assert_eq!(world.reload(content(settings, demo('1', world.busy.clone()))), 1);
    assert!(revoked(poll(&mut call)).ends_with("which is revoked"));
}

#[test]
fn only_the_calls_made_with_a_replaced_token_end() {
    let world = World::new();
    let old = caller();
    let spare = Caller { token: TokenDigest::of("spare-token"), ..caller() };
    let mut first = world.call(&old);
    let mut second = world.call(&spare);
    let settings = world.settings_and(without_first_token);
    assert_eq!(world.reload(content(settings, demo('0', world.busy.clone()))), 1);
    revoked(poll(&mut first));
    assert_eq!(poll(&mut second), None);
}

#[test]
fn a_call_that_begins_while_it_is_revoked_does_not_slip_through() {
    let world = World::new();
    let snapshot = world.gateway.live().load();
    let tool = snapshot.registry.tool("demo.say").unwrap();
    let permit = Arc::new(crate::policy::tool(&snapshot, &caller().principal, tool).unwrap());
    // Published, and every call ended that was there to be seen.
    assert_eq!(world.reload(without_plugins(trusting())), 0);
    let flights = &world.gateway.flights;
    let late = flights.enter(permit.clone(), caller().token).err().unwrap();
    assert_eq!(late.revoked, Revoked::Plugin("demo".parse().unwrap()));
    assert!(permit.is_revoked());
    assert!(flights.table().calls.is_empty());
}

#[test]
fn a_token_that_was_revoked_before_its_call_began_begins_none() {
    let world = World::new();
    let settings = world.settings_and(without_first_token);
    assert_eq!(world.reload(content(settings, demo('0', world.busy.clone()))), 0);
    let answer = block_on(world.gateway.call_tool(&caller(), "demo.say", Map::new(), Arc::new(Nobody)));
    let Answer::Refused(Denial { reasons, .. }) = answer else { panic!("{answer:?}") };
    assert_eq!(codes(&reasons), ["revoked"]);
    assert!(world.busy.0.lock().unwrap().is_empty());
}

#[test]
fn a_revoked_call_that_nobody_waits_for_is_on_record_as_revoked() {
    let world = World::new();
    let caller = caller();
    let call = world.call(&caller);
    assert_eq!(world.reload(without_plugins(trusting())), 1);
    drop(call);
    assert_eq!(world.outcomes(), [(Outcome::Revoked, "revoked".to_owned())]);
}

#[test]
fn a_revoked_call_keeps_its_slot_and_has_no_rights_while_its_plugin_runs() {
    let world = World::new();
    let caller = caller();
    let mut call = world.call(&caller);
    world.reload(content(world.settings_and(|s| s.agents.clear()), demo('0', world.busy.clone())));
    revoked(poll(&mut call));
    let back = world.settings_and(|s| s.agents.values_mut().for_each(|agent| agent.limits.concurrency = 1));
    world.gateway.live().publish(content(back, demo('0', world.busy.clone())));
    let refused = |answer| match answer {
        Answer::Refused(denial) => codes(&denial.reasons),
        other => panic!("{other:?}"),
    };
    assert!(world.busy.0.lock().unwrap()[0].permit.is_revoked());
    assert_eq!(
        refused(block_on(world.gateway.call_tool(&caller, "demo.say", Map::new(), Arc::new(Nobody)))),
        ["too_many_calls"]
    );
    // The plugin's code has returned.
    world.busy.0.lock().unwrap().clear();
    drop(world.call(&caller));
}

#[test]
fn resources_and_prompts_end_too() {
    let world = World::new();
    let caller = caller();
    let topic = [("topic".to_owned(), "rust".to_owned())].into();
    let mut resource = world.gateway.read_resource(&caller, "demo://fixed", Arc::new(Nobody)).boxed();
    let mut prompt = world.gateway.get_prompt(&caller, "demo_prompt", topic, Arc::new(Nobody)).boxed();
    assert!(poll(&mut resource).is_none() && poll(&mut prompt).is_none());
    assert_eq!(world.reload(without_plugins(trusting())), 2);
    let reasons = vec![Reason::Revoked(Revoked::Plugin("demo".parse().unwrap()))];
    let denial = Denial { generation: Generation(2), reasons };
    assert_eq!(poll(&mut resource), Some(Answer::Refused(denial.clone())));
    assert_eq!(poll(&mut prompt), Some(Answer::Refused(denial)));
}

#[test]
fn a_thousand_calls_end_in_one_go_and_leave_nothing_behind() {
    let world = World::new();
    let settings = |s: &mut Settings| {
        s.server.load.max_calls = 2000;
        for agent in s.agents.values_mut() {
            (agent.limits.concurrency, agent.limits.rate) = (1000, "1000/s".parse().unwrap());
        }
    };
    world.reload(content(world.settings_and(settings), demo('0', world.busy.clone())));
    let caller = caller();
    let mut calls: Vec<_> = (0..1000).map(|_| world.call(&caller)).collect();
    calls.truncate(900);
    assert_eq!(world.reload(without_plugins(trusting())), 900);
    for call in &mut calls {
        assert!(matches!(poll(call), Some(Answer::Refused(_))));
    }
    assert!(world.gateway.flights.table().calls.is_empty());
    let outcomes = world.outcomes();
    assert_eq!(outcomes.iter().filter(|(outcome, _)| *outcome == Outcome::Revoked).count(), 900);
    assert_eq!(outcomes.iter().filter(|(outcome, _)| *outcome == Outcome::Cancelled).count(), 100);
}

#[test]
fn what_was_revoked_says_what_to_do() {
    let (agent, plugin) = ("laptop".parse().unwrap(), "demo".parse().unwrap());
    let key =
        Revoked::Key { plugin: "demo".parse().unwrap(), key: "acme".parse().unwrap(), lapse: Lapse::Revoked };
    for (revoked, help) in [
        (Revoked::Agent(agent), "ask the operator whether `agents.laptop` was meant to go"),
        (
            Revoked::Plugin(plugin),
            "ask the operator whether plugin `demo` was meant to go; the server's log says why it went",
        ),
        (
            key,
            "ask the operator for a release of `demo` that a trusted key signed, or about `plugins.trusted_keys.acme`",
        ),
    ] {
        assert_eq!(Reason::Revoked(revoked).help(), help);
    }
}

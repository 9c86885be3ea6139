use std::sync::Arc;

use plugin_contract::Capability;

use super::*;
use crate::{
    settings::Settings,
    snapshot::{Content, Live},
    testing::{codes, content, patterns, plugin, principal, settings, tool as spec, unreachable},
};

/// What the engine says of tool `demo.say`, which needs `network:outbound`.
fn check(change: impl FnOnce(&mut Settings), granted: &[Capability], expected: &[&str]) {
    let (snapshot, demo) = snapshot(change, granted);
    let decision = tool(&snapshot, &principal(), &demo);
    assert_eq!(decision.map_or_else(|reasons| codes(&reasons), |_| Vec::new()), expected);
}

fn snapshot(change: impl FnOnce(&mut Settings), granted: &[Capability]) -> (Arc<Snapshot>, Arc<Tool>) {
    let mut settings = settings();
    change(&mut settings);
    let plugin = plugin(&[spec("demo.say", &["network:outbound"])], granted, unreachable());
    let content: Content = content(settings, plugin);
    let snapshot = Live::new(content).load();
    let tool = snapshot.registry.tool("demo.say").unwrap().clone();
    (snapshot, tool)
}

fn agent(settings: &mut Settings) -> &mut Grant {
    &mut settings.agents.values_mut().next().unwrap().grant
}

fn tenant(settings: &mut Settings) -> &mut Grant {
    &mut settings.tenants.values_mut().next().unwrap().grant
}

const NETWORK: &[Capability] = &[Capability::NetworkOutbound];

#[test]
fn a_tool_that_agent_tenant_and_plugin_are_granted_is_allowed() {
    check(|_| {}, NETWORK, &[]);
    check(|s| agent(s).tools = patterns(&["demo.*"]), NETWORK, &[]);
    check(|s| tenant(s).tools = patterns(&["demo.say"]), NETWORK, &[]);
}

#[test]
fn nothing_granted_is_nothing_allowed() {
    check(|s| agent(s).tools = patterns(&[]), NETWORK, &["tool_not_granted_to_agent"]);
    check(|s| tenant(s).tools = patterns(&[]), NETWORK, &["tool_not_granted_to_tenant"]);
}

#[test]
fn deny_wins_over_every_grant() {
    check(|s| agent(s).deny = patterns(&["demo.*"]), NETWORK, &["tool_denied_to_agent"]);
    check(|s| tenant(s).deny = patterns(&["*"]), NETWORK, &["tool_denied_to_tenant"]);
}

#[test]
fn a_capability_must_be_granted_to_plugin_agent_and_tenant() {
    check(|_| {}, &[Capability::FsRead], &["capability_not_granted_to_plugin"]);
    check(|s| agent(s).capabilities.clear(), NETWORK, &["capability_not_granted_to_agent"]);
    check(|s| tenant(s).capabilities.clear(), NETWORK, &["capability_not_granted_to_tenant"]);
}

#[test]
fn every_reason_is_given_and_not_just_the_first() {
    let all = [
        "tool_not_granted_to_agent",
        "tool_not_granted_to_tenant",
        "tool_denied_to_agent",
        "tool_denied_to_tenant",
        "capability_not_granted_to_plugin",
        "capability_not_granted_to_agent",
        "capability_not_granted_to_tenant",
        "egress_nothing_allowed",
        "egress_nothing_allowed",
    ];
    let nothing = |s: &mut Settings| {
        *agent(s) = Grant { deny: patterns(&["demo.say"]), ..Grant::default() };
        *tenant(s) = Grant { deny: patterns(&["demo.*"]), ..Grant::default() };
    };
    check(nothing, &[], &all);
}

#[test]
fn an_agent_that_is_gone_or_has_moved_has_no_rights() {
    check(|s| s.agents.clear(), NETWORK, &["agent_removed"]);
    check(|s| s.tenants.clear(), NETWORK, &["agent_removed"]);
    check(
        |s| s.agents.values_mut().for_each(|agent| agent.tenant = "other".parse().unwrap()),
        NETWORK,
        &["agent_removed"],
    );
}

#[test]
fn each_reason_says_what_is_missing_and_where_to_add_it() {
    let (snapshot, demo) = snapshot(
        |s| {
            agent(s).tools = patterns(&["core.*"]);
            tenant(s).deny = patterns(&["demo.*"]);
        },
        &[],
    );
    let reasons = tool(&snapshot, &principal(), &demo).unwrap_err();
    let lines: Vec<_> = reasons.iter().map(|reason| format!("{reason} | {}", reason.help())).collect();
    assert_eq!(
        lines,
        [
            "agent `laptop` is not granted tool `demo.say` | add `demo.say` to `agents.laptop.tools`",
            "tenant `research` is denied tool `demo.say` | remove `demo.*` from `tenants.research.deny`",
            "tool `demo.say` needs capability `network:outbound`, which plugin `demo` is not granted \
             | add `network:outbound` to `plugins.entries.demo.capabilities`",
        ]
    );
}

#[test]
fn a_permit_carries_the_capabilities_that_the_tool_asked_for_and_no_more() {
    let (snapshot, demo) = snapshot(|_| {}, &Capability::ALL);
    let permit = tool(&snapshot, &principal(), &demo).unwrap();
    assert_eq!(permit.capabilities().iter().copied().collect::<Vec<_>>(), NETWORK);
}

#[test]
fn a_template_is_listed_where_some_member_may_be_read() {
    for (granted, listed) in [
        ("*", true),
        ("demo://*", true),
        ("demo://pages/*", true),
        ("demo://pages/one", true),
        ("demo://pages/one/two", false),
        ("demo://fixed", false),
    ] {
        let (snapshot, _) = snapshot(|s| agent(s).resources = patterns(&[granted]), &[]);
        let pages = snapshot.registry.templates().next().unwrap();
        assert_eq!(template(&snapshot, &principal(), pages).is_ok(), listed, "{granted}");
    }
}

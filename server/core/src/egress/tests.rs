//! What the rules say, and what nobody gets past them.

mod addresses;
mod decisions;
mod properties;
mod spelling;
mod tricks;

use std::{net::IpAddr, sync::Arc};

use plugin_contract::Capability;

use super::*;
use crate::{
    policy::{self, Permit},
    settings::{PluginEntry, Settings},
    snapshot::Live,
    testing::{content, named, plugin, principal, rules, settings, tool, unreachable},
};

/// What rules are judged under: agent `laptop` of tenant `research`, and a tool of
/// plugin `demo` that needs `network:outbound`.
pub(super) fn world(change: impl FnOnce(&mut Settings), declared: &[&str]) -> Arc<Permit> {
    let mut settings = settings();
    change(&mut settings);
    let tool = tool("demo.say", &["network:outbound"]);
    let demo = plugin(&[tool], &[Capability::NetworkOutbound], unreachable());
    let mut manifest = demo.manifest.clone();
    manifest.egress = declared.iter().map(ToString::to_string).collect();
    let demo = named(manifest, &[Capability::NetworkOutbound], unreachable());
    let snapshot = Live::new(content(settings, demo)).load();
    let tool = snapshot.registry.tool("demo.say").unwrap();
    Arc::new(policy::tool(&snapshot, &principal(), tool).unwrap())
}

/// The same, where agent and tenant have these rules.
pub(super) fn with(agent: Rules, tenant: Rules) -> Arc<Permit> {
    world(
        |settings| {
            settings.agents.values_mut().next().unwrap().grant.egress = agent;
            settings.tenants.values_mut().next().unwrap().grant.egress = tenant;
        },
        &[],
    )
}

pub(super) fn to(url: &str) -> Destination {
    Target::parse(url).unwrap().destination().clone()
}

/// The codes of what speaks against a URL whose host has these addresses.
pub(super) fn against(permit: &Permit, url: &str, addresses: &[&str]) -> Vec<&'static str> {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    let codes = |refusals: Vec<Refusal>| refusals.iter().map(Refusal::code).collect();
    let scope = Scope::of(permit).unwrap();
    match scope.admit(&to(url)) {
        Err(refusals) => codes(refusals),
        Ok(admitted) => admitted.check(&addresses, |_| false).map_or_else(codes, |_| Vec::new()),
    }
}

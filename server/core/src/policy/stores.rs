//! Which files and databases a call may read: those that the operator names, and
//! that agent and tenant are both granted.

use plugin_contract::Capability;

use super::{Permit, Reason, Thing, granted, patterns, standing};
use crate::{
    id::{DatabaseName, RootName},
    principal::Principal,
    registry::Tool,
    settings::{Agent, Database, FileRoot, Grant, Tenant},
};

mod reason;

pub use reason::StoreReason;

/// A store that may be read, by its name; `None` where there is none of that name.
pub type Found<'p, K, V> = Result<Option<(&'p K, &'p V)>, Vec<Reason>>;

/// The root of that name, if the call may read below it.
pub fn file_root<'p>(permit: &'p Permit, name: &str) -> Found<'p, RootName, FileRoot> {
    granted_to(permit, Thing::FileRoot, name)?;
    Ok(permit.snapshot.settings.roots.get_key_value(name))
}

/// The database of that name, if the call may query it.
pub fn database<'p>(permit: &'p Permit, name: &str) -> Found<'p, DatabaseName, Database> {
    granted_to(permit, Thing::Database, name)?;
    Ok(permit.snapshot.settings.databases.get_key_value(name))
}

/// The roots that the call may read below.
pub fn file_roots(permit: &Permit) -> impl Iterator<Item = (&RootName, &FileRoot)> {
    let roots = permit.snapshot.settings.roots.iter();
    roots.filter(|(name, _)| granted_to(permit, Thing::FileRoot, name.as_str()).is_ok())
}

/// The databases that the call may query.
pub fn databases(permit: &Permit) -> impl Iterator<Item = (&DatabaseName, &Database)> {
    let databases = permit.snapshot.settings.databases.iter();
    databases.filter(|(name, _)| granted_to(permit, Thing::Database, name.as_str()).is_ok())
}

fn granted_to(permit: &Permit, thing: Thing, name: &str) -> Result<(), Vec<Reason>> {
    let (agent, tenant) = standing(&permit.snapshot, &permit.principal)?;
    let reasons = granted(&permit.principal, agent, tenant, thing, name);
    if reasons.is_empty() { Ok(()) } else { Err(reasons) }
}

/// Why a tool could do nothing with a capability, whatever it is asked.
pub(super) fn nothing_granted(
    principal: &Principal,
    agent: &Agent,
    tenant: &Tenant,
    tool: &Tool,
    capability: Capability,
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let Some(thing) = reads(capability) else { return reasons };
    let tool = &tool.spec.name;
    if is_idle(&agent.grant, capability) {
        let agent = principal.agent.clone();
        reasons.push(StoreReason::NothingGrantedToAgent { agent, tool: tool.clone(), thing }.into());
    }
    if is_idle(&tenant.grant, capability) {
        let tenant = principal.tenant.clone();
        reasons.push(StoreReason::NothingGrantedToTenant { tenant, tool: tool.clone(), thing }.into());
    }
    reasons
}

/// Whether nothing is granted that a capability could be used on.
pub(super) fn is_idle(grant: &Grant, capability: Capability) -> bool {
    reads(capability).is_some_and(|thing| patterns(grant, thing).is_empty())
}

/// What a capability is used on, where that is granted by name.
fn reads(capability: Capability) -> Option<Thing> {
    match capability {
        Capability::FsRead => Some(Thing::FileRoot),
        Capability::DbRead => Some(Thing::Database),
        Capability::NetworkOutbound | Capability::LlmQuery => None,
    }
}

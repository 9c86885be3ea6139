//! What agents may use, before and after, judged with as little work as shows
//! every difference.

use std::collections::{BTreeSet, HashMap};

use super::{
    Side,
    names::{Kind, Name, Needs},
};
use crate::{
    id::TenantId,
    policy,
    settings::{Grant, Settings},
};

/// The rights of a tenant's agents, as far as they depend on all but the agents.
pub(super) struct Rights<'a> {
    old: Side<'a>,
    new: Side<'a>,
    ceilings: HashMap<(&'a TenantId, &'a TenantId), Ceiling<'a>>,
}

/// What an agent can have that was in one tenant and is in another, mostly the
/// same.
struct Ceiling<'a> {
    tenants: (Option<&'a Grant>, Option<&'a Grant>),
    all: Vec<Candidate<'a>>,
    /// Those that an agent may gain or lose whose own grant is unchanged.
    differing: Vec<Candidate<'a>>,
}

/// A name, and what it takes of an agent; nothing helps where it is `None`.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    name: &'a Name,
    old: Option<&'a Needs>,
    new: Option<&'a Needs>,
}

/// What one agent loses and gains, in the order of names.
#[derive(Default)]
pub(super) struct Differences<'a> {
    pub(super) lost: Vec<&'a Name>,
    pub(super) gained: Vec<&'a Name>,
}

/// An agent's own grant, and its tenant.
#[derive(Clone, Copy)]
pub(super) struct Standing<'a> {
    pub(super) grant: &'a Grant,
    pub(super) tenant: &'a TenantId,
}

impl<'a> Rights<'a> {
    pub(super) fn new(old: Side<'a>, new: Side<'a>) -> Self {
        Self { old, new, ceilings: HashMap::new() }
    }

    /// What an agent loses and gains. One that was not there gains all it has.
    pub(super) fn differences(&mut self, was: Option<Standing<'a>>, is: Standing<'a>) -> Differences<'a> {
        let (old, new) = (self.old, self.new);
        let tenants = (was.map_or(is.tenant, |was| was.tenant), is.tenant);
        let ceiling = self.ceilings.entry(tenants).or_insert_with(|| Ceiling::new(old, new, tenants));
        let same = was.is_some_and(|was| was.grant == is.grant);
        let candidates = if same { &ceiling.differing } else { &ceiling.all };
        let mut differences = Differences::default();
        for Candidate { name, old: before, new: after } in candidates {
            let could = was
                .zip(*before)
                .is_some_and(|(was, needs)| lets_through(was.grant, ceiling.tenants.0, name, needs));
            let can = after.is_some_and(|needs| lets_through(is.grant, ceiling.tenants.1, name, needs));
            match (could, can) {
                (true, false) => differences.lost.push(name),
                (false, true) => differences.gained.push(name),
                _ => {}
            }
        }
        differences
    }
}

impl<'a> Ceiling<'a> {
    fn new(old: Side<'a>, new: Side<'a>, (was, is): (&TenantId, &TenantId)) -> Self {
        let grant = |settings: &'a Settings, tenant| settings.tenants.get(tenant).map(|tenant| &tenant.grant);
        let (was, is) = (grant(old.settings, was), grant(new.settings, is));
        let same_resources = was.map(|was| &was.resources) == is.map(|is| &is.resources);
        let names: BTreeSet<&Name> = old.names.names.keys().chain(new.names.names.keys()).collect();
        let mut ceiling = Self { tenants: (was, is), all: Vec::new(), differing: Vec::new() };
        for name in names {
            let within = |side: Side<'a>, tenant: Option<&Grant>| {
                let needs = side.names.names.get(name).filter(|needs| !needs.withheld)?;
                let open = match name.kind {
                    Kind::One(thing) => policy::lets_through(tenant?, thing, &name.text, &needs.capabilities),
                    // Depends on agent and tenant together.
                    Kind::Template => true,
                };
                open.then_some(needs)
            };
            let candidate = Candidate { name, old: within(old, was), new: within(new, is) };
            let same = match (candidate.old, candidate.new) {
                (Some(old), Some(new)) => {
                    old.capabilities == new.capabilities && (name.kind != Kind::Template || same_resources)
                }
                (None, None) => continue,
                _ => false,
            };
            ceiling.all.push(candidate);
            if !same {
                ceiling.differing.push(candidate);
            }
        }
        ceiling
    }
}

fn lets_through(agent: &Grant, tenant: Option<&Grant>, name: &Name, needs: &Needs) -> bool {
    match (name.kind, &needs.template) {
        (Kind::One(thing), _) => policy::lets_through(agent, thing, &name.text, &needs.capabilities),
        (Kind::Template, Some(template)) => {
            tenant.is_some_and(|tenant| policy::could_read(agent, tenant, template))
        }
        (Kind::Template, None) => false,
    }
}

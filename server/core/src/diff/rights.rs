//! What agents may use, before and after, judged with as little work as shows
//! every difference.

use std::collections::{BTreeSet, HashMap};

use super::{
    Side,
    change::What,
    names::{Kind, Name, Needs},
    patterns::{Compared, Effective},
};
use crate::{
    id::TenantId,
    policy,
    settings::{Agent, Grant, Settings},
};

/// The rights of a tenant's agents, as far as they depend on all but the agents.
pub(super) struct Rights<'a> {
    old: Side<'a>,
    new: Side<'a>,
    /// Whether there is the same to be used.
    same_names: bool,
    ceilings: HashMap<(&'a TenantId, &'a TenantId), Ceiling<'a>>,
}

/// What an agent can have that was in one tenant and is in another, mostly the
/// same.
struct Ceiling<'a> {
    tenants: (Option<&'a Grant>, Option<&'a Grant>),
    /// Whether the two grant the same.
    same: bool,
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

/// What changes in one agent's rights.
#[derive(Default)]
pub(super) struct RightsChanges<'a> {
    /// Names it could use and no longer can, in order.
    pub(super) lost: Vec<&'a Name>,
    /// Names it can use and could not, in order.
    pub(super) gained: Vec<&'a Name>,
    /// What no name shows.
    pub(super) patterns: Vec<What>,
}

impl<'a> Rights<'a> {
    pub(super) fn new(old: Side<'a>, new: Side<'a>) -> Self {
        Self { old, new, same_names: old.names.same_as(new.names), ceilings: HashMap::new() }
    }

    /// The changes for an agent. One that was not there gains all it has.
    pub(super) fn changes(&mut self, was: Option<&'a Agent>, is: &'a Agent) -> RightsChanges<'a> {
        let (old, new) = (self.old, self.new);
        let tenants = (&was.unwrap_or(is).tenant, &is.tenant);
        let grant = |side: Side<'a>, tenant| side.settings.tenants.get(tenant).map(|tenant| &tenant.grant);
        // Most agents, after most edits: no name needs to be looked at.
        if self.same_names
            && was.is_some_and(|was| was.grant == is.grant)
            && grant(old, tenants.0) == grant(new, tenants.1)
        {
            return RightsChanges::default();
        }
        let ceiling = self.ceilings.entry(tenants).or_insert_with(|| Ceiling::new(old, new, tenants));
        let was = was.map(|was| &was.grant);
        let same = was == Some(&is.grant);
        let mut changes = ceiling.names(was, &is.grant, same);
        if !(same && ceiling.same) {
            let before = was.zip(ceiling.tenants.0).map(|(agent, tenant)| Effective::of(agent, tenant));
            let after = ceiling.tenants.1.map(|tenant| Effective::of(&is.grant, tenant));
            let compared = Compared { old: old.names, new: new.names, is_new: was.is_none() };
            changes.patterns = compared.changes(&before.unwrap_or_default(), &after.unwrap_or_default());
        }
        changes
    }
}

impl<'a> Ceiling<'a> {
    fn new(old: Side<'a>, new: Side<'a>, (was, is): (&TenantId, &TenantId)) -> Self {
        let grant = |settings: &'a Settings, tenant| settings.tenants.get(tenant).map(|tenant| &tenant.grant);
        let (was, is) = (grant(old.settings, was), grant(new.settings, is));
        let same_resources = was.map(|was| &was.resources) == is.map(|is| &is.resources);
        let names: BTreeSet<&Name> = old.names.names.keys().chain(new.names.names.keys()).collect();
        let mut ceiling =
            Self { tenants: (was, is), same: was == is, all: Vec::new(), differing: Vec::new() };
        for name in names {
            let within = |side: Side<'a>, tenant: Option<&Grant>| {
                let needs = side.names.names.get(name).filter(|needs| !needs.withheld)?;
                let open = match name.kind {
                    Kind::One(thing) => policy::lets_through(tenant?, thing, &name.text, needs.of_grants()),
                    // Depends on agent and tenant together.
                    Kind::Template => true,
                };
                open.then_some(needs)
            };
            let candidate = Candidate { name, old: within(old, was), new: within(new, is) };
            let same = match (candidate.old, candidate.new) {
                (Some(old), Some(new)) => {
                    old.takes_the_same(new) && (name.kind != Kind::Template || same_resources)
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

    /// The names that an agent loses and gains; `same`: its own grant is.
    fn names(&self, was: Option<&Grant>, is: &Grant, same: bool) -> RightsChanges<'a> {
        let mut changes = RightsChanges::default();
        for Candidate { name, old, new } in if same { &self.differing } else { &self.all } {
            let could =
                was.zip(*old).is_some_and(|(was, needs)| lets_through(was, self.tenants.0, name, needs));
            let can = new.is_some_and(|needs| lets_through(is, self.tenants.1, name, needs));
            match (could, can) {
                (true, false) => changes.lost.push(name),
                (false, true) => changes.gained.push(name),
                _ => {}
            }
        }
        changes
    }
}

fn lets_through(agent: &Grant, tenant: Option<&Grant>, name: &Name, needs: &Needs) -> bool {
    match (name.kind, &needs.template) {
        (Kind::One(thing), _) => policy::lets_through(agent, thing, &name.text, needs.of_grants()),
        (Kind::Template, Some(template)) => {
            tenant.is_some_and(|tenant| policy::could_read(agent, tenant, template))
        }
        (Kind::Template, None) => false,
    }
}

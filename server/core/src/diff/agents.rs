//! Agents: who comes and goes, and what changes for those who stay.

use std::collections::{BTreeMap, HashSet};

use super::{
    Counts, Side,
    change::{Change, Subject, What},
    models,
    names::Name,
    pairs::{Pair, paired},
    rights::{Rights, RightsChanges},
};
use crate::{
    id::{AgentId, TenantId},
    limits::Limits,
    policy::Thing,
    secret::TokenDigest,
    settings::Agent,
};

/// Up to so many agents to whom the same happens have a sentence each.
const APART: usize = 3;

/// What changes for agents, and how many it concerns.
pub(super) fn changes(old: Side<'_>, new: Side<'_>) -> (Vec<Change>, Counts) {
    let mut counts = Counts { before: old.settings.agents.len(), ..Counts::default() };
    let mut alike = Alike::default();
    let mut rights = Rights::new(old, new);
    for (id, pair) in paired(&old.settings.agents, &new.settings.agents) {
        match pair {
            Pair::Old(was) => {
                counts.removed += 1;
                alike.add(Happening::Other(What::Removed), &was.tenant, id);
            }
            Pair::Both(was, is) => {
                let changes = rights.changes(Some(was), is);
                counts.losing += usize::from(!changes.lost.is_empty());
                alike.rights(&changes, &is.tenant, id);
                let others = own_changes(was, is).into_iter().chain(changes.patterns);
                others.for_each(|what| alike.add(Happening::Other(what), &is.tenant, id));
            }
            Pair::New(is) => {
                let changes = rights.changes(None, is);
                alike.add(Happening::New(changes.gained), &is.tenant, id);
                let patterns = changes.patterns.into_iter();
                patterns.for_each(|what| alike.add(Happening::Other(what), &is.tenant, id));
            }
        }
    }
    (alike.into_changes(), counts)
}

/// What changes of an agent besides its rights.
fn own_changes(was: &Agent, is: &Agent) -> Vec<What> {
    let mut changes = Vec::new();
    if was.tenant != is.tenant {
        changes.extend(What::value("tenant", &was.tenant, &is.tenant));
    }
    changes.extend(What::filters(was.filters, is.filters));
    if was.tokens != is.tokens {
        changes.extend(tokens(&was.tokens, &is.tokens));
    }
    if was.limits != is.limits {
        changes.extend(limits(&was.limits, &is.limits));
    }
    changes.extend(models::grant((&was.llm, &was.budget), (&is.llm, &is.budget)));
    changes
}

fn tokens(was: &[TokenDigest], is: &[TokenDigest]) -> Option<What> {
    let without = |these: &[TokenDigest], those: &[TokenDigest]| {
        let those: HashSet<_> = those.iter().collect();
        these.iter().collect::<HashSet<_>>().difference(&those).count()
    };
    let (removed, added) = (without(was, is), without(is, was));
    let replaced = removed.min(added);
    (removed + added > 0).then(|| What::Tokens {
        replaced,
        added: added - replaced,
        removed: removed - replaced,
    })
}

fn limits(was: &Limits, is: &Limits) -> impl Iterator<Item = What> {
    [
        What::value("rate_limit", was.rate, is.rate),
        What::value("concurrency", was.concurrency, is.concurrency),
        What::value("timeout_seconds", was.timeout_seconds, is.timeout_seconds),
        What::value("max_payload_bytes", was.max_payload_bytes, is.max_payload_bytes),
        What::value("max_response_bytes", was.max_response_bytes, is.max_response_bytes),
    ]
    .into_iter()
    .flatten()
}

/// What happens to agents, and to which: what is the same for many is told once.
#[derive(Default)]
struct Alike<'a>(BTreeMap<(Happening<'a>, &'a TenantId), Vec<&'a AgentId>>);

/// Something that happens to an agent. Names are copied once it is known to how
/// many it does.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Happening<'a> {
    Loses(Thing, Vec<&'a Name>),
    Gains(Thing, Vec<&'a Name>),
    New(Vec<&'a Name>),
    Other(What),
}

impl<'a> Alike<'a> {
    fn add(&mut self, happening: Happening<'a>, tenant: &'a TenantId, agent: &'a AgentId) {
        self.0.entry((happening, tenant)).or_default().push(agent);
    }

    fn rights(&mut self, changes: &RightsChanges<'a>, tenant: &'a TenantId, agent: &'a AgentId) {
        for thing in [Thing::Tool, Thing::Resource, Thing::Prompt] {
            let of_thing = |names: &[&'a Name]| -> Vec<&'a Name> {
                names.iter().copied().filter(|name| name.kind.thing() == thing).collect()
            };
            let (lost, gained) = (of_thing(&changes.lost), of_thing(&changes.gained));
            if !lost.is_empty() {
                self.add(Happening::Loses(thing, lost), tenant, agent);
            }
            if !gained.is_empty() {
                self.add(Happening::Gains(thing, gained), tenant, agent);
            }
        }
    }

    fn into_changes(self) -> Vec<Change> {
        let mut changes = Vec::new();
        for ((happening, tenant), agents) in self.0 {
            let what = happening.told();
            let agents: Vec<AgentId> = agents.into_iter().cloned().collect();
            let groups = agents.chunks(if agents.len() > APART { agents.len() } else { 1 });
            changes.extend(groups.map(|agents| Change {
                subject: Subject::Agents { tenant: tenant.clone(), agents: agents.to_vec() },
                what: what.clone(),
            }));
        }
        changes.sort_by_key(|change| change.what.rank());
        changes
    }
}

impl Happening<'_> {
    fn told(self) -> What {
        let texts = |names: Vec<&Name>| names.into_iter().map(|name| name.text.clone()).collect();
        match self {
            Self::Loses(thing, names) => What::Loses { thing, names: texts(names) },
            Self::Gains(thing, names) => What::Gains { thing, names: texts(names) },
            Self::New(names) => What::New { names: texts(names) },
            Self::Other(what) => what,
        }
    }
}

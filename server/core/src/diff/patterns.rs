//! Rights that no loaded name shows: patterns that cover none, or more than is
//! there today.

use std::collections::BTreeSet;

use plugin_contract::Capability;

use super::{
    change::{What, shown},
    names::{Kind, Names},
};
use crate::{
    egress::{Mode, Rule},
    id::SecretName,
    pattern::{Pattern, Patterns},
    policy::{self, Thing},
    settings::Grant,
};

const THINGS: [Thing; 3] = [Thing::Tool, Thing::Resource, Thing::Prompt];

/// What agent and tenant grant together, as patterns; by default nothing.
#[derive(Default)]
pub(super) struct Effective {
    granted: [Patterns; 3],
    deny: Patterns,
    capabilities: BTreeSet<Capability>,
    egress: BTreeSet<Rule>,
    egress_deny: BTreeSet<Rule>,
    egress_mode: [Mode; 2],
    secrets: BTreeSet<SecretName>,
}

/// Why a pattern is worth a word of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Note {
    NoneLoaded,
    LaterToo,
    /// It covers some of a family of resources, and nobody knows which there are.
    Family,
}

impl Effective {
    pub(super) fn of(agent: &Grant, tenant: &Grant) -> Self {
        Self {
            granted: THINGS
                .map(|thing| policy::patterns(agent, thing).intersection(policy::patterns(tenant, thing))),
            deny: agent.deny.iter().chain(tenant.deny.iter()).cloned().collect(),
            capabilities: agent.capabilities.intersection(&tenant.capabilities).copied().collect(),
            egress: agent.egress.both(&tenant.egress).into_iter().cloned().collect(),
            egress_deny: agent.egress.deny.iter().chain(&tenant.egress.deny).cloned().collect(),
            egress_mode: [agent.egress.mode, tenant.egress.mode],
            secrets: agent.secrets.intersection(&tenant.secrets).cloned().collect(),
        }
    }
}

/// The names that are known, before and after.
pub(super) struct Compared<'a> {
    pub(super) old: &'a Names,
    pub(super) new: &'a Names,
    /// Whether the agent was not there before.
    pub(super) is_new: bool,
}

impl Compared<'_> {
    pub(super) fn changes(&self, before: &Effective, after: &Effective) -> Vec<What> {
        let mut changes = Vec::new();
        for (thing, (before, after)) in THINGS.into_iter().zip(before.granted.iter().zip(&after.granted)) {
            changes.extend(self.list(thing, thing.key(), before, after));
        }
        // To deny what is not granted changes nothing.
        let [tools, ..] = &after.granted;
        let denied = |side: &Effective| side.deny.intersection(tools);
        changes.extend(self.list(Thing::Tool, "deny", &denied(before), &denied(after)));
        changes.extend(self.capabilities(before, after));
        changes.extend(What::list("egress", &before.egress, &after.egress));
        changes.extend(What::list("egress_deny", &before.egress_deny, &after.egress_deny));
        let [own, of_tenant] =
            [0, 1].map(|level| (before.egress_mode.get(level), after.egress_mode.get(level)));
        for (what, (was, is)) in [("egress_mode", own), ("its tenant's egress_mode", of_tenant)] {
            changes.extend(was.zip(is).and_then(|(was, is)| What::value(what, was, is)));
        }
        changes.extend(What::list("secrets", &before.secrets, &after.secrets));
        changes
    }

    /// The patterns of one list that are worth a word, by the reason why.
    fn list(&self, thing: Thing, list: &'static str, before: &Patterns, after: &Patterns) -> Vec<What> {
        let added = beyond(after, before).map(|pattern| (pattern, self.note(thing, pattern, false)));
        let removed = beyond(before, after).map(|pattern| (pattern, self.note(thing, pattern, true)));
        let (added, removed): (Vec<_>, Vec<_>) = (added.collect(), removed.collect());
        let noted = |note| {
            let with_note = |patterns: &[(&Pattern, Option<Note>)]| -> Vec<String> {
                let these = patterns.iter().filter(|(_, its)| *its == Some(note));
                these.map(|(pattern, _)| shown(pattern.as_str())).collect()
            };
            let (added, removed) = (with_note(&added), with_note(&removed));
            let some = !added.is_empty() || !removed.is_empty();
            some.then(|| What::List { list, added, removed, note: note.text(thing) })
        };
        [Note::NoneLoaded, Note::LaterToo, Note::Family].into_iter().filter_map(noted).collect()
    }

    /// `None` if the names that the pattern covers say it all.
    fn note(&self, thing: Thing, pattern: &Pattern, removed: bool) -> Option<Note> {
        let covers = |names: &Names| {
            let mut names = names.names.keys().filter(|name| name.kind == Kind::One(thing));
            names.any(|name| pattern.covers(&name.text))
        };
        let families = [self.old, self.new].into_iter().flat_map(|names| names.names.values());
        let mut templates = families.filter_map(|needs| needs.template.as_ref());
        if thing == Thing::Resource && templates.any(|template| policy::overlaps(pattern.as_str(), template))
        {
            return (!self.is_new).then_some(Note::Family);
        }
        // What is loaded no more is told as a loss.
        let is_told = covers(self.new) || (removed && covers(self.old));
        if !is_told {
            return Some(Note::NoneLoaded);
        }
        let told = !self.is_new || thing == Thing::Tool;
        (told && pattern.as_str().ends_with('*')).then_some(Note::LaterToo)
    }

    /// Capabilities that no tool shows, because none needs them.
    fn capabilities(&self, before: &Effective, after: &Effective) -> Option<What> {
        let unused = |names: &Names, capability: &Capability| {
            !names.names.values().any(|needs| needs.capabilities.contains(capability))
        };
        let beyond = |these: &Effective, those: &Effective, names: &Names| -> Vec<String> {
            let beyond = these.capabilities.difference(&those.capabilities);
            beyond.filter(|it| unused(names, it)).map(ToString::to_string).collect()
        };
        let added = beyond(after, before, self.new);
        let removed = beyond(before, after, self.old);
        let note = Some("no tool that needs it is loaded".to_owned());
        let some = !added.is_empty() || !removed.is_empty();
        some.then_some(What::List { list: "capabilities", added, removed, note })
    }
}

/// The patterns in one list that cover more than another list does.
fn beyond<'p>(these: &'p Patterns, those: &'p Patterns) -> impl Iterator<Item = &'p Pattern> {
    these.iter().filter(|pattern| !those.iter().any(|other| other.covers_pattern(pattern)))
}

impl Note {
    fn text(self, thing: Thing) -> Option<String> {
        match self {
            Self::NoneLoaded => Some(format!("no such {thing} is loaded")),
            Self::LaterToo => Some(format!("also {thing}s that are loaded later")),
            Self::Family => None,
        }
    }
}

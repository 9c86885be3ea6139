//! What there is to be used: the names that rights are judged over.

use std::collections::{BTreeMap, BTreeSet};

use plugin_contract::{Capability, Manifest, PluginName, template::UriTemplate};

use crate::{
    egress::{Rule, Rules},
    policy::Thing,
    registry::Registry,
    settings::PluginSettings,
};

/// The names that plugins offer, and what using them takes.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub(super) plugins: BTreeMap<PluginName, Release>,
    pub(super) names: BTreeMap<Name, Needs>,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) kind: Kind,
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    One(Thing),
    /// A family of resources.
    Template,
}

impl Kind {
    pub(super) fn thing(self) -> Thing {
        match self {
            Self::One(thing) => thing,
            Self::Template => Thing::Resource,
        }
    }
}

/// What a use of a name takes.
#[derive(Clone, Debug, Default)]
pub(super) struct Needs {
    /// Of agent and tenant.
    pub(super) capabilities: BTreeSet<Capability>,
    /// Hosts that the plugin declares.
    pub(super) declared: Vec<Rule>,
    /// Whether the plugin's entry leaves out one of them, or where it has to go, so
    /// that nobody can use it.
    pub(super) withheld: bool,
    /// Recognises a family's members.
    pub(super) template: Option<UriTemplate>,
}

/// Which one of a plugin's releases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Release {
    pub(super) version: String,
    pub(super) release: u64,
}

impl Needs {
    /// Whether using it takes the same of agent and tenant.
    pub(super) fn takes_the_same(&self, other: &Self) -> bool {
        (&self.capabilities, &self.declared) == (&other.capabilities, &other.declared)
    }

    /// What it takes.
    pub(super) fn of_grants(&self) -> (&BTreeSet<Capability>, &[Rule]) {
        (&self.capabilities, &self.declared)
    }
}

impl Names {
    /// What a registry offers, as far as the operator's entries let it.
    #[must_use]
    pub fn of(registry: &Registry, settings: &PluginSettings) -> Self {
        let mut names = Self::default();
        for plugin in registry.plugins() {
            let entry = settings.entries.get(&plugin.manifest.name);
            let egress = entry.and_then(|entry| entry.egress.as_ref());
            names.add(&plugin.manifest, &plugin.granted, egress);
        }
        names
    }

    /// What manifests say that they offer, taken at their word, as far as the
    /// operator's entries let the plugins in.
    #[must_use]
    pub fn claimed<'m>(manifests: impl IntoIterator<Item = &'m Manifest>, settings: &PluginSettings) -> Self {
        let mut names = Self::default();
        for manifest in manifests {
            let entry = settings.entries.get(&manifest.name).cloned().unwrap_or_default();
            if entry.enabled && !names.plugins.contains_key(&manifest.name) {
                names.add(manifest, &entry.capabilities, entry.egress.as_ref());
            }
        }
        names
    }

    /// Whether the same is offered, and takes the same of who uses it.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        // What a template recognises is in its name.
        let same = |(one, it): (&Needs, &Needs)| one.takes_the_same(it) && one.withheld == it.withheld;
        self.names.keys().eq(other.names.keys()) && self.names.values().zip(other.names.values()).all(same)
    }

    fn add(&mut self, manifest: &Manifest, granted: &BTreeSet<Capability>, egress: Option<&Rules>) {
        let release = Release { version: manifest.version.to_string(), release: manifest.release };
        self.plugins.insert(manifest.name.clone(), release);
        let declared: Vec<Rule> = manifest.egress.iter().filter_map(|text| text.parse().ok()).collect();
        let is_kept_in = egress.is_some_and(|rules| !rules.reach(&declared));
        for tool in &manifest.tools {
            let capabilities = tool.capabilities.clone();
            let goes_out = capabilities.contains(&Capability::NetworkOutbound);
            let withheld = !capabilities.is_subset(granted) || (goes_out && is_kept_in);
            let needs = Needs { capabilities, declared: declared.clone(), withheld, template: None };
            self.insert(Kind::One(Thing::Tool), tool.name.as_str(), needs);
        }
        for resource in &manifest.resources {
            self.insert(Kind::One(Thing::Resource), resource.uri.as_str(), Needs::default());
        }
        for spec in &manifest.resource_templates {
            if let Ok(template) = UriTemplate::new(spec.uri_template.as_str()) {
                let needs = Needs { template: Some(template), ..Needs::default() };
                self.insert(Kind::Template, spec.uri_template.as_str(), needs);
            }
        }
        for prompt in &manifest.prompts {
            self.insert(Kind::One(Thing::Prompt), prompt.name.as_str(), Needs::default());
        }
    }

    fn insert(&mut self, kind: Kind, text: &str, needs: Needs) {
        self.names.entry(Name { kind, text: text.to_owned() }).or_insert(needs);
    }
}

//! `profiles`, `tenants`, and the lists of rights that agents have too.

use std::collections::{BTreeMap, BTreeSet};

use plugin_contract::Capability;

use super::{Compiler, Place, egress};
use crate::{
    config::{
        PROMPTS, RESOURCES,
        raw::{RawAgent, RawDisclosure, RawEgressMode, RawProfile, RawTenant, Texts},
    },
    egress::{Rule, Rules},
    id::{ProfileName, SecretName, TenantId},
    limits::LimitCeilings,
    pattern::{Pattern, Patterns},
    settings::{Disclosure, Grant, Tenant},
};

/// The lists of rights of a profile, a tenant or an agent.
pub(super) struct RawRights<'a> {
    pub(super) tools: Option<&'a Texts>,
    deny: Option<&'a Texts>,
    pub(super) resources: Option<&'a Texts>,
    pub(super) prompts: Option<&'a Texts>,
    pub(super) capabilities: Option<&'a Texts>,
    pub(super) egress: Option<&'a Texts>,
    egress_deny: Option<&'a Texts>,
    pub(super) secrets: Option<&'a Texts>,
}

macro_rules! raw_rights {
    ($($raw:ident),*) => {$(
        impl<'a> From<&'a $raw> for RawRights<'a> {
            fn from(raw: &'a $raw) -> Self {
                Self {
                    tools: raw.tools.as_ref(),
                    deny: raw.deny.as_ref(),
                    resources: raw.resources.as_ref(),
                    prompts: raw.prompts.as_ref(),
                    capabilities: raw.capabilities.as_ref(),
                    egress: raw.egress.as_ref(),
                    egress_deny: raw.egress_deny.as_ref(),
                    secrets: raw.secrets.as_ref(),
                }
            }
        }
    )*};
}

raw_rights!(RawProfile, RawTenant, RawAgent);

/// The same, parsed. `None` is a list that is not there.
#[derive(Clone, Debug, Default)]
pub(super) struct Rights {
    tools: Vec<Pattern>,
    deny: Vec<Pattern>,
    resources: Option<Vec<Pattern>>,
    prompts: Option<Vec<Pattern>>,
    capabilities: BTreeSet<Capability>,
    egress: Vec<Rule>,
    egress_deny: Vec<Rule>,
    secrets: BTreeSet<SecretName>,
}

impl Rights {
    /// What either of the two grants or denies.
    pub(super) fn and(mut self, other: &Self) -> Self {
        let unite = |mine: &mut Option<Vec<Pattern>>, theirs: &Option<Vec<Pattern>>| {
            if let Some(theirs) = theirs {
                mine.get_or_insert_default().extend_from_slice(theirs);
            }
        };
        self.tools.extend_from_slice(&other.tools);
        self.deny.extend_from_slice(&other.deny);
        unite(&mut self.resources, &other.resources);
        unite(&mut self.prompts, &other.prompts);
        self.capabilities.extend(&other.capabilities);
        self.egress.extend_from_slice(&other.egress);
        self.egress_deny.extend_from_slice(&other.egress_deny);
        self.secrets.extend(other.secrets.iter().cloned());
        self
    }

    /// As a grant, with the default where a list is not there.
    pub(super) fn grant(self, egress_mode: Option<RawEgressMode>) -> Grant {
        Grant {
            tools: self.tools.into_iter().collect(),
            deny: self.deny.into_iter().collect(),
            resources: self.resources.map_or_else(|| default_patterns(&RESOURCES), Patterns::from_iter),
            prompts: self.prompts.map_or_else(|| default_patterns(&PROMPTS), Patterns::from_iter),
            capabilities: self.capabilities,
            egress: Rules { allow: self.egress, deny: self.egress_deny, mode: egress::mode(egress_mode) },
            secrets: self.secrets,
        }
    }
}

/// A profile, ready to be added to an agent.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub(super) rights: Rights,
    pub(super) limits: LimitCeilings,
}

impl Compiler<'_> {
    pub(super) fn profiles(
        &mut self,
        place: &Place,
        raw: &BTreeMap<String, RawProfile>,
    ) -> BTreeMap<ProfileName, Profile> {
        self.named(place, raw, |compiler, place, raw| {
            let rights = compiler.rights(place, &raw.into());
            let limits = compiler.limits(&place.key("limits"), &raw.limits);
            Some(Profile { rights, limits })
        })
    }

    pub(super) fn tenants(
        &mut self,
        place: &Place,
        raw: &BTreeMap<String, RawTenant>,
    ) -> BTreeMap<TenantId, Tenant> {
        self.named(place, raw, |compiler, place, raw| {
            let disclosure = match raw.disclosure {
                None | Some(RawDisclosure::Reasons) => Disclosure::Reasons,
                Some(RawDisclosure::Opaque) => Disclosure::Opaque,
            };
            let grant = compiler.rights(place, &raw.into()).grant(raw.egress_mode);
            let limits = compiler.limits(&place.key("limits"), &raw.limits);
            let llm = compiler.tenant_llm(&place.key("llm"), &raw.llm);
            let budget = compiler.tenant_budget(&place.key("budget"), &raw.budget);
            Some(Tenant { grant, limits, llm, budget, disclosure })
        })
    }

    pub(super) fn rights(&mut self, place: &Place, raw: &RawRights<'_>) -> Rights {
        let egress = self.rules(&place.key("egress"), raw.egress);
        let egress_deny = self.rules(&place.key("egress_deny"), raw.egress_deny);
        let secrets = self.secret_names(&place.key("secrets"), raw.secrets);
        let mut list = |key: &'static str, texts: Option<&Texts>| {
            texts.map(|texts| self.patterns(&place.key(key), texts))
        };
        Rights {
            tools: list("tools", raw.tools).unwrap_or_default(),
            deny: list("deny", raw.deny).unwrap_or_default(),
            resources: list("resources", raw.resources),
            prompts: list("prompts", raw.prompts),
            capabilities: Self::capabilities(raw.capabilities),
            egress,
            egress_deny,
            secrets,
        }
    }
}

/// Patterns of our own. A test sees that each of them is one.
pub(in crate::config) fn default_patterns(patterns: &[&str]) -> Patterns {
    patterns.iter().filter_map(|pattern| pattern.parse().ok()).collect()
}

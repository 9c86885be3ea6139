//! `agents`: who may connect, as whom, and what is odd about what they may do.

use std::collections::BTreeMap;

use plugin_contract::Capability;

use super::{
    Compiler, Place,
    limits::first_of,
    rights::{Profile, RawRights},
    tokens::Owners,
};
use crate::{
    config::{
        mask::quoted,
        raw::{RawAgent, Texts},
        suggest::{closest, listed},
    },
    id::{AgentId, ProfileName, TenantId},
    limits::LimitCeilings,
    pattern::{Pattern, Patterns},
    settings::{Agent, Grant, Tenant},
};

/// What agents refer to.
pub(super) struct Around<'a> {
    /// For agents that set none of their own.
    pub(super) limits: LimitCeilings,
    pub(super) profiles: BTreeMap<ProfileName, Profile>,
    pub(super) tenants: &'a BTreeMap<TenantId, Tenant>,
}

impl Compiler<'_> {
    pub(super) fn agents(
        &mut self,
        place: &Place,
        raw: &BTreeMap<String, RawAgent>,
        around: &Around<'_>,
    ) -> BTreeMap<AgentId, Agent> {
        let includes = Place::root().key("include");
        let place_of_none = match self.report.tree().get("agents") {
            Some(agents) => agents.entries().is_empty().then_some(place),
            None => self.report.has(&Place::root(), "include").then_some(&includes),
        };
        if let Some(place) = place_of_none.filter(|_| raw.is_empty()) {
            let message = "there are no agents, so nobody can connect".to_owned();
            self.report.warning(place, "no_agents", message, None);
        }
        let mut owners = Owners::new();
        self.named(place, raw, |compiler, place, raw| compiler.agent(place, raw, around, &mut owners))
    }

    fn agent(
        &mut self,
        place: &Place,
        raw: &RawAgent,
        around: &Around<'_>,
        owners: &mut Owners,
    ) -> Option<Agent> {
        let tenant_id = self.tenant_of(place, raw);
        let tokens = self.tokens(place, raw, owners);
        let profiles = self.profiles_of(place, raw, around);
        let rights = RawRights::from(raw);
        let own = self.rights(place, &rights);
        let limits = self.limits(&place.key("limits"), &raw.limits);
        let llm = self.agent_llm(&place.key("llm"), &raw.llm);
        let budget = self.agent_budget(&place.key("llm"), &raw.llm);
        if let Some((id, tenant)) = tenant_id.as_ref().and_then(|id| around.tenants.get_key_value(id)) {
            self.warn_about_rights(place, &rights, id, &tenant.grant);
            self.warn_about_egress(place, &rights, id, &tenant.grant);
            self.warn_about_limits(&place.key("limits"), &limits, id, &tenant.limits);
        }
        let all = profiles.iter().fold(own, |rights, profile| rights.and(&profile.rights));
        let levels = [&limits]
            .into_iter()
            .chain(profiles.iter().map(|profile| &profile.limits))
            .chain([&around.limits]);
        let tenant = tenant_id?;
        let grant = all.grant(raw.egress_mode);
        let above = around.tenants.get(&tenant);
        self.warn_about_models(place, &llm, &budget, &grant, &tenant, above);
        let ceiling = above.map(|tenant| tenant.limits).unwrap_or_default();
        Some(Agent { tenant, tokens, grant, limits: first_of(levels).under(&ceiling), llm, budget })
    }

    fn tenant_of(&mut self, place: &Place, raw: &RawAgent) -> Option<TenantId> {
        let name = raw.tenant.as_deref()?;
        let place = place.key("tenant");
        if let Some(known) = self.unknown("tenants", name) {
            self.refer_to_nothing(&place, "unknown_tenant", "tenant", name, &known);
            return None;
        }
        // A tenant whose name is invalid has been reported there.
        name.parse().ok()
    }

    fn profiles_of<'p>(&mut self, place: &Place, raw: &RawAgent, around: &'p Around<'_>) -> Vec<&'p Profile> {
        let mut profiles = Vec::new();
        for (item, name) in raw.profiles.iter().flat_map(Texts::iter) {
            if let Some(known) = self.unknown("profiles", name) {
                let place = place.key("profiles").item(item);
                self.refer_to_nothing(&place, "unknown_profile", "profile", name, &known);
            }
            profiles.extend(around.profiles.get(name));
        }
        profiles
    }

    /// The names that `section` has, if `name` is none of them. A section that
    /// is missing where it must not be, or no mapping, is a problem of its own.
    pub(super) fn unknown(&self, section: &'static str, name: &str) -> Option<Vec<String>> {
        match self.report.tree().get(section) {
            Some(node) if node.is_map() && node.get(name).is_none() => {}
            None if matches!(section, "profiles" | "secrets") => {}
            _ => return None,
        }
        if self.report.is_full() {
            return Some(Vec::new());
        }
        let place = Place::root().key(section);
        Some(self.report.keys(&place).into_iter().map(|key| self.report.name(&place, key)).collect())
    }

    pub(super) fn refer_to_nothing(
        &mut self,
        place: &Place,
        code: &'static str,
        kind: &str,
        name: &str,
        known: &[String],
    ) {
        let names = || known.iter().map(String::as_str);
        let help = match (closest(name, names()), known) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, [only]) => format!("the only {kind} is `{only}`"),
            (None, [_, ..]) if known.len() <= 10 => format!("the {kind}s are {}", listed(names(), "and")),
            _ => format!("add it below `{kind}s`"),
        };
        self.report.error(place, code, format!("there is no {kind} {}", quoted(name)), Some(help));
    }

    fn warn_about_rights(&mut self, place: &Place, raw: &RawRights<'_>, tenant: &TenantId, ceiling: &Grant) {
        for (key, texts, ceiling) in [
            ("tools", raw.tools, &ceiling.tools),
            ("resources", raw.resources, &ceiling.resources),
            ("prompts", raw.prompts, &ceiling.prompts),
        ] {
            for (item, text) in texts.into_iter().flat_map(Texts::iter) {
                let Ok(pattern) = text.parse::<Pattern>() else { continue };
                if Patterns::from_iter([pattern]).intersection(ceiling).is_empty() {
                    self.warn_above_ceiling(&place.key(key).item(item), text, tenant, key);
                }
            }
        }
        for (item, text) in raw.capabilities.into_iter().flat_map(Texts::iter) {
            let Ok(capability) = text.parse::<Capability>() else { continue };
            if !ceiling.capabilities.contains(&capability) {
                self.warn_above_ceiling(&place.key("capabilities").item(item), text, tenant, "capabilities");
            }
        }
    }

    pub(super) fn warn_above_ceiling(&mut self, place: &Place, text: &str, tenant: &TenantId, key: &str) {
        let message = format!("{} grants nothing, because tenant `{tenant}` does not allow it", quoted(text));
        let help = format!("add it to `tenants.{tenant}.{key}`, or remove it here");
        self.report.warning(place, "above_ceiling", message, Some(help));
    }

    fn warn_about_limits(
        &mut self,
        place: &Place,
        own: &LimitCeilings,
        tenant: &TenantId,
        ceiling: &LimitCeilings,
    ) {
        let asked = first_of([own]);
        let held = asked.under(ceiling);
        for (key, higher) in [
            (
                "max_payload_bytes",
                own.max_payload_bytes.is_some() && held.max_payload_bytes < asked.max_payload_bytes,
            ),
            (
                "max_response_bytes",
                own.max_response_bytes.is_some() && held.max_response_bytes < asked.max_response_bytes,
            ),
            (
                "timeout_seconds",
                own.timeout_seconds.is_some() && held.timeout_seconds < asked.timeout_seconds,
            ),
            ("concurrency", own.concurrency.is_some() && held.concurrency < asked.concurrency),
            ("rate_limit", own.rate.is_some() && held.rate != asked.rate),
        ] {
            if higher {
                let message = format!("this is above the limit of tenant `{tenant}`, which holds instead");
                let help = format!("raise `tenants.{tenant}.limits.{key}`, or lower this");
                self.report.warning(&place.key(key), "above_ceiling", message, Some(help));
            }
        }
    }
}

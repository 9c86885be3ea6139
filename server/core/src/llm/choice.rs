//! Which models a request means, and whether its agent may use them.

use super::{
    ApiKey, LlmSettings, ModelGrant, ModelRef, ModelSettings, ProviderName, RouteName, reason::LlmReason,
};
use crate::{
    config::closest,
    principal::Principal,
    settings::{Agent, Disclosure, Tenant},
};

/// Tokens of an answer where nobody says how many.
const USUAL_MAX_TOKENS: u64 = 4096;

/// How many models are listed for whoever asked for one that is not there.
const MAX_KNOWN: usize = 20;

/// Who asks, and what the configuration says of them.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// What there is.
    pub llm: &'a LlmSettings,
    /// Who.
    pub principal: &'a Principal,
    /// What they may.
    pub agent: &'a Agent,
    /// And under which ceiling.
    pub tenant: &'a Tenant,
}

/// A model that may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub model: ModelRef,
    /// With how many tokens it may answer.
    pub max_tokens: u64,
}

impl Asker<'_> {
    /// The models to ask in turn, for what was asked for: a route or alias, a
    /// `provider/model`, or a model's name, alone or with its provider's.
    ///
    /// # Errors
    ///
    /// Every reason against, if there is no model left.
    pub fn candidates(
        &self,
        provider: Option<&str>,
        model: &str,
        max_tokens: Option<u64>,
    ) -> Result<Vec<Candidate>, Vec<LlmReason>> {
        let mut allowed = Vec::new();
        let mut reasons = Vec::new();
        for model in self.meant(provider, model)? {
            match self.judge(&model) {
                Ok(settings) => {
                    let max_tokens = self.max_tokens(settings, max_tokens);
                    allowed.push(Candidate { model, max_tokens });
                }
                Err(against) => reasons.extend(against),
            }
        }
        if allowed.is_empty() { Err(reasons) } else { Ok(allowed) }
    }

    /// The models and routes that can be asked for, as they are.
    #[must_use]
    pub fn known(&self) -> Vec<String> {
        let routes = self.llm.routes.iter().filter(|(_, models)| models.iter().any(|it| self.may_use(it)));
        let routes = routes.map(|(name, _)| name.to_string());
        let models = self.models().filter(|model| self.may_use(model)).map(|model| model.to_string());
        routes.chain(models).collect()
    }

    /// Which models may be asked, with the most tokens that they may answer with.
    pub fn usable(&self) -> impl Iterator<Item = (ModelRef, &ModelSettings, Option<u64>)> {
        self.models().filter_map(|model| {
            let settings = self.judge(&model).ok()?;
            Some((model, settings, self.bound(settings)))
        })
    }

    fn meant(&self, provider: Option<&str>, name: &str) -> Result<Vec<ModelRef>, Vec<LlmReason>> {
        let Some(provider) = provider else { return self.meant_alone(name) };
        let model = format!("{provider}/{name}").parse().ok().filter(|model| self.llm.model(model).is_some());
        model.map(|model| vec![model]).ok_or_else(|| vec![self.unknown(&format!("{provider}/{name}"))])
    }

    fn meant_alone(&self, name: &str) -> Result<Vec<ModelRef>, Vec<LlmReason>> {
        let route = name.parse::<RouteName>().ok().and_then(|name| self.llm.routes.get(&name));
        if let Some(models) = route {
            return Ok(models.clone());
        }
        let whole = name.parse().ok().filter(|model| self.llm.model(model).is_some());
        if let Some(model) = whole {
            return Ok(vec![model]);
        }
        let all: Vec<_> = self.models().filter(|model| model.model.as_str() == name).collect();
        let usable: Vec<_> = all.iter().filter(|model| self.may_use(model)).cloned().collect();
        match (usable.as_slice(), all.as_slice()) {
            ([only], _) | ([], [only]) => Ok(vec![only.clone()]),
            ([], []) => Err(vec![self.unknown(name)]),
            ([], _) => Ok(all),
            _ => Err(vec![LlmReason::AmbiguousModel { name: name.to_owned(), models: usable }]),
        }
    }

    fn models(&self) -> impl Iterator<Item = ModelRef> {
        self.llm.providers.iter().flat_map(|(provider, settings)| {
            let of = |model| ModelRef { provider: provider.clone(), model };
            settings.models.keys().cloned().map(of)
        })
    }

    fn judge(&self, model: &ModelRef) -> Result<&ModelSettings, Vec<LlmReason>> {
        let Some((provider, settings)) = self.llm.model(model) else {
            return Err(vec![self.unknown(&model.to_string())]);
        };
        let mut reasons = self.not_granted(model);
        if !reasons.is_empty() && self.tenant.disclosure == Disclosure::Opaque {
            return Err(vec![self.unknown(&model.to_string())]);
        }
        if settings.price.is_none() {
            reasons.push(LlmReason::UnpricedModel { model: model.clone() });
        }
        if let ApiKey::Missing { help } = &provider.key {
            let (provider, help): (ProviderName, _) = (model.provider.clone(), help.clone());
            reasons.push(LlmReason::NoApiKey { provider, help });
        }
        if reasons.is_empty() { Ok(settings) } else { Err(reasons) }
    }

    fn not_granted(&self, model: &ModelRef) -> Vec<LlmReason> {
        let mut reasons = Vec::new();
        if !self.agent.llm.models.as_ref().is_some_and(|grant| grant.covers(model)) {
            let (agent, model) = (self.principal.agent.clone(), model.clone());
            reasons.push(LlmReason::ModelNotGrantedToAgent { agent, model });
        }
        let covers = |grant: &ModelGrant| grant.covers(model);
        if !self.tenant.llm.models.as_ref().is_none_or(covers) {
            let (tenant, model) = (self.principal.tenant.clone(), model.clone());
            reasons.push(LlmReason::ModelNotGrantedToTenant { tenant, model });
        }
        reasons
    }

    fn may_use(&self, model: &ModelRef) -> bool {
        self.not_granted(model).is_empty()
    }

    /// Says of what there is only what the agent may use.
    fn unknown(&self, name: &str) -> LlmReason {
        let mut known = self.known();
        if let Some(near) = closest(name, known.iter().map(String::as_str)) {
            known = vec![near.to_owned()];
        }
        known.truncate(MAX_KNOWN);
        LlmReason::UnknownModel { name: name.chars().take(128).collect(), known }
    }

    /// The lowest of what agent, tenant and model allow. Where a request says
    /// nothing, it does not reserve all of that.
    fn max_tokens(&self, model: &ModelSettings, asked: Option<u64>) -> u64 {
        let bound = self.bound(model).unwrap_or(u64::from(u32::MAX));
        asked.unwrap_or(USUAL_MAX_TOKENS).min(bound)
    }

    fn bound(&self, model: &ModelSettings) -> Option<u64> {
        let bounds =
            [self.agent.llm.max_tokens_per_request, self.tenant.llm.max_tokens_per_request, model.max_output];
        bounds.into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;

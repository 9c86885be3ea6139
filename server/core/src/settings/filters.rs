//! What is done to what goes through the server.

use super::{Agent, Tenant};
use crate::redact::PromptFilter;

/// What is done to what goes through the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// Secrets and personal data are taken out of results.
    pub redact_results: bool,
    /// What becomes of prompts that hold them.
    pub prompts: PromptFilter,
}

impl Filters {
    /// What counts where nobody can say any more what was asked for.
    pub const STRICTEST: Self = Self { redact_results: true, prompts: PromptFilter::Deny };

    /// What an agent and its tenant ask for.
    #[must_use]
    pub fn of((agent, tenant): (&Agent, &Tenant)) -> Self {
        agent.filters.and(tenant.filters)
    }

    /// The stricter of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            redact_results: self.redact_results || other.redact_results,
            prompts: self.prompts.max(other.prompts),
        }
    }

    /// The word for what is done to results.
    #[must_use]
    pub fn results(self) -> &'static str {
        if self.redact_results { "redact" } else { "off" }
    }
}

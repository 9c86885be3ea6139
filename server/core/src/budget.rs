//! Budgets: what agents and tenants may spend on models, a day and a month, and
//! whether a request still fits.
//!
//! Money is reserved before a provider is asked and settled by what it says was
//! used. Where the amounts are kept is the server's affair; here is what they
//! mean, without a clock and without a disk.

use std::fmt;

use jiff::{Timestamp, tz::TimeZone};
use plugin_contract::name;
use serde::{Deserialize, Serialize};

use crate::{
    id::{AgentId, TenantId},
    money::NanoDollars,
    principal::Principal,
    settings::{Agent, Tenant},
};

pub mod estimate;
mod verdict;
mod window;

pub use verdict::{Shortfall, Standing, Verdict, judge};
pub use window::Window;

name!(
    /// One request to a provider, in the books. Every attempt has its own.
    ChargeId,
    "charge",
    |text| (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
    "it is shown by `budget show`"
);

/// What somebody may spend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// In a day.
    pub day: Option<NanoDollars>,
    /// In a calendar month.
    pub month: Option<NanoDollars>,
    /// What is reserved for a request.
    pub mode: Mode,
}

impl Budget {
    /// The limit of a period.
    #[must_use]
    pub fn limit(&self, period: Period) -> Option<NanoDollars> {
        match period {
            Period::Day => self.day,
            Period::Month => self.month,
        }
    }
}

/// What is reserved for a request until it is known what it costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The most that it can cost: the limit is never passed.
    #[default]
    Strict,
    /// What most requests of the agent turned out to cost. More requests run at
    /// the same time, and those that run may pass the limit by what they cost
    /// beyond it.
    Fair,
}

impl Mode {
    /// The name used in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Fair => "fair",
        }
    }
}

/// How long a limit counts before it starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From the first of a month to the next.
    Month,
}

impl Period {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Day, Self::Month];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The word that a text is.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.as_str() == text)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose money it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// An agent's.
    Agent(AgentId),
    /// A tenant's: all of its agents draw on it.
    Tenant(TenantId),
}

impl Owner {
    /// `agent` or `tenant`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Agent(_) => "agent",
            Self::Tenant(_) => "tenant",
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Agent(agent) => agent.as_str(),
            Self::Tenant(tenant) => tenant.as_str(),
        }
    }

    /// The one that a kind and a name say.
    #[must_use]
    pub fn named(kind: &str, name: &str) -> Option<Self> {
        match kind {
            "agent" => name.parse().ok().map(Self::Agent),
            "tenant" => name.parse().ok().map(Self::Tenant),
            _ => None,
        }
    }

    /// The key of the configuration that holds its limit of a period.
    #[must_use]
    pub fn key(&self, period: Period) -> String {
        match self {
            Self::Agent(agent) => format!("agents.{agent}.llm.max_cost_per_{period}"),
            Self::Tenant(tenant) => format!("tenants.{tenant}.budget.max_cost_per_{period}"),
        }
    }
}

/// `agent laptop`, in the words of reasons.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind(), self.name())
    }
}

/// Where a request is booked, and the limit that it must keep there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Whose.
    pub owner: Owner,
    /// Of a day or a month.
    pub period: Period,
    /// Which one, and when the next begins.
    pub window: Window,
    /// How much. `None`: what is spent is only noted, so that a limit that is set
    /// later counts what was spent before.
    pub limit: Option<NanoDollars>,
    /// What a request reserves in it.
    pub mode: Mode,
}

/// No limit on what an agent may spend in a day, so it may spend nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotConfigured;

/// Where a principal's requests are booked at a time: its own day and month, and
/// its tenant's.
///
/// # Errors
///
/// If neither of the two has a limit of a day.
pub fn scopes(
    principal: &Principal,
    agent: &Agent,
    tenant: &Tenant,
    now: Timestamp,
    time_zone: &TimeZone,
) -> Result<Vec<Scope>, NotConfigured> {
    if agent.budget.day.or(tenant.budget.day).is_none() {
        return Err(NotConfigured);
    }
    let owners = [
        (Owner::Agent(principal.agent.clone()), agent.budget),
        (Owner::Tenant(principal.tenant.clone()), tenant.budget),
    ];
    Ok(owners.into_iter().flat_map(|(owner, budget)| of_owner(&owner, &budget, now, time_zone)).collect())
}

/// The day and the month of one owner.
#[must_use]
pub fn of_owner(owner: &Owner, budget: &Budget, now: Timestamp, time_zone: &TimeZone) -> [Scope; 2] {
    Period::ALL.map(|period| Scope {
        owner: owner.clone(),
        period,
        window: Window::at(now, period, time_zone),
        limit: budget.limit(period),
        mode: budget.mode,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{principal, settings};

    #[test]
    fn a_request_keeps_every_limit_that_is_set_and_needs_one_of_a_day() {
        let dollars = |text: &str| Some(text.parse().unwrap());
        let none = Budget::default();
        let day = Budget { day: dollars("1"), ..none };
        let month = Budget { month: dollars("9"), ..none };
        let both = Budget { day: dollars("2"), month: dollars("20"), mode: Mode::Fair };
        for (agent, tenant, expected) in [
            (none, none, Err(NotConfigured)),
            (month, month, Err(NotConfigured)),
            (day, none, Ok(vec!["agent `laptop` day $1.00 strict"])),
            (none, day, Ok(vec!["tenant `research` day $1.00 strict"])),
            (month, day, Ok(vec!["agent `laptop` month $9.00 strict", "tenant `research` day $1.00 strict"])),
            (
                both,
                both,
                Ok(vec![
                    "agent `laptop` day $2.00 fair",
                    "agent `laptop` month $20.00 fair",
                    "tenant `research` day $2.00 fair",
                    "tenant `research` month $20.00 fair",
                ]),
            ),
        ] {
            let settings = settings();
            let mut of_agent = settings.agents.values().next().unwrap().clone();
            let mut of_tenant = settings.tenants.values().next().unwrap().clone();
            (of_agent.budget, of_tenant.budget) = (agent, tenant);
            let found = scopes(&principal(), &of_agent, &of_tenant, Timestamp::UNIX_EPOCH, &TimeZone::UTC)
                .map(|scopes| {
                    assert_eq!(scopes.len(), 4, "every request is booked everywhere");
                    let said = |scope: &Scope| {
                        let mode = scope.mode.as_str();
                        Some(format!("{} {} {} {mode}", scope.owner, scope.period, scope.limit?))
                    };
                    scopes.iter().filter_map(said).collect::<Vec<_>>()
                });
            assert_eq!(found, expected.map(|texts| texts.into_iter().map(str::to_owned).collect()));
        }
    }
}

//! Models, as plugins may ask them through the host.

use jiff::Timestamp;
use plugin_contract::op::AgentAbout;
use server_core::{about, budget, policy::Permit};

use crate::budget::Ledger;

/// What an agent may know of itself, with what is left of its budgets.
pub(super) fn with_budgets(mut about: AgentAbout, permit: &Permit, ledger: Option<&Ledger>) -> AgentAbout {
    let snapshot = permit.snapshot();
    if let (Some(llm), Some(ledger), Some((agent, tenant))) =
        (&mut about.llm, ledger, snapshot.standing(permit.principal()))
    {
        let zone = &snapshot.settings.llm.time_zone;
        let scopes = budget::scopes(permit.principal(), agent, tenant, Timestamp::now(), zone);
        let balances = scopes.ok().and_then(|scopes| ledger.balances(scopes).ok()).unwrap_or_default();
        llm.budgets = balances.iter().filter_map(|it| about::budget(&it.scope, it.standing)).collect();
    }
    about
}

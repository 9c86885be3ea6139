//! Models, as plugins may ask them through the host.

use std::time::Instant;

use jiff::Timestamp;
use plugin_contract::op::{AgentAbout, ErrorCode, LlmAnswer, LlmQuery, OpError, Progress};
use server_core::{about, budget, money::NanoDollars, policy::Permit};

use super::calls::Work;
use crate::{
    budget::Ledger,
    llm::{Models, NoAnswer, Watcher},
};

/// Asks a model on a plugin's thread.
pub(super) fn query(work: &Work, models: &Models, query: &LlmQuery) -> Result<LlmAnswer, OpError> {
    if query.temperature.is_some_and(|it| !(0.0..=2.0).contains(&it)) {
        return Err(OpError::new(ErrorCode::InvalidInput, "`temperature` is a number from 0 to 2"));
    }
    if query.max_tokens == Some(0) {
        return Err(OpError::new(ErrorCode::InvalidInput, "`max_tokens` is at least 1"));
    }
    let asking = models.query(&work.permit, query, Instant::now() + work.remaining(), work);
    work.wait_for(asking)?.map_err(|why| match why {
        NoAnswer::Refused(reasons) => work.notes.refuse(reasons),
        NoAnswer::Failed(why) => OpError::new(ErrorCode::Failed, why),
    })
}

impl Watcher for Work {
    fn progress(&self, characters: u64) {
        #[expect(clippy::cast_precision_loss, reason = "no answer has that many characters")]
        let progress = characters as f64;
        let message = Some(format!("{characters} characters of the answer"));
        self.conversation.progress(Progress { progress, total: None, message });
    }

    fn reached(&self, destination: &str) {
        self.notes.reached(destination);
    }

    fn charged(&self, cost: NanoDollars) {
        self.notes.charged(cost.nanos());
    }
}

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

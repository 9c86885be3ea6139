//! One attempt: money is reserved, one model is asked, and the money is charged.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use plugin_contract::op::{LlmAnswer, LlmQuery, LlmUsage};
use server_core::{
    budget::Scope,
    llm::{
        choice::Candidate,
        price::{Price, Usage, input_tokens_at_most},
        provider::{Listener, ProviderError, Question, Reply},
        reason::LlmReason,
    },
    money::NanoDollars,
    policy::{Permit, Reason},
};
use tracing::{info, warn};

use super::{Models, Watcher, locked, tally::Asked};
use crate::budget::{Ask, NoMoney, Reservation, new_charge};

/// How often the client hears how far an answer is, once it has begun.
const REPORT: Duration = Duration::from_secs(1);

/// So many bytes of an answer are a token at least, where nobody counts them.
const BYTES_OF_A_TOKEN: u64 = 2;

/// What one attempt is made of.
pub(super) struct Attempt<'a> {
    pub(super) permit: &'a Permit,
    pub(super) query: &'a LlmQuery,
    pub(super) candidate: &'a Candidate,
    pub(super) scopes: &'a [Scope],
    pub(super) deadline: Instant,
    pub(super) watcher: &'a dyn Watcher,
}

/// Why an attempt has no reply.
pub(super) enum NoReply {
    /// It was not made.
    Refused(Vec<Reason>),
    /// It was.
    Failed(ProviderError),
}

impl Models {
    pub(super) async fn attempt(&self, attempt: &Attempt<'_>) -> Result<LlmAnswer, NoReply> {
        let Attempt { permit, query, candidate, .. } = attempt;
        let model = &candidate.model;
        let llm = &permit.snapshot().settings.llm;
        let known =
            llm.model(model).and_then(|(provider, settings)| Some((provider, settings.price.as_ref()?)));
        let unpriced = || NoReply::Refused(vec![LlmReason::UnpricedModel { model: model.clone() }.into()]);
        let (settings, price) = known.ok_or_else(unpriced)?;
        let bytes = query.prompt.len() + query.system.as_deref().map_or(0, str::len);
        let worst = price.worst_case(input_tokens_at_most(bytes), candidate.max_tokens);
        let reservation = self.reserve(attempt, worst, llm.budget_wait).await?;
        let Some(provider) = self.0.providers.get(settings.api.as_str()) else {
            return Err(NoReply::Failed(ProviderError::Malformed("nobody speaks its interface".to_owned())));
        };
        let question = Question {
            provider: settings,
            model: &model.model,
            permit,
            prompt: &query.prompt,
            system: query.system.as_deref(),
            max_tokens: candidate.max_tokens,
            temperature: query.temperature,
            timeout: attempt.deadline.saturating_duration_since(Instant::now()),
        };
        self.0.breakers.begin(&model.provider, Instant::now());
        let asked = self.0.tally.begin(&permit.principal().agent, model);
        let hearing = Hearing::new(reservation, price, &asked, attempt.watcher);
        let replied = provider.ask(&question, &hearing).await;
        let reservation = hearing.into_reservation();
        match replied {
            Ok(reply) => {
                asked.ended("answered");
                self.0.breakers.answered(&model.provider);
                Ok(charge(reply, reservation, price, worst, attempt).await)
            }
            Err(error) => {
                asked.ended(error.code());
                if error.is_outage() {
                    self.0.breakers.failed(&model.provider, Instant::now());
                } else {
                    self.0.breakers.answered(&model.provider);
                }
                let settling =
                    if error.is_free() { reservation.release() } else { reservation.settle_unknown() };
                // What could not be written is tried again, and stays reserved.
                let _ = settling.written().await;
                Err(NoReply::Failed(error))
            }
        }
    }

    async fn reserve(
        &self,
        attempt: &Attempt<'_>,
        worst: NanoDollars,
        wait: Duration,
    ) -> Result<Reservation, NoReply> {
        let unavailable = || NoReply::Refused(vec![LlmReason::BudgetUnavailable.into()]);
        let ask = Ask {
            id: new_charge().map_err(|_| unavailable())?,
            principal: attempt.permit.principal().clone(),
            model: attempt.candidate.model.to_string(),
            worst,
            scopes: attempt.scopes.to_vec(),
        };
        let wait = wait.min(attempt.deadline.saturating_duration_since(Instant::now()));
        self.0.ledger.reserve(ask, wait).await.map_err(|why| match why {
            NoMoney::Unavailable => unavailable(),
            NoMoney::Short(shortfalls) => {
                let now = Timestamp::now();
                let reason = |shortfall| LlmReason::shortfall(shortfall, now).into();
                NoReply::Refused(shortfalls.iter().map(reason).collect())
            }
        })
    }
}

/// Charges what the provider says was used, or where it says nothing that can be
/// true, all that was reserved.
async fn charge(
    reply: Reply,
    reservation: Reservation,
    price: &Price,
    worst: NanoDollars,
    attempt: &Attempt<'_>,
) -> LlmAnswer {
    let candidate = attempt.candidate;
    let (model, id) = (&candidate.model, reservation.id().clone());
    let usage = reply.usage.filter(|usage| usage.is_credible(reply.text.len() as u64));
    let cost = usage.map(|usage| price.cost(usage));
    let settling = match cost {
        Some(cost) => reservation.settle(cost),
        None => reservation.settle_reserved(),
    };
    if cost.is_some_and(|cost| cost > worst) {
        warn!(target: "llm", %model, charge = %id, %worst, cost = ?cost, "a request cost more than it could");
    }
    let _ = settling.written().await;
    let cost = cost.unwrap_or(worst);
    attempt.watcher.charged(cost);
    info!(target: "llm", %model, charge = %id, %cost, ?usage, "a model answered");
    LlmAnswer {
        text: reply.text,
        provider: model.provider.to_string(),
        model: model.model.to_string(),
        usage: usage.map(told),
        cost_usd: cost.decimal(),
        latency_ms: 0,
        is_cut: reply.is_cut,
    }
}

fn told(usage: Usage) -> LlmUsage {
    LlmUsage {
        input_tokens: usage.whole_input(),
        cached_input_tokens: usage.cached_input,
        output_tokens: usage.output,
    }
}

/// Keeps the reservation in step with the answer, and tells the client.
struct Hearing<'a> {
    reservation: Mutex<Reservation>,
    heard: Mutex<Heard>,
    price: &'a Price,
    asked: &'a Asked<'a>,
    watcher: &'a dyn Watcher,
}

struct Heard {
    characters: u64,
    bytes: u64,
    used: Option<Usage>,
    reported: Option<Instant>,
}

impl<'a> Hearing<'a> {
    fn new(
        reservation: Reservation,
        price: &'a Price,
        asked: &'a Asked<'a>,
        watcher: &'a dyn Watcher,
    ) -> Self {
        let heard = Heard { characters: 0, bytes: 0, used: None, reported: None };
        Self { reservation: Mutex::new(reservation), heard: Mutex::new(heard), price, asked, watcher }
    }

    fn into_reservation(self) -> Reservation {
        self.reservation.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What is charged if nothing more is heard.
    fn note(&self, heard: &Heard) {
        if let Some(mut usage) = heard.used {
            usage.output = usage.output.max(heard.bytes.div_ceil(BYTES_OF_A_TOKEN));
            if !usage.is_credible(heard.bytes) {
                return;
            }
            locked(&self.reservation).streamed(self.price.cost(usage));
        }
    }
}

impl Listener for Hearing<'_> {
    fn sent(&self, destination: &str) {
        self.watcher.reached(destination);
        locked(&self.reservation).called();
    }

    fn text(&self, piece: &str) {
        let mut heard = locked(&self.heard);
        heard.characters += piece.chars().count() as u64;
        heard.bytes += piece.len() as u64;
        self.note(&heard);
        if heard.reported.is_none_or(|at| at.elapsed() >= REPORT) {
            heard.reported = Some(Instant::now());
            self.watcher.progress(heard.characters);
        }
    }

    fn used(&self, usage: Usage) {
        self.asked.used(usage);
        let mut heard = locked(&self.heard);
        heard.used = Some(usage);
        self.note(&heard);
    }
}

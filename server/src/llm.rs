//! Asks models on behalf of agents: whether they may, with whose key, and what it
//! costs is decided here, where no plugin can skip it.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use plugin_contract::op::{LlmAnswer, LlmQuery};
use server_core::{
    budget::{self, Scope},
    llm::{
        Api, ModelRef,
        breaker::Breakers,
        choice::{Asker, Candidate},
        provider::{Provider, ProviderError},
        reason::LlmReason,
        router::{Next, Router},
    },
    money::NanoDollars,
    paste_guard,
    policy::{Permit, Reason},
    redact::Redaction,
};
use tracing::{info, warn};

use crate::{budget::Ledger, egress::Connector};

mod anthropic;
mod attempt;
mod events;
mod exchange;
mod local;
mod openai;
mod tally;

use attempt::Attempt;
pub use tally::{Table, Tally};

/// The way to all providers. A clone is the same one.
#[derive(Clone)]
pub struct Models(Arc<Inner>);

struct Inner {
    providers: BTreeMap<&'static str, Box<dyn Provider>>,
    ledger: Ledger,
    guard: paste_guard::Memory,
    redaction: Arc<Redaction>,
    breakers: Breakers,
    tally: Tally,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// Every reason why it must not be asked.
    Refused(Vec<Reason>),
    /// It was asked; the sentence is for the caller.
    Failed(String),
}

/// Who watches a request.
pub trait Watcher: Send + Sync {
    /// So many characters of the answer are there.
    fn progress(&self, characters: u64);

    /// A request goes to this `host:port`.
    fn reached(&self, destination: &str);

    /// An answer cost this.
    fn charged(&self, cost: NanoDollars);
}

impl Models {
    /// Goes through `connector` to providers, keeps books in `ledger`, and filters
    /// prompts by the redactor in force.
    #[must_use]
    pub fn new(connector: &Connector, ledger: Ledger, redaction: Arc<Redaction>) -> Self {
        let providers: [(Api, Box<dyn Provider>); 3] = [
            (Api::AnthropicMessages, Box::new(anthropic::Anthropic(connector.clone()))),
            (Api::OpenAiResponses, Box::new(openai::OpenAi(connector.clone()))),
            (Api::OpenAiChat, Box::new(local::Local(connector.clone()))),
        ];
        let providers = providers.into_iter().map(|(api, provider)| (api.as_str(), provider)).collect();
        let (guard, breakers, tally) = Default::default();
        Self(Arc::new(Inner { providers, ledger, guard, redaction, breakers, tally }))
    }

    /// The books.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// What was asked so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.0.tally
    }

    /// Asks a model, by `deadline`. Dropping the future ends the request.
    ///
    /// # Errors
    ///
    /// Every reason why not, or what went wrong.
    pub async fn query(
        &self,
        permit: &Permit,
        query: &LlmQuery,
        deadline: Instant,
        watcher: &dyn Watcher,
    ) -> Result<LlmAnswer, NoAnswer> {
        let begun = Instant::now();
        let Admitted { query, candidates, scopes } = self.admit(permit, query).map_err(NoAnswer::Refused)?;
        let query: &LlmQuery = &query;
        let mut router = Router::new(candidates.iter().map(|it| it.model.clone()), deadline);
        let mut failures = Failures::default();
        loop {
            let now = Instant::now();
            match router.next(now, &self.0.breakers) {
                Next::Wait(until) => tokio::time::sleep_until(until.into()).await,
                Next::GiveUp => return Err(failures.into_answer(&candidates, &self.0.breakers, now)),
                Next::Ask(model) => {
                    let Some(candidate) = candidates.iter().find(|it| it.model == model) else { continue };
                    let attempt = Attempt { permit, query, candidate, scopes: &scopes, deadline, watcher };
                    match self.attempt(&attempt).await {
                        Ok(mut answer) => {
                            answer.latency_ms = milliseconds(begun.elapsed());
                            return Ok(answer);
                        }
                        Err(attempt::NoReply::Refused(reasons)) => {
                            router.skip(&model);
                            failures.refused(reasons);
                        }
                        Err(attempt::NoReply::Failed(error)) => {
                            router.failed(&model, &error, Instant::now());
                            failures.failed(&model, error);
                        }
                    }
                }
            }
        }
    }

    /// What is sent to whom, or every reason against.
    fn admit<'q>(&self, permit: &Permit, query: &'q LlmQuery) -> Result<Admitted<'q>, Vec<Reason>> {
        let (snapshot, principal) = (permit.snapshot(), permit.principal());
        let removed = || vec![Reason::AgentRemoved { agent: principal.agent.clone() }];
        let (agent, tenant) = snapshot.standing(principal).ok_or_else(removed)?;
        let llm = &snapshot.settings.llm;
        let asker = Asker { llm, principal, agent, tenant };
        let candidates = asker.candidates(query.provider.as_deref(), &query.model, query.max_tokens);
        let scopes = budget::scopes(principal, agent, tenant, Timestamp::now(), &llm.time_zone);
        let scopes = scopes.map_err(|_| LlmReason::BudgetNotConfigured {
            agent: principal.agent.clone(),
            tenant: principal.tenant.clone(),
        });
        let filtered = self.0.redaction.load().prompt(permit.filters().prompts, query);
        match (candidates, scopes, filtered) {
            (Ok(candidates), Ok(scopes), Ok(query)) => {
                // Last: what is not sent for another reason is not remembered.
                self.guard(permit, &query)?;
                Ok(Admitted { query, candidates, scopes })
            }
            (candidates, scopes, filtered) => {
                let against =
                    candidates.err().into_iter().flatten().chain(scopes.err()).chain(filtered.err());
                Err(against.map(Reason::from).collect())
            }
        }
    }

    fn guard(&self, permit: &Permit, query: &LlmQuery) -> Result<(), Vec<Reason>> {
        let (settings, agent) = (&permit.snapshot().settings.llm.paste_guard, &permit.principal().agent);
        let texts = [query.system.as_deref().unwrap_or_default(), &query.prompt];
        let passed = paste_guard::check(settings, &self.0.guard, agent, &texts, Instant::now());
        let passed = passed.map_err(|against| against.into_iter().map(Reason::from).collect::<Vec<_>>())?;
        if let Some(found) = passed.warning {
            info!(target: "llm", %agent, score = passed.score, found, "a prompt looks much like a pasted repository");
        }
        Ok(())
    }
}

/// A query that may be sent.
struct Admitted<'q> {
    /// With what is left of its texts.
    query: Cow<'q, LlmQuery>,
    /// The models that may be asked.
    candidates: Vec<Candidate>,
    /// Where that is booked.
    scopes: Vec<Scope>,
}

/// What has come of the attempts so far.
#[derive(Default)]
struct Failures {
    reasons: Vec<Reason>,
    said: Vec<String>,
}

impl Failures {
    fn refused(&mut self, reasons: Vec<Reason>) {
        for reason in reasons {
            if !self.reasons.contains(&reason) {
                self.reasons.push(reason);
            }
        }
    }

    fn failed(&mut self, model: &ModelRef, error: ProviderError) {
        match error {
            ProviderError::Refused(reasons) => self.refused(reasons),
            error => {
                warn!(target: "llm", %model, %error, "a provider failed");
                let said = format!("{model}: {error}");
                if !self.said.contains(&said) {
                    self.said.push(said);
                }
            }
        }
    }

    /// A refusal only if nobody was asked: what can be changed is told then.
    fn into_answer(self, candidates: &[Candidate], breakers: &Breakers, now: Instant) -> NoAnswer {
        if !self.said.is_empty() {
            let refused = self.reasons.iter().map(ToString::to_string);
            return NoAnswer::Failed(self.said.iter().cloned().chain(refused).collect::<Vec<_>>().join("\n"));
        }
        if !self.reasons.is_empty() {
            return NoAnswer::Refused(self.reasons);
        }
        let failing: Vec<_> = candidates
            .iter()
            .filter_map(|candidate| {
                let provider = candidate.model.provider.clone();
                let until = breakers.shut_until(&provider, now)?;
                Some(
                    LlmReason::ProviderFailing { provider, retry_after_ms: milliseconds(until - now) }.into(),
                )
            })
            .collect();
        match failing.as_slice() {
            [] => NoAnswer::Failed("there was no time left to ask".to_owned()),
            _ => NoAnswer::Refused(failing),
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Models").field("ledger", &self.0.ledger).finish_non_exhaustive()
    }
}

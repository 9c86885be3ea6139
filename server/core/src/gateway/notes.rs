//! What the host's services note of a call while a plugin works on it. A plugin
//! answers what it likes; why it was refused something, and where it went, is
//! known from here.

use std::{
    collections::VecDeque,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use plugin_contract::op::{ErrorCode, OpError};

use crate::policy::Reason;

/// How many refusals a plugin may still answer with.
const MAX_REFUSALS: usize = 8;

/// How many destinations of a call are on record.
const MAX_DESTINATIONS: usize = 32;

/// The notes on one call, shared by its record and the services it uses.
#[derive(Debug, Default)]
pub struct Notes(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    refusals: VecDeque<Refused>,
    codes: Vec<&'static str>,
    egress: Vec<String>,
    cost_nano_usd: Option<i64>,
}

/// A service said no.
#[derive(Debug)]
struct Refused {
    message: String,
    reasons: Vec<Reason>,
}

impl Notes {
    /// Notes that a service refuses, and answers what the plugin is told. If the
    /// plugin passes that on, its caller gets the reasons as those of a refusal.
    pub fn refuse(&self, reasons: Vec<Reason>) -> OpError {
        let lines: Vec<_> = reasons.iter().map(Reason::to_string).collect();
        let message = lines.join("\n");
        let mut noted = self.noted();
        for code in reasons.iter().map(Reason::code) {
            if !noted.codes.contains(&code) {
                noted.codes.push(code);
            }
        }
        if noted.refusals.len() == MAX_REFUSALS {
            noted.refusals.pop_front();
        }
        noted.refusals.push_back(Refused { message: message.clone(), reasons });
        OpError::new(ErrorCode::Denied, message)
    }

    /// Notes a `host:port` that the call reached through the host.
    pub fn reached(&self, destination: &str) {
        let mut noted = self.noted();
        let egress = &mut noted.egress;
        if egress.len() < MAX_DESTINATIONS && !egress.iter().any(|known| known == destination) {
            egress.push(destination.to_owned());
        }
    }

    /// Notes what an answer of a model's cost.
    pub fn charged(&self, nano_usd: i64) {
        let cost = &mut self.noted().cost_nano_usd;
        *cost = Some(cost.unwrap_or_default().saturating_add(nano_usd));
    }

    /// The reasons of the refusal that the plugin passes on, if it is one: a plugin
    /// may have gone on after a refusal, and say no for reasons of its own.
    pub(super) fn refusal(&self, error: &OpError) -> Option<Vec<Reason>> {
        if error.code != ErrorCode::Denied {
            return None;
        }
        let mut noted = self.noted();
        let passed_on = |refused: &Refused| error.message.contains(&refused.message);
        let at = noted.refusals.iter().rposition(passed_on)?;
        noted.refusals.remove(at).map(|refused| refused.reasons)
    }

    /// The codes of all refusals, the destinations and the cost, for the record.
    pub(super) fn take(&self) -> (Vec<&'static str>, Vec<String>, Option<i64>) {
        let mut noted = self.noted();
        (mem::take(&mut noted.codes), mem::take(&mut noted.egress), noted.cost_nano_usd.take())
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

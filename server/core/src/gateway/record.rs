//! The record of a call: one for each, whichever way it ends.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::Notes;
use crate::{
    id::Generation,
    policy::{Reason, Thing},
    principal::Principal,
};

/// Where records go.
pub trait CallLog: Send + Sync {
    /// Takes one. Called exactly once per call, when it has ended.
    fn record(&self, record: &CallRecord);
}

/// What is known of a call when it has ended. Never its arguments or result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// Who called.
    pub principal: Principal,
    /// What kind of thing.
    pub thing: Thing,
    /// Which.
    pub name: String,
    /// Under which configuration.
    pub generation: Generation,
    /// Whether it was let through.
    pub allowed: bool,
    /// Codes of the reasons against, those in a row that are the same just once.
    /// A call that was let through has those for which the host refused it
    /// something, whatever its plugin made of that.
    pub reasons: Vec<&'static str>,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub duration: Duration,
    /// Bytes of the arguments, where they were looked at.
    pub request_bytes: u64,
    /// Bytes the plugin answered.
    pub response_bytes: u64,
    /// Where it went through the host, each as `host:port`.
    pub egress: Vec<String>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a result.
    Ok,
    /// With a result by which the tool says that it failed.
    ToolError,
    /// With a refusal.
    Refused,
    /// There was no such thing.
    Unknown,
    /// With a question to the client, which may come again with the answer.
    Unanswered,
    /// The plugin gave no usable answer.
    Failed,
    /// The caller went away.
    Cancelled,
    /// What it began by was taken back.
    Revoked,
}

impl Outcome {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ToolError => "tool_error",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Unanswered => "unanswered",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Revoked => "revoked",
        }
    }
}

/// Writes the record when dropped, so that a call whose future is dropped is on
/// record too.
pub(super) struct Recorder {
    log: Arc<dyn CallLog>,
    record: CallRecord,
    notes: Arc<Notes>,
    start: Instant,
}

impl Recorder {
    pub(super) fn new(
        log: Arc<dyn CallLog>,
        principal: &Principal,
        generation: Generation,
        thing: Thing,
        name: &str,
    ) -> Self {
        let record = CallRecord {
            principal: principal.clone(),
            thing,
            // Not all names exist: a caller may send anything.
            name: name.chars().take(128).collect(),
            generation,
            allowed: false,
            reasons: Vec::new(),
            outcome: Outcome::Cancelled,
            duration: Duration::ZERO,
            request_bytes: 0,
            response_bytes: 0,
            egress: Vec::new(),
        };
        Self { log, record, notes: Arc::default(), start: Instant::now() }
    }

    pub(super) fn name(&self) -> &str {
        &self.record.name
    }

    /// Where services note what concerns the record.
    pub(super) fn notes(&self) -> &Arc<Notes> {
        &self.notes
    }

    pub(super) fn asked(&mut self, request_bytes: u64) {
        self.record.request_bytes = request_bytes;
    }

    pub(super) fn allow(&mut self) {
        self.record.allowed = true;
    }

    pub(super) fn answered(&mut self, response_bytes: u64) {
        self.record.response_bytes = response_bytes;
    }

    pub(super) fn deny(&mut self, reasons: &[Reason]) {
        self.record.reasons = reasons.iter().map(Reason::code).collect();
        self.record.reasons.dedup();
        self.record.outcome = Outcome::Refused;
    }

    pub(super) fn finish(&mut self, outcome: Outcome) {
        self.record.outcome = outcome;
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.record.duration = self.start.elapsed();
        let (refused, egress) = self.notes.take();
        for code in refused {
            if !self.record.reasons.contains(&code) {
                self.record.reasons.push(code);
            }
        }
        self.record.egress = egress;
        self.log.record(&self.record);
    }
}

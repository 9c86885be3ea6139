//! The record of a call: one for each, whichever way it ends.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use plugin_contract::PluginName;

use super::Notes;
use crate::{
    audit::{Admission, AuditSink},
    id::{CallId, Generation},
    policy::{Reason, Thing},
    principal::{Caller, Principal},
    registry::Plugin,
};

/// Where records go.
pub trait CallLog: Send + Sync {
    /// Takes one. Called exactly once per call, when it has ended.
    fn record(&self, record: &CallRecord);
}

/// What is known of a call when it has ended. Never its arguments or result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// Which call.
    pub call: CallId,
    /// Who called.
    pub principal: Principal,
    /// From where, as far as that is known.
    pub address: Option<IpAddr>,
    /// What kind of thing.
    pub thing: Thing,
    /// Which.
    pub name: String,
    /// Whose code it is for, where that was looked up.
    pub plugin: Option<CalledPlugin>,
    /// Under which configuration.
    pub generation: Generation,
    /// Whether it was let through.
    pub allowed: bool,
    /// Codes of the reasons against, those in a row that are the same just once.
    /// A call that was let through has those for which the host refused it
    /// something, whatever its plugin made of that.
    pub reasons: Vec<&'static str>,
    /// What the reasons say to the caller.
    pub messages: Vec<String>,
    /// The audit was asked to take the decision before the call ran.
    pub is_decided: bool,
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
    /// What it cost, in nano-dollars, where it cost something.
    pub cost_nano_usd: Option<i64>,
}

/// The plugin that a call is for, by the bytes that run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalledPlugin {
    /// Its name.
    pub name: PluginName,
    /// SHA-256 of its library, in hexadecimal.
    pub sha256: String,
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
    audit: Arc<dyn AuditSink>,
    record: CallRecord,
    /// As JSON, where they were looked at.
    arguments: Vec<u8>,
    notes: Arc<Notes>,
    start: Instant,
}

impl Recorder {
    pub(super) fn new(
        (log, audit): (Arc<dyn CallLog>, Arc<dyn AuditSink>),
        call: CallId,
        caller: &Caller,
        generation: Generation,
        thing: Thing,
        name: &str,
    ) -> Self {
        let record = CallRecord {
            call,
            principal: caller.principal.clone(),
            address: caller.address,
            thing,
            // Not all names exist: a caller may send anything.
            name: name.chars().take(128).collect(),
            plugin: None,
            generation,
            allowed: false,
            reasons: Vec::new(),
            messages: Vec::new(),
            is_decided: false,
            outcome: Outcome::Cancelled,
            duration: Duration::ZERO,
            request_bytes: 0,
            response_bytes: 0,
            egress: Vec::new(),
            cost_nano_usd: None,
        };
        let arguments = Vec::new();
        Self { log, audit, record, arguments, notes: Arc::default(), start: Instant::now() }
    }

    pub(super) fn name(&self) -> &str {
        &self.record.name
    }

    /// Where services note what concerns the record.
    pub(super) fn notes(&self) -> &Arc<Notes> {
        &self.notes
    }

    pub(super) fn asked(&mut self, arguments: Vec<u8>) {
        self.record.request_bytes = arguments.len() as u64;
        self.arguments = arguments;
    }

    pub(super) fn arguments(&self) -> &[u8] {
        &self.arguments
    }

    /// It is let through to a plugin.
    pub(super) fn allow(&mut self, plugin: &Plugin) {
        self.record.allowed = true;
        let name = plugin.manifest.name.clone();
        self.record.plugin = Some(CalledPlugin { name, sha256: plugin.provenance.sha256.clone() });
    }

    /// It is let through, and needs no plugin, unless the audit cannot say so.
    pub(super) fn allow_alone(&mut self) -> Result<(), Reason> {
        self.audit.available().map_err(|_| Reason::AuditUnavailable)?;
        self.record.allowed = true;
        Ok(())
    }

    /// Puts the decision to let it through on the audit.
    pub(super) fn decide(&mut self) -> Admission {
        self.record.is_decided = true;
        self.audit.decided(&self.record, &self.arguments)
    }

    /// It does not run after all.
    pub(super) fn disallow(&mut self) {
        self.record.allowed = false;
    }

    pub(super) fn answered(&mut self, response_bytes: u64) {
        self.record.response_bytes = response_bytes;
    }

    pub(super) fn deny(&mut self, reasons: &[Reason]) {
        self.record.reasons = reasons.iter().map(Reason::code).collect();
        self.record.reasons.dedup();
        self.record.messages = reasons.iter().map(Reason::to_string).collect();
        self.record.outcome = Outcome::Refused;
    }

    pub(super) fn finish(&mut self, outcome: Outcome) {
        self.record.outcome = outcome;
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.record.duration = self.start.elapsed();
        let (refused, egress, cost) = self.notes.take();
        for code in refused {
            if !self.record.reasons.contains(&code) {
                self.record.reasons.push(code);
            }
        }
        self.record.egress = egress;
        self.record.cost_nano_usd = cost;
        self.audit.ended(&self.record, &self.arguments);
        self.log.record(&self.record);
    }
}

//! The audit: every decision, on a record that cannot be changed unnoticed.
//!
//! Records are lines of JSON in segments, files in `state.dir/audit/`. Each has the
//! hash of the one before (`chain`), and every 1000 of them or every minute the
//! server signs the last (`checkpoint`), in the chain and in its log, by which the
//! signature leaves the host. `docs/audit.md` tells operators what is in a record.
//!
//! A call writes its record itself (`keeper`), or has the writer's thread do it
//! (`writer`); what cannot be written refuses calls until it can be.

use std::{
    fs::DirBuilder,
    io,
    net::IpAddr,
    os::unix::fs::DirBuilderExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use serde::Serialize;
use serde_json::json;
use server_core::{
    audit::{Admission, AuditSink, AuditStatus, AuditUnavailable},
    gateway::CallRecord,
    policy::Reason,
    redact::Redaction,
    settings::AuditSettings,
};
use tracing::{info, warn};

use crate::logging::Lines;

mod chain;
mod checkpoint;
mod counts;
mod event;
mod flood;
mod journal;
mod keeper;
mod keys;
mod ocsf;
mod queue;
mod record;
mod recovery;
mod reserve;
mod retention;
mod segment;
mod tail;
mod verify;
mod writer;

pub use checkpoint::Checkpoint;
pub use journal::JournalError;
pub use keys::{ArgumentsKey, PublicKey, public_half};
pub use ocsf::event as ocsf;
pub use segment::folder;
pub use tail::{Tail, Wanted};
pub use verify::{Findings, Held, Problem, verify};

use chain::{Body, Head};
use event::Event;
use journal::Journal;
use keeper::{Keeper, Terms};
use keys::CheckpointKey;

/// How long the end of the server waits for the last records.
const PATIENCE: Duration = Duration::from_secs(3);

/// The audit of a running server. A clone writes to the same one.
#[derive(Clone)]
pub struct Audit(Arc<Parts>);

struct Parts {
    keeper: Arc<Keeper>,
    end: Mutex<mpsc::Receiver<()>>,
}

impl Audit {
    /// Goes on with the audit in `state_dir`, or begins one. A disk that cannot be
    /// written makes it refuse calls until it can be.
    ///
    /// # Errors
    ///
    /// If another server writes there, a key is none, or there can be no thread.
    pub fn open(
        state_dir: &Path,
        settings: &AuditSettings,
        lines: Option<Lines>,
        redaction: Arc<Redaction>,
    ) -> Result<Self, JournalError> {
        DirBuilder::new().recursive(true).mode(0o700).create(state_dir)?;
        let arguments = keys::arguments(state_dir)?;
        let terms = terms(state_dir, settings)?;
        let mut journal = Journal::new(segment::folder(state_dir), String::new(), Head::default());
        let opened = recovery::open(&mut journal);
        if let Err(locked @ JournalError::Locked(_)) = opened {
            return Err(locked);
        }
        let run = recovery::new_log()?;
        let key = terms.key.public().to_hex();
        let state = state_dir.to_owned();
        let keeper = Arc::new(Keeper::new(run, state, arguments, terms, journal, (lines, redaction)));
        match opened {
            Ok(_) => keeper.open_or_close(),
            Err(error) => keeper.fail(&error.to_string()),
        }
        let end = Mutex::new(writer::start(keeper.clone())?);
        let audit = Self(Arc::new(Parts { keeper, end }));
        let keeper = &audit.0.keeper;
        let log = keeper.journal().log.clone();
        info!(target: "audit", folder = %segment::folder(state_dir).display(), log, public_key = key, "audit open");
        let says = json!({ "run": keeper.run, "version": env!("CARGO_PKG_VERSION"), "pid": std::process::id(), "public_key": key });
        audit.note(Event::Start, &says);
        Ok(audit)
    }

    /// Goes by other settings.
    ///
    /// # Errors
    ///
    /// If the key that they need is not to be had.
    pub fn prepare(&self, settings: &AuditSettings) -> io::Result<impl FnOnce() + Send + 'static> {
        let terms = terms(&self.0.keeper.state_dir, settings)?;
        let keeper = self.0.keeper.clone();
        Ok(move || keeper.follow(terms))
    }

    /// The last record, after which there is none.
    pub fn close(&self) {
        self.count(true);
        self.note(Event::Stop, &json!({}));
        self.0.keeper.queue.close();
        let end = self.0.end.lock().unwrap_or_else(PoisonError::into_inner);
        if end.recv_timeout(PATIENCE).is_err() {
            warn!(target: "audit", "the last records of the audit may not be written");
        }
    }

    /// Somebody had no valid token.
    pub fn auth_failure(&self, address: IpAddr, door: &str, reason: &'static str) {
        self.count(false);
        if self.0.keeper.floods().failure(address, reason) {
            self.note(
                Event::AuthFailure,
                &json!({ "address": address.to_canonical(), "door": door, "reason": reason }),
            );
        }
    }

    /// Another configuration is in force, or was to be.
    pub fn reload(&self, says: &impl Serialize) {
        self.note(Event::Reload, says);
    }

    /// A plugin came, changed or went.
    pub fn plugin(&self, says: &impl Serialize) {
        self.note(Event::Plugin, says);
    }

    /// A plugin was not let in.
    pub fn plugin_refused(&self, says: &impl Serialize) {
        self.note(Event::PluginRefused, says);
    }

    /// Calls were ended, because what they began by was taken back.
    pub fn revocation(&self, says: &impl Serialize) {
        self.note(Event::Revocation, says);
    }

    /// An operator changed what counts as spent on models.
    pub fn budget(&self, says: &impl Serialize) {
        self.note(Event::Budget, says);
    }

    fn note(&self, event: Event, says: &impl Serialize) {
        let redactor = self.0.keeper.redaction.load();
        self.0.keeper.note(event, record::redacted(event, says, &redactor));
    }

    /// Puts on record what was only counted, if it is time for that.
    fn count(&self, everything: bool) {
        if let Some(counted) = self.0.keeper.counted(everything) {
            counted.bodies().into_iter().for_each(|(event, body)| self.0.keeper.note(event, body));
        }
    }

    fn hash(&self, arguments: &[u8]) -> Option<String> {
        (!arguments.is_empty()).then(|| self.0.keeper.arguments.hash(arguments))
    }
}

impl AuditSink for Audit {
    fn decided(&self, call: &CallRecord, arguments: &[u8]) -> Admission {
        let keeper = &self.0.keeper;
        if keeper.is_refusing() {
            return Admission::Unavailable;
        }
        keeper.admit(record::decided(&keeper.run, call, self.hash(arguments), &keeper.redaction.load()))
    }

    fn ended(&self, call: &CallRecord, arguments: &[u8]) {
        let keeper = &self.0.keeper;
        if record::is_too_fast(call) {
            self.count(false);
            if !self.0.keeper.floods().refusal(call.principal.agent.as_str(), &call.reasons) {
                return;
            }
        }
        let event = record::event_of_end(call);
        let body = || -> Body {
            let hash = if call.is_decided { None } else { self.hash(arguments) };
            record::ended(&keeper.run, call, hash, &keeper.redaction.load())
        };
        if call.reasons.contains(&Reason::AuditUnavailable.code()) {
            keeper.note_refused(event, body);
        } else {
            keeper.note(event, body());
        }
    }

    fn available(&self) -> Result<(), AuditUnavailable> {
        if self.0.keeper.is_refusing() { Err(AuditUnavailable) } else { Ok(()) }
    }

    fn status(&self) -> AuditStatus {
        let keeper = &self.0.keeper;
        let outage = keeper.outage();
        let [failures, lost, syncs] = keeper.counts.failures_lost_syncs();
        let (seq, segment, bytes) = {
            let journal = keeper.journal();
            (journal.head.seq, journal.segment().map(segment::Segment::name), journal.written)
        };
        keeper.write_for_others();
        AuditStatus {
            available: outage.is_none(),
            why: outage.map(|outage| outage.why),
            seq,
            segment,
            key: keeper.terms().key.public().to_hex(),
            waiting: keeper.queue.len(),
            checkpoint: keeper.last_checkpoint().clone(),
            records: keeper.counts.by_event(),
            failures,
            lost,
            syncs,
            lag: keeper.lag(),
            bytes,
        }
    }
}

fn terms(state_dir: &Path, settings: &AuditSettings) -> io::Result<Terms> {
    let key = match &settings.key {
        Some(key) => CheckpointKey::new(key),
        None => keys::signing(state_dir)?,
    };
    Ok(Terms { settings: settings.clone(), key })
}

#[cfg(test)]
mod tests;

//! The port to the audit: the record that every decision is on before anything
//! comes of it.

use std::{fmt, time::Duration};

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::gateway::CallRecord;

/// Keeps the audit. No call of a plugin's code runs whose decision it has not
/// taken.
pub trait AuditSink: Send + Sync {
    /// Puts on record that a call is let through, before it runs. `arguments`: as
    /// JSON, to be kept as a keyed hash only.
    fn decided(&self, call: &CallRecord, arguments: &[u8]) -> Admission;

    /// Puts on record how a call ended: once for each, after [`Self::decided`] if
    /// it was let through to a plugin, and otherwise with the decision in it.
    fn ended(&self, call: &CallRecord, arguments: &[u8]);

    /// Whether records can be written, for what is let through without a plugin.
    ///
    /// # Errors
    ///
    /// If they cannot.
    fn available(&self) -> Result<(), AuditUnavailable>;

    /// How it is, for operators.
    fn status(&self) -> AuditStatus;
}

/// How the audit is.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AuditStatus {
    /// Whether records can be written, so that calls run.
    pub available: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The last record.
    pub seq: u64,
    /// The file that is written.
    pub segment: Option<String>,
    /// The key that checks checkpoints, in hexadecimal.
    pub key: String,
    /// Records that wait to be written.
    pub waiting: usize,
    /// The last checkpoint of this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<LastCheckpoint>,
    /// Records written since the start, by event.
    #[serde(skip)]
    pub records: Vec<(&'static str, u64)>,
    /// How often writing became impossible.
    #[serde(skip)]
    pub failures: u64,
    /// Records that could not be kept.
    #[serde(skip)]
    pub lost: u64,
    /// How often the disk was waited for.
    #[serde(skip)]
    pub syncs: u64,
    /// For how long the oldest record waits that the disk may not have, in
    /// milliseconds.
    #[serde(rename = "lag_ms", serialize_with = "milliseconds")]
    pub lag: Duration,
    /// Bytes written since the start.
    #[serde(skip)]
    pub bytes: u64,
}

/// The server's signature under all records up to one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastCheckpoint {
    /// The last record that it vouches for.
    pub covers: u64,
    /// When it was signed.
    pub at: Timestamp,
}

fn milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// What comes of putting a decision on record.
pub enum Admission {
    /// It is there.
    Recorded,
    /// It cannot be.
    Unavailable,
    /// It is on its way; the call waits.
    Pending(BoxFuture<'static, Result<(), AuditUnavailable>>),
}

/// The audit cannot be written, so nothing may happen that belongs on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit cannot be written")]
pub struct AuditUnavailable;

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recorded => "Recorded",
            Self::Unavailable => "Unavailable",
            Self::Pending(_) => "Pending",
        })
    }
}

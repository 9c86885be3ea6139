//! Checkpoints: the server's signature under all records up to one. Whoever has one
//! that left the host sees what was changed or cut off since, also if the whole
//! chain was written anew.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    chain::{Hash, Head},
    keys::{CheckpointKey, PublicKey},
    record::microseconds,
};

/// By which a line of the log is known for a checkpoint.
const LOG_MESSAGE: &str = "audit checkpoint";

/// As a record of the chain and as a line of the log have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Which audit.
    pub log: String,
    /// The last record that it vouches for.
    pub covers: u64,
    /// That record's hash, which is made of all before it.
    pub head: String,
    /// When it was signed.
    #[serde(serialize_with = "microseconds")]
    pub signed: Timestamp,
    /// The key that checks it, in hexadecimal.
    #[serde(rename = "public_key")]
    pub key: String,
    /// Ed25519 of [`Self::message`], in base64. Under the name of a signature, the
    /// log would hide it.
    #[serde(rename = "ed25519")]
    pub signature: String,
}

impl Checkpoint {
    pub(crate) fn sign(log: &str, head: Head, key: &CheckpointKey) -> Self {
        let mut checkpoint = Self {
            log: log.to_owned(),
            covers: head.seq,
            head: head.hash.to_string(),
            // As it is written, so that it is signed so.
            signed: Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap_or_default(),
            key: key.public().to_hex(),
            signature: String::new(),
        };
        checkpoint.signature = BASE64.encode(key.sign(&checkpoint.message()));
        checkpoint
    }

    /// What is signed: five lines.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        let Self { log, covers, head, signed, .. } = self;
        format!("mcp-universal-server audit\n{log}\n{covers}\n{head}\n{signed:.6}\n").into_bytes()
    }

    /// The key whose signature it bears, rightly.
    #[must_use]
    pub fn signer(&self) -> Option<PublicKey> {
        let key = PublicKey::from_hex(&self.key)?;
        let signature: [u8; 64] = BASE64.decode(&self.signature).ok()?.try_into().ok()?;
        key.verifies(&self.message(), &signature).then_some(key)
    }

    /// It as a line of the log, which leaves the host.
    pub(crate) fn log_line(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Line<'a> {
            #[serde(serialize_with = "microseconds")]
            timestamp: Timestamp,
            level: &'static str,
            message: &'static str,
            #[serde(flatten)]
            checkpoint: &'a Checkpoint,
            target: &'static str,
        }
        let (timestamp, checkpoint) = (self.signed, self);
        let line = Line { timestamp, level: "INFO", message: LOG_MESSAGE, checkpoint, target: "audit" };
        // Text and numbers are always JSON.
        let mut line = serde_json::to_vec(&line).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// The record it vouches for.
    pub(crate) fn head(&self) -> Option<Head> {
        Some(Head { seq: self.covers, hash: Hash::parse(self.head.as_bytes())? })
    }
}

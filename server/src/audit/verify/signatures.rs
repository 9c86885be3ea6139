//! The signatures in an audit, and those that left the host.

use std::collections::{HashMap, VecDeque};

use serde::Deserialize;

use super::{Checkpoint, Findings, Head, Held, PublicKey};
use crate::audit::{chain::Hash, event::Event};

/// How far behind the last record a checkpoint may be when it is written.
const BEHIND: usize = 1 << 16;

pub(super) struct Signatures<'h> {
    held: &'h Held,
    log: String,
    /// The last heads, to which checkpoints are held.
    heads: VecDeque<Head>,
    /// Those that the checkpoints from outside are of, once they are there.
    outside: HashMap<u64, Option<Hash>>,
    /// The keys that count from here on, the one that signs last.
    trusted: Vec<PublicKey>,
    /// A key that another one has announced, and in which record.
    announced: Option<(u64, PublicKey)>,
    checkpoints: u64,
    signed_up_to: u64,
}

/// A record that announces another key.
#[derive(Deserialize)]
struct Announcement {
    #[serde(rename = "public_key")]
    key: String,
    before: String,
}

impl<'h> Signatures<'h> {
    pub(super) fn new(held: &'h Held) -> Self {
        Self {
            held,
            log: String::new(),
            heads: VecDeque::new(),
            outside: held.outside.iter().map(|it| (it.covers, None)).collect(),
            trusted: held.key.into_iter().collect(),
            announced: None,
            checkpoints: 0,
            signed_up_to: 0,
        }
    }

    pub(super) fn is_of(&mut self, log: &str) {
        log.clone_into(&mut self.log);
    }

    /// A record, with which the chain now ends.
    pub(super) fn see(&mut self, head: Head, event: Option<Event>, line: &[u8]) -> Result<(), String> {
        let judged = match event {
            Some(Event::Checkpoint) => self.checkpoint(line),
            Some(Event::Key) => {
                self.announcement(head.seq, line);
                Ok(())
            }
            _ => Ok(()),
        };
        if self.heads.len() == BEHIND {
            self.heads.pop_front();
        }
        self.heads.push_back(head);
        if let Some(hash) = self.outside.get_mut(&head.seq) {
            *hash = Some(head.hash);
        }
        judged
    }

    fn checkpoint(&mut self, line: &[u8]) -> Result<(), String> {
        let checkpoint: Checkpoint = serde_json::from_slice(line)
            .map_err(|error| format!("the checkpoint cannot be read: {error}"))?;
        let covers = checkpoint.covers;
        let signer = checkpoint
            .signer()
            .filter(|_| checkpoint.log == self.log)
            .ok_or_else(|| format!("the signature of the checkpoint for record {covers} is wrong"))?;
        let here = self.heads.iter().rev().find(|head| head.seq == covers).copied();
        if here.is_none() || here != checkpoint.head() {
            return Err(format!("the checkpoint for record {covers} is of another chain"));
        }
        self.checkpoints += 1;
        self.judge(signer, covers)
    }

    fn judge(&mut self, signer: PublicKey, covers: u64) -> Result<(), String> {
        if self.trusted.is_empty() {
            // Nobody said which: the chain has to go on with the one it begins with.
            self.trusted.push(signer);
        }
        if self.trusted.contains(&signer) {
            self.signed_up_to = covers;
            if let Some((_, key)) = self.announced.take_if(|(seq, _)| *seq <= covers) {
                self.trusted.push(key);
            }
            return Ok(());
        }
        if self.signed_up_to == 0 {
            // By a key before the one that is trusted, which vouches for it later.
            return Ok(());
        }
        Err(format!(
            "the checkpoint for record {covers} is signed with key {}, for which no trusted key vouches",
            signer.to_hex()
        ))
    }

    /// Counts if a trusted key signs it.
    fn announcement(&mut self, seq: u64, line: &[u8]) {
        let Ok(Announcement { key, before }) = serde_json::from_slice(line) else { return };
        let before = PublicKey::from_hex(&before).filter(|key| self.trusted.contains(key));
        if let (Some(_), Some(key)) = (before, PublicKey::from_hex(&key)) {
            self.announced = Some((seq, key));
        }
    }

    /// What is wrong once all records are seen.
    pub(super) fn end(&self, head: Head, first: u64) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(key) = self.held.key.filter(|_| self.signed_up_to == 0) {
            problems.push(format!("no checkpoint is signed with key {}", key.to_hex()));
        }
        problems.extend(self.held.outside.iter().filter_map(|it| self.outside(it, head, first)));
        problems
    }

    fn outside(&self, checkpoint: &Checkpoint, head: Head, first: u64) -> Option<String> {
        let Checkpoint { covers, signed, log, .. } = checkpoint;
        if *log != self.log {
            return Some(format!("the checkpoint of {signed} is of another audit, {log}"));
        }
        let signer = checkpoint.signer();
        if signer.is_none_or(|key| !self.trusted.is_empty() && !self.trusted.contains(&key)) {
            return Some(format!("the checkpoint of {signed} is not signed with a key that counts here"));
        }
        if *covers > head.seq {
            let missing = covers - head.seq;
            return Some(format!(
                "the tail is cut off: record {covers} was signed at {signed}, and the last one is {}: {missing} or more are missing",
                head.seq
            ));
        }
        if *covers < first {
            return None;
        }
        let here = self.outside.get(covers).copied().flatten();
        (here.map(|hash| hash.to_string()).as_ref() != Some(&checkpoint.head)).then(|| {
            format!("record {covers} is not the one that was signed at {signed}: the chain was written anew")
        })
    }

    pub(super) fn tell(&self, head: Head, findings: &mut Findings) {
        findings.checkpoints = self.checkpoints;
        findings.signed_up_to = self.signed_up_to;
        findings.key = self.trusted.last().map(|key| key.to_hex());
        findings.outside_checkpoints = self.held.outside.len();
        if self.held.key.is_none() && self.held.outside.is_empty() {
            findings.notes.push(
                "it was held to nothing from outside: whoever has its key could have written all of it anew; use --public-key or --checkpoint"
                    .to_owned(),
            );
        }
        let unsigned = head.seq.saturating_sub(self.signed_up_to);
        if unsigned > 0 {
            let records = if unsigned == 1 { "record is" } else { "records are" };
            findings.notes.push(format!("the last {unsigned} {records} not signed yet"));
        }
    }
}

//! The writer's thread: it writes what calls do not write themselves, and sees to
//! what is due.

use std::{
    sync::{Arc, atomic::Ordering, mpsc},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use server_core::{
    audit::{AuditUnavailable, LastCheckpoint},
    settings::Durability,
};
use tracing::{info, warn};

use super::{
    chain::Body,
    checkpoint::Checkpoint,
    event::Event,
    journal::{Astray, JournalError},
    keeper::{CHECKPOINT_EVERY, Keeper},
    keys::CheckpointKey,
    queue::Waiting,
    record::body,
    recovery,
    reserve::Reserve,
    retention,
};

/// How long records wait for the disk together.
const GROUP: Duration = Duration::from_millis(100);
/// The longest time without a checkpoint.
const CHECKPOINT: Duration = Duration::from_secs(60);
/// How soon it is tried again to write.
const RETRY: Duration = Duration::from_millis(250);
/// How long writes must have been fast before calls do them themselves again.
const FAST: Duration = Duration::from_secs(5);

pub(super) struct Writer {
    keeper: Arc<Keeper>,
    reserve: Reserve,
    key: CheckpointKey,
    /// When there was one last.
    checkpointed: Option<Instant>,
    /// The record that the last checkpoint is.
    checkpoint: u64,
    slow_since: Option<Instant>,
    /// It was on record that calls are refused.
    is_told: bool,
}

/// The thread. It ends once its keeper's queue is closed.
pub(super) fn start(keeper: Arc<Keeper>) -> std::io::Result<mpsc::Receiver<()>> {
    let (ended, end) = mpsc::sync_channel(1);
    let writer = Writer::new(keeper);
    thread::Builder::new().name("audit".to_owned()).spawn(move || {
        writer.run();
        let _ = ended.send(());
    })?;
    Ok(end)
}

impl Writer {
    fn new(keeper: Arc<Keeper>) -> Self {
        let reserve = Reserve::new(keeper.journal().folder());
        let key = keeper.terms().key;
        let (checkpointed, slow_since) = (None, None);
        Self { keeper, reserve, key, checkpointed, checkpoint: 0, slow_since, is_told: false }
    }

    fn run(mut self) {
        if let Err(error) = self.reserve.restore() {
            self.keeper.fail_to_write(&error);
        }
        self.retain();
        loop {
            let is_refusing = self.keeper.is_refusing();
            let (waiting, is_closed) = self.keeper.queue.next(self.deadline(is_refusing), is_refusing);
            if is_refusing || self.keeper.is_refusing() {
                self.keeper.queue.put_back(waiting);
                self.recover();
                if is_closed && self.keeper.is_refusing() {
                    return;
                }
                continue;
            }
            self.write(waiting);
            self.see_to_what_is_due();
            if is_closed && self.keeper.queue.len() == 0 {
                self.checkpoint();
                self.sync();
                return;
            }
        }
    }

    fn deadline(&self, is_refusing: bool) -> Instant {
        if is_refusing {
            return Instant::now() + RETRY;
        }
        // The first one is due at once, so that the start is signed.
        let mut next = self.checkpointed.map_or_else(Instant::now, |at| at + CHECKPOINT);
        next = self.keeper.unsynced_since().map_or(next, |since| next.min(since + GROUP));
        next = self.slow_since.map_or(next, |since| next.min(since + FAST));
        if let Some((_, begun)) = self.keeper.journal().extent() {
            let left =
                self.keeper.terms().settings.segment_age.saturating_sub(begun.elapsed().unwrap_or_default());
            next = next.min(Instant::now() + left);
        }
        next
    }

    /// Writes what waits, in one write, and tells who waits for it.
    fn write(&mut self, waiting: Vec<Waiting>) {
        if waiting.is_empty() {
            return;
        }
        let begun = Instant::now();
        let bodies: Vec<&Body> = waiting.iter().map(|it| &it.body).collect();
        let (written, seq, length, file) = {
            let mut journal = self.keeper.journal();
            let written = journal.append(&bodies);
            let length = journal.extent().map_or(0, |(length, _)| length);
            (written, journal.head.seq, length, journal.file())
        };
        let is_strict = self.keeper.terms().settings.durability == Durability::Strict;
        let written = written.and_then(|()| match file.filter(|_| is_strict) {
            Some(file) => {
                self.keeper.counts.synced();
                file.sync_data()
            }
            None => Ok(()),
        });
        if let Err(error) = written {
            self.keeper.fail_to_write(&error);
            self.keeper.queue.put_back(waiting);
            return;
        }
        if self.keeper.was_slow(begun.elapsed()) {
            self.slow_since = Some(Instant::now());
        }
        for Waiting { event, done, .. } in waiting {
            self.keeper.counts.written(event);
            // Whoever waited may have gone.
            let _ = done.map(|done| done.send(Ok::<(), AuditUnavailable>(())));
        }
        self.keeper.written(seq, length);
    }

    fn see_to_what_is_due(&mut self) {
        self.keeper.seen_to();
        if self.keeper.unsynced.load(Ordering::Acquire) {
            let since = *self.keeper.unsynced_since().get_or_insert_with(Instant::now);
            if since.elapsed() >= GROUP {
                self.sync();
            }
        }
        if self.keeper.is_slow() && self.slow_since.get_or_insert_with(Instant::now).elapsed() >= FAST {
            self.slow_since = None;
            self.keeper.is_fast_again();
        }
        self.change_keys();
        let (seq, extent) = {
            let journal = self.keeper.journal();
            (journal.head.seq, journal.extent())
        };
        let terms = self.keeper.terms().settings;
        let is_full = extent.is_some_and(|(length, begun)| {
            length >= terms.segment_bytes || begun.elapsed().unwrap_or_default() >= terms.segment_age
        });
        let is_old = self.checkpointed.is_none_or(|at| at.elapsed() >= CHECKPOINT);
        if is_old || is_full || seq >= self.checkpoint + CHECKPOINT_EVERY {
            self.checkpoint();
        }
        if is_full && !self.keeper.is_refusing() {
            self.rotate();
        }
        if let Some(counted) = self.keeper.counted(false) {
            for (event, body) in counted.bodies() {
                self.append(event, &body);
            }
        }
        if is_old || is_full {
            self.retain();
        }
    }

    /// Has the disk take what was written, and looks whether it is still where it
    /// was written.
    fn sync(&mut self) {
        *self.keeper.unsynced_since() = None;
        self.keeper.unsynced.store(false, Ordering::Release);
        let file = self.keeper.journal().file();
        self.keeper.counts.synced();
        if let Some(Err(error)) = file.map(|file| file.sync_data()) {
            return self.keeper.fail_to_write(&error);
        }
        self.inspect();
    }

    fn inspect(&mut self) {
        let astray = self.keeper.journal().inspect();
        match astray {
            Ok(()) => {}
            Err(Astray::Gone) => self.keeper.fail("its file is not in its place any more"),
            Err(Astray::Changed { found, expected }) => {
                let message = "somebody else wrote to the segment, or cut it";
                warn!(target: "audit", found, expected, "{message}");
                self.append(
                    Event::Recovery,
                    &body(
                        Event::Recovery,
                        json!({ "message": message, "found_bytes": found, "expected_bytes": expected }),
                    ),
                );
                self.rotate();
            }
        }
    }

    /// Signs all records there are.
    fn checkpoint(&mut self) {
        let (log, head) = {
            let journal = self.keeper.journal();
            (journal.log.clone(), journal.head)
        };
        let checkpoint = Checkpoint::sign(&log, head, &self.key);
        if !self.append(Event::Checkpoint, &body(Event::Checkpoint, &checkpoint)) {
            return;
        }
        self.checkpointed = Some(Instant::now());
        self.checkpoint = head.seq + 1;
        *self.keeper.last_checkpoint() =
            Some(LastCheckpoint { covers: checkpoint.covers, at: checkpoint.signed });
        self.keeper.checkpoint_at.store(self.checkpoint + CHECKPOINT_EVERY, Ordering::Relaxed);
        if let Some(lines) = &self.keeper.lines {
            lines.push(&checkpoint.log_line());
        }
    }

    /// Lets the old key say which one comes after it.
    fn change_keys(&mut self) {
        let key = self.keeper.terms().key;
        let (old, new) = (self.key.public(), key.public());
        if old == new {
            return;
        }
        let says = json!({ "public_key": new.to_hex(), "before": old.to_hex() });
        if self.append(Event::Key, &body(Event::Key, says)) {
            self.checkpoint();
            self.key = key;
            self.checkpoint();
            info!(target: "audit", public_key = new.to_hex(), before = old.to_hex(), "checkpoints are signed with another key");
        }
    }

    fn rotate(&mut self) {
        let begun = self.keeper.journal().begin();
        match begun {
            Ok(()) => self.keeper.counts.written(Event::Segment),
            Err(error) => self.keeper.fail_to_write(&error),
        }
    }

    fn retain(&mut self) {
        let settings = self.keeper.terms().settings;
        let folder = self.keeper.journal().folder().to_owned();
        let current = self.keeper.journal().segment().cloned();
        let Some(current) = current else { return };
        for removable in retention::beyond(&folder, &current, &settings) {
            // First it is on record; a segment that goes without is a gap.
            if !self.append(Event::Retention, &body(Event::Retention, &removable.says)) {
                return;
            }
            if let Err(error) = std::fs::remove_file(&removable.path) {
                warn!(target: "audit", path = %removable.path.display(), %error, "a segment that is not to be kept any longer cannot be removed");
                return;
            }
        }
    }

    /// Writes one record now. Says whether it is there.
    fn append(&mut self, event: Event, body: &Body) -> bool {
        let written = self.keeper.journal().append(&[body]);
        match written {
            Ok(()) => {
                self.wrote(event);
                true
            }
            Err(error) => {
                self.keeper.fail_to_write(&error);
                false
            }
        }
    }

    fn wrote(&mut self, event: Event) {
        self.keeper.counts.written(event);
        self.keeper.unsynced.store(true, Ordering::Release);
        self.keeper.unsynced_since().get_or_insert_with(Instant::now);
    }

    /// Tries whether records can be written again, with room to spare.
    fn recover(&mut self) {
        let opened = self.reopen();
        if opened.is_err() || self.reserve.restore().is_err() {
            self.write_with_the_reserve();
            return;
        }
        let Some(outage) = self.keeper.outage() else { return };
        let says = json!({
            "since": format!("{:.6}", outage.since),
            "why": outage.why,
            "refused_calls": outage.refused,
            "lost_records": outage.lost,
        });
        let gap = body(Event::Gap, says);
        let written = self.keeper.journal().append(&[&gap]);
        if written.is_err() {
            return;
        }
        self.wrote(Event::Gap);
        self.is_told = false;
        self.keeper.recovered();
        let (refused, lost) = (outage.refused, outage.lost);
        info!(target: "audit", refused, lost, "the audit can be written again: calls run");
        self.keeper.queue.wake();
    }

    /// Puts everything back to where it can be written.
    fn reopen(&self) -> Result<(), JournalError> {
        let mut journal = self.keeper.journal();
        match journal.inspect() {
            Err(Astray::Gone) if journal.segment().is_some() => journal.put_back(),
            Err(Astray::Gone) => recovery::open(&mut journal).map(drop),
            _ => Ok(()),
        }
    }

    /// What tells of the server itself has room kept for it.
    fn write_with_the_reserve(&mut self) {
        let mut own = self.keeper.queue.take_servers_own();
        if !self.is_told
            && let Some(outage) = self.keeper.outage()
        {
            let says = json!({ "since": format!("{:.6}", outage.since), "why": outage.why });
            let refusing = body(Event::Refusing, says);
            let told = Waiting { event: Event::Refusing, body: refusing, done: None, by_the_thread: true };
            own.insert(0, told);
        }
        while !own.is_empty() {
            let bodies: Vec<_> = own.iter().map(|it| &it.body).collect();
            let written = self.keeper.journal().append(&bodies);
            if written.is_ok() {
                self.is_told = true;
                own.iter().for_each(|it| self.wrote(it.event));
                return;
            }
            if !self.reserve.give_up() {
                break;
            }
        }
        own.retain(|it| it.event != Event::Refusing);
        self.keeper.queue.put_back(own);
    }
}

//! What calls and the writer's thread share: the journal, the queue, and whether
//! records can be written.
//!
//! A call appends its record itself, under a short lock: to have a thread do it
//! costs two wake-ups, more than all the rest. Where another call has the lock, that
//! one writes the record with its next write. Where writing could take long, as on a
//! slow disk or with `durability: strict`, records go to the thread. Either way the
//! call waits without holding a thread of its own up.

use std::{
    hint, io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use server_core::{
    audit::{Admission, AuditUnavailable, LastCheckpoint},
    redact::Redaction,
    settings::{AuditSettings, Durability},
};
use tokio::{sync::oneshot, time::timeout};
use tracing::error;

use super::{
    chain::Body,
    counts::Counts,
    event::Event,
    flood::{Counted, Floods},
    journal::Journal,
    keys::{ArgumentsKey, CheckpointKey},
    queue::{Queue, Waiting},
};
use crate::logging::Lines;

/// How long a call waits for its record.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// How long a write may take before the calls' own threads are spared the next.
const SLOW: Duration = Duration::from_millis(20);

/// How often a call looks again whether the journal is free: a few microseconds
/// in all, which is what another call needs it for.
const TRIES: u32 = 100;

/// How many writes for others a call makes after its own.
const ROUNDS: usize = 4;

/// How many calls that were refused meanwhile are kept in mind one by one.
const REFUSED_KEPT: usize = 1000;

/// After how many records there is a checkpoint.
pub(crate) const CHECKPOINT_EVERY: u64 = 1000;

pub(crate) struct Keeper {
    /// This run of the server.
    pub(crate) run: String,
    pub(crate) state_dir: PathBuf,
    pub(crate) arguments: ArgumentsKey,
    pub(crate) queue: Queue,
    pub(crate) counts: Counts,
    /// Where checkpoints leave the host.
    pub(crate) lines: Option<Lines>,
    pub(crate) redaction: Arc<Redaction>,
    /// The last one that was written.
    checkpoint: Mutex<Option<LastCheckpoint>>,
    journal: Mutex<Journal>,
    terms: Mutex<Terms>,
    floods: Mutex<Floods>,
    outage: Mutex<Option<Outage>>,
    /// Calls write themselves.
    direct: AtomicBool,
    /// A write has taken long of late.
    slow: AtomicBool,
    refusing: AtomicBool,
    /// Something was written that the disk may not have yet.
    pub(crate) unsynced: AtomicBool,
    /// Since when, as the writer has seen it.
    unsynced_since: Mutex<Option<Instant>>,
    /// The record with which the next checkpoint is due, and the size with which
    /// the next segment is. Whoever gets there wakes the writer, once.
    pub(crate) checkpoint_at: AtomicU64,
    pub(crate) segment_bytes: AtomicU64,
    due: AtomicBool,
}

/// What is configured.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) settings: AuditSettings,
    pub(crate) key: CheckpointKey,
}

/// A time in which records could not be written.
#[derive(Clone, Debug)]
pub(crate) struct Outage {
    pub(crate) since: Timestamp,
    pub(crate) why: String,
    /// Calls that were refused.
    pub(crate) refused: u64,
    /// Records for which there was no room in memory either.
    pub(crate) lost: u64,
}

/// What became of an attempt to write at once.
enum Put {
    Done,
    Failed,
    /// Whoever has the journal has to.
    Busy,
    /// The thread has to.
    Indirect,
}

impl Keeper {
    pub(crate) fn new(
        run: String,
        state_dir: PathBuf,
        arguments: ArgumentsKey,
        terms: Terms,
        journal: Journal,
        (lines, redaction): (Option<Lines>, Arc<Redaction>),
    ) -> Self {
        let segment_bytes = AtomicU64::new(terms.settings.segment_bytes);
        Self {
            run,
            state_dir,
            arguments,
            queue: Queue::default(),
            counts: Counts::default(),
            lines,
            redaction,
            checkpoint: Mutex::default(),
            journal: Mutex::new(journal),
            terms: Mutex::new(terms),
            floods: Mutex::new(Floods::new()),
            outage: Mutex::default(),
            direct: AtomicBool::new(false),
            slow: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
            unsynced: AtomicBool::new(false),
            unsynced_since: Mutex::default(),
            checkpoint_at: AtomicU64::new(CHECKPOINT_EVERY),
            segment_bytes,
            due: AtomicBool::new(false),
        }
    }

    /// Puts the decision on a call on record, before it runs.
    pub(crate) fn admit(self: &Arc<Self>, body: Body) -> Admission {
        if self.is_refusing() {
            return Admission::Unavailable;
        }
        match self.put(Event::Decision, &body) {
            Put::Done => Admission::Recorded,
            Put::Failed => Admission::Unavailable,
            Put::Busy => self.wait_for(body, false),
            Put::Indirect => self.wait_for(body, true),
        }
    }

    fn wait_for(self: &Arc<Self>, body: Body, by_the_thread: bool) -> Admission {
        let (done, written) = oneshot::channel();
        if !self.leave(Waiting { event: Event::Decision, body, done: Some(done), by_the_thread }) {
            return Admission::Unavailable;
        }
        let keeper = self.clone();
        Admission::Pending(Box::pin(async move {
            match timeout(PATIENCE, written).await {
                Ok(Ok(written)) => written,
                Ok(Err(_)) => Err(AuditUnavailable),
                Err(_) => {
                    keeper.fail(&format!("a write takes longer than {} s", PATIENCE.as_secs()));
                    Err(AuditUnavailable)
                }
            }
        }))
    }

    /// Puts on record what has happened already.
    pub(crate) fn note(&self, event: Event, body: Body) {
        let put = if self.is_refusing() { Put::Indirect } else { self.put(event, &body) };
        let by_the_thread = match put {
            Put::Done => return,
            Put::Busy => false,
            Put::Failed | Put::Indirect => true,
        };
        if !self.leave(Waiting { event, body, done: None, by_the_thread }) {
            self.lost(1);
        }
    }

    /// Leaves a record to others. False if there are too many.
    ///
    /// INVARIANT: whoever had the journal looks at the queue afterwards, so that what
    /// was left meanwhile is written; and whoever has left something looks whether
    /// the journal has become free.
    fn leave(&self, waiting: Waiting) -> bool {
        let by_the_thread = waiting.by_the_thread;
        let taken = self.queue.push(waiting);
        if !by_the_thread {
            self.write_for_others();
        }
        taken
    }

    /// Writes what others have left, unless somebody else has the journal.
    pub(crate) fn write_for_others(&self) {
        for _ in 0..ROUNDS {
            if self.queue.len() == 0 || self.is_refusing() {
                return;
            }
            let begun = Instant::now();
            let Some(mut journal) = self.try_journal() else { return };
            let waiting = self.queue.take();
            if waiting.is_empty() {
                break;
            }
            let bodies: Vec<&Body> = waiting.iter().map(|it| &it.body).collect();
            let written = journal.append(&bodies);
            let (seq, length) = (journal.head.seq, journal.extent().map_or(0, |(length, _)| length));
            drop(journal);
            if let Err(error) = written {
                self.queue.put_back(waiting);
                return self.fail_to_write(&error);
            }
            for Waiting { event, done, .. } in waiting {
                self.counts.written(event);
                // Whoever waited may have gone.
                let _ = done.map(|done| done.send(Ok::<(), AuditUnavailable>(())));
            }
            self.written(seq, length);
            self.was_slow(begun.elapsed());
        }
        // They keep coming, and this call has its own work; or the thread has to.
        self.queue.wake();
    }

    /// Puts on record that a call was refused because there was no putting it on
    /// record; or only counts it.
    pub(crate) fn note_refused(&self, event: Event, body: impl FnOnce() -> Body) {
        let counted = match &mut *lock(&self.outage) {
            Some(outage) => {
                outage.refused += 1;
                outage.refused > REFUSED_KEPT as u64
            }
            None => false,
        };
        if !counted {
            self.note(event, body());
        }
    }

    fn put(&self, event: Event, body: &Body) -> Put {
        if !self.direct.load(Ordering::Relaxed) {
            return Put::Indirect;
        }
        let Some(mut journal) = self.grab() else { return Put::Busy };
        let begun = Instant::now();
        let written = journal.append(&[body]);
        let (seq, length) = (journal.head.seq, journal.extent().map_or(0, |(length, _)| length));
        drop(journal);
        let took = begun.elapsed();
        self.write_for_others();
        match written {
            Ok(()) => {
                self.counts.written(event);
                self.written(seq, length);
                self.was_slow(took);
                // It is there, and came too late for who waited.
                if took > PATIENCE { Put::Failed } else { Put::Done }
            }
            Err(error) => {
                self.fail_to_write(&error);
                Put::Failed
            }
        }
    }

    /// The journal, unless somebody has it for longer than a record takes.
    fn grab(&self) -> Option<MutexGuard<'_, Journal>> {
        for _ in 0..TRIES {
            match self.try_journal() {
                None => hint::spin_loop(),
                journal => return journal,
            }
        }
        None
    }

    fn try_journal(&self) -> Option<MutexGuard<'_, Journal>> {
        match self.journal.try_lock() {
            Ok(journal) => Some(journal),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Wakes the writer if something has become due for it.
    pub(crate) fn written(&self, seq: u64, length: u64) {
        let is_due = seq >= self.checkpoint_at.load(Ordering::Relaxed)
            || length >= self.segment_bytes.load(Ordering::Relaxed);
        let is_news = !self.unsynced.load(Ordering::Relaxed) && !self.unsynced.swap(true, Ordering::AcqRel);
        let is_first = is_due && !self.due.load(Ordering::Relaxed) && !self.due.swap(true, Ordering::AcqRel);
        if is_news || is_first {
            self.queue.wake();
        }
    }

    /// The writer has seen to what was due.
    pub(crate) fn seen_to(&self) {
        self.due.store(false, Ordering::Release);
    }

    /// Spares calls the next writes if this one took long.
    pub(crate) fn was_slow(&self, took: Duration) -> bool {
        let is_slow = took > SLOW;
        if is_slow {
            self.slow.store(true, Ordering::Release);
            self.open_or_close();
        }
        is_slow
    }

    /// Writes have been fast again.
    pub(crate) fn is_fast_again(&self) {
        self.slow.store(false, Ordering::Release);
        self.open_or_close();
    }

    /// Whether writes were slow of late.
    pub(crate) fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Acquire)
    }

    /// Lets calls write themselves if nothing speaks against it.
    pub(crate) fn open_or_close(&self) {
        let terms = lock(&self.terms);
        let direct = terms.settings.durability == Durability::Os && !self.is_slow() && !self.is_refusing();
        self.direct.store(direct, Ordering::Release);
    }

    /// Whether calls are refused because nothing can be written.
    pub(crate) fn is_refusing(&self) -> bool {
        self.refusing.load(Ordering::Relaxed)
    }

    pub(crate) fn fail_to_write(&self, error: &io::Error) {
        self.fail(&format!(
            "{} cannot be written: {error}",
            super::segment::folder(&self.state_dir).display()
        ));
    }

    /// Refuses calls until the writer finds that records can be written.
    pub(crate) fn fail(&self, why: &str) {
        {
            let mut outage = lock(&self.outage);
            if outage.is_some() {
                return;
            }
            *outage = Some(Outage { since: Timestamp::now(), why: why.to_owned(), refused: 0, lost: 0 });
            self.refusing.store(true, Ordering::Release);
        }
        self.counts.failed();
        self.open_or_close();
        error!(
            target: "audit",
            why,
            help = "look at the disk of `state.dir`; calls run again by themselves once it can be written",
            "calls are refused: the audit cannot be written"
        );
        self.queue.wake();
    }

    /// Lets calls in again. Says what the time was like in which it did not.
    pub(crate) fn recovered(&self) -> Option<Outage> {
        let outage = lock(&self.outage).take();
        self.refusing.store(false, Ordering::Release);
        self.open_or_close();
        outage
    }

    /// The time of refusals that goes on.
    pub(crate) fn outage(&self) -> Option<Outage> {
        lock(&self.outage).clone()
    }

    pub(crate) fn lost(&self, records: u64) {
        self.counts.lost(records);
        if let Some(outage) = &mut *lock(&self.outage) {
            outage.lost += records;
        }
    }

    /// For how long the oldest record waits that the disk may not have.
    pub(crate) fn lag(&self) -> Duration {
        lock(&self.unsynced_since).map_or(Duration::ZERO, |since| since.elapsed())
    }

    pub(crate) fn unsynced_since(&self) -> MutexGuard<'_, Option<Instant>> {
        lock(&self.unsynced_since)
    }

    pub(crate) fn last_checkpoint(&self) -> MutexGuard<'_, Option<LastCheckpoint>> {
        lock(&self.checkpoint)
    }

    /// Those who come too often.
    pub(crate) fn floods(&self) -> MutexGuard<'_, Floods> {
        lock(&self.floods)
    }

    /// What was only counted, if a window of it is over, or everything is.
    pub(crate) fn counted(&self, everything: bool) -> Option<Counted> {
        let mut floods = self.floods();
        (everything || floods.is_over()).then(|| floods.take())
    }

    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        lock(&self.journal)
    }

    pub(crate) fn terms(&self) -> Terms {
        lock(&self.terms).clone()
    }

    /// Goes by other settings from now on.
    pub(crate) fn follow(&self, terms: Terms) {
        self.segment_bytes.store(terms.settings.segment_bytes, Ordering::Relaxed);
        *lock(&self.terms) = terms;
        self.open_or_close();
        self.queue.wake();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

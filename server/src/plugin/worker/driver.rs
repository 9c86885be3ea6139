//! Reads what a worker says, for as long as it lives, and finds out how it ended.
//! The plugin's code can write to this line too, so nothing that comes is believed.

use std::{
    io::{self, ErrorKind},
    net::Shutdown,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use plugin_contract::op::{ErrorCode, OpError};
use server_core::registry::InvokeError;
use tokio::{io::Interest, time::MissedTickBehavior};

use super::{
    birth::encoded,
    frame::{self, Frame, Frames, Incoming, Kind},
    pool::{Cause, Loss, Pool},
    running::{Fate, Worker},
    usage::{Looked, Usage},
};
use crate::{
    allowance::Allowance,
    plugin::{fault::error_of, services::never_blocks, trial::how},
};

/// Why a worker ends that nobody ended.
const ENDED: &str = "its process ended";

/// How long one has nothing to do before it is spared, where there are others.
const IDLE: Duration = Duration::from_secs(60);

/// How much is read at once.
const PIECE: usize = 32 << 10;

/// How often to look what a worker uses.
const LOOK: Duration = Duration::from_secs(1);

/// How long a process whose line is closed may take to end.
const GRACE: Duration = Duration::from_secs(1);

/// How many questions that may block are answered at once for one worker.
const MAX_BLOCKING: usize = 16;

/// How many questions are answered without a pause, and how fast that grows back.
const QUESTIONS: (u32, Duration) = (2000, Duration::from_micros(50));

/// Listens to a worker until it is gone, and tells its pool.
pub(super) async fn drive(worker: Arc<Worker>, frames: Frames, pool: Weak<Pool>) {
    let mut driver = Driver::new(worker.clone(), frames, pool.clone());
    if let Err(crime) = driver.converse().await {
        worker.kill(&crime, Cause::Plugin);
    }
    let left = driver.left.then_some(Cause::Left);
    let Fate { reason, cause } = worker.doom(ENDED, left.unwrap_or(Cause::Plugin));
    let status = {
        let worker = worker.clone();
        tokio::task::spawn_blocking(move || worker.process.end(GRACE)).await
    };
    let reason = match status {
        Ok(Ok(status)) if reason == ENDED => format!("{ENDED} ({})", how(status)),
        _ => reason,
    };
    let calls = worker.fail(&reason);
    if let Some(pool) = pool.upgrade() {
        pool.lost(&worker, Loss { reason, calls, cause });
    }
}

struct Driver {
    worker: Arc<Worker>,
    frames: Frames,
    /// Questions that are being answered on other threads.
    blocking: Arc<AtomicUsize>,
    pool: Weak<Pool>,
    /// It was told that nobody has calls for it any more.
    left: bool,
    usage: Usage,
    limit: Duration,
}

impl Driver {
    fn new(worker: Arc<Worker>, frames: Frames, pool: Weak<Pool>) -> Self {
        let (process, limit) = (worker.process.id(), Duration::from_secs(worker.recipe.settings.cpu_seconds));
        Self { worker, frames, blocking: Arc::default(), pool, left: false, usage: Usage::of(process), limit }
    }

    /// The error is what it did that no worker does.
    async fn converse(&mut self) -> Result<(), String> {
        let mut piece = vec![0; PIECE];
        let (burst, interval) = QUESTIONS;
        let questions = Allowance::new(burst, interval);
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let worker = self.worker.clone();
            let most = |kind, id| worker.room(kind, id);
            while let Some(incoming) =
                self.frames.next_within(most).map_err(|error| format!("it sent {error}"))?
            {
                if matches!(&incoming, Incoming::Frame(frame) if frame.kind == Kind::Ask) {
                    while !questions.take() {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
                self.take(incoming)?;
            }
            let (stream, outbox) = (&worker.stream, &worker.outbox);
            // Who does not listen is not listened to, but its end is noticed.
            let interest = match (outbox.is_empty(), outbox.is_full()) {
                (true, _) => Interest::READABLE,
                (_, true) => Interest::WRITABLE,
                (false, false) => Interest::READABLE | Interest::WRITABLE,
            };
            tokio::select! {
                ready = stream.ready(interest) => {
                    let ready = ready.map_err(|error| error.to_string())?;
                    if ready.is_writable() && outbox.flush(stream).is_err() {
                        return Ok(());
                    }
                    if interest.is_readable() && !self.read(&mut piece) {
                        return Ok(());
                    }
                }
                () = outbox.filled() => {}
                () = worker.leave.notified() => self.leave(),
                _ = look.tick() => self.look()?,
            }
        }
    }

    /// False if there is nothing more to come.
    fn read(&mut self, piece: &mut [u8]) -> bool {
        match self.worker.stream.try_read(piece) {
            Ok(0) => false,
            Ok(read) => {
                self.frames.push(piece.get(..read).unwrap_or_default());
                true
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    fn take(&mut self, incoming: Incoming) -> Result<(), String> {
        match incoming {
            Incoming::Frame(frame) if frame.kind == Kind::Ask => self.asked(frame),
            Incoming::Frame(Frame { kind: Kind::Answer, id, body }) => self.worker.answered(id, Ok(body)),
            Incoming::Frame(Frame { kind: Kind::Error, id, body }) => {
                let error = error_of(self.worker.recipe.services.plugin(), &body);
                self.worker.answered(id, Err(InvokeError::Plugin(error)))
            }
            Incoming::TooLong { kind: Kind::Answer | Kind::Error, id, length } => {
                self.worker.answered(id, Err(InvokeError::TooLarge { bytes: length as u64 }))
            }
            Incoming::TooLong { kind: Kind::Ask, length, .. } => {
                Err(format!("it sent a frame of {length} bytes"))
            }
            _ => Err("it sent what workers do not send".to_owned()),
        }
    }

    /// Answers a question, elsewhere if that may take time.
    fn asked(&self, frame: Frame) -> Result<(), String> {
        let request = frame.request().map_err(|error| format!("it sent {error}"))?;
        let worker = &self.worker;
        // Another worker's call is none of its business, even if the plugin is the same.
        if !request.token.is_empty() && !worker.has(request.token) {
            let over = OpError::new(ErrorCode::Denied, "there is no such call, or it is over already");
            self.refuse(&frame, &over);
            return Ok(());
        }
        if never_blocks(request.op) {
            let bytes = reply(worker, &frame);
            worker.outbox.send(&worker.stream, bytes);
            return Ok(());
        }
        if self.blocking.fetch_add(1, Ordering::AcqRel) >= MAX_BLOCKING {
            self.blocking.fetch_sub(1, Ordering::AcqRel);
            let message = format!("the plugin asks more than {MAX_BLOCKING} things at once");
            self.refuse(&frame, &OpError::new(ErrorCode::Denied, message));
            return Ok(());
        }
        let (worker, blocking) = (worker.clone(), self.blocking.clone());
        tokio::task::spawn_blocking(move || {
            let bytes = reply(&worker, &frame);
            blocking.fetch_sub(1, Ordering::AcqRel);
            worker.outbox.send(&worker.stream, bytes);
        });
        Ok(())
    }

    fn refuse(&self, frame: &Frame, error: &OpError) {
        let body = serde_json::to_vec(error).unwrap_or_default();
        let bytes = frame::frame(Kind::Refusal, frame.id, &body).unwrap_or_default();
        self.worker.outbox.send(&self.worker.stream, bytes);
    }

    /// Nothing is written to it any more, which is how it learns that it may go.
    fn leave(&mut self) {
        self.left = true;
        let _ = shutdown(&self.worker);
    }

    /// Looks what it uses, and whether anybody needs it.
    fn look(&mut self) -> Result<(), String> {
        let (given, calls) = (self.worker.given(), self.worker.calls());
        let Looked { used, idle } = self.usage.look((given, calls));
        if used > self.limit {
            let when = if calls == 0 { "while it had no call" } else { "for the calls that it had" };
            return Err(format!(
                "its worker used more than {} s of processor time {when}",
                self.limit.as_secs()
            ));
        }
        if calls == 0
            && idle >= IDLE
            && let Some(pool) = self.pool.upgrade()
        {
            pool.spare(&self.worker);
        }
        Ok(())
    }
}

/// What comes of a question. Blocks.
fn reply(worker: &Worker, frame: &Frame) -> Vec<u8> {
    let (kind, body) = encoded(&worker.recipe.services, frame).unwrap_or((Kind::Refusal, Vec::new()));
    frame::frame(kind, frame.id, &body).unwrap_or_else(|| {
        let error = OpError::new(ErrorCode::Failed, "the answer is larger than what can go to a worker");
        let body = serde_json::to_vec(&error).unwrap_or_default();
        frame::frame(Kind::Refusal, frame.id, &body).unwrap_or_default()
    })
}

fn shutdown(worker: &Worker) -> io::Result<()> {
    let stream = std::os::fd::AsFd::as_fd(&worker.stream).try_clone_to_owned()?;
    std::os::unix::net::UnixStream::from(stream).shutdown(Shutdown::Write)
}

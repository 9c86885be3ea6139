//! What is to be sent to a worker. Most of it goes at once; what the socket does
//! not take waits, whole frames in their order, for whoever drives the worker.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Write},
    os::unix::net::UnixStream,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// How much may wait before nothing more is read from the worker: it must take
/// what it asked for first.
const MAX_WAITING: usize = 1 << 20;

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Vec<u8>>,
    /// Of the first frame, what was sent already.
    sent: usize,
    bytes: usize,
}

impl Outbox {
    /// Sends a frame, or has it wait. Trouble with the socket shows where it is
    /// read.
    pub(super) fn send(&self, stream: &UnixStream, frame: Vec<u8>) {
        let mut waiting = self.waiting();
        let was_empty = waiting.frames.is_empty();
        waiting.bytes += frame.len();
        waiting.frames.push_back(frame);
        if was_empty && matches!(waiting.flush(stream), Ok(false)) {
            self.filled.notify_one();
        }
    }

    /// Sends what the socket takes.
    pub(super) fn flush(&self, stream: &UnixStream) -> io::Result<()> {
        self.waiting().flush(stream).map(|_| ())
    }

    /// Returns once something waits that did not before.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Whether something waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting().frames.is_empty()
    }

    /// Whether too much waits.
    pub(super) fn is_full(&self) -> bool {
        self.waiting().bytes > MAX_WAITING
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Whether nothing is left.
    fn flush(&mut self, mut stream: &UnixStream) -> io::Result<bool> {
        while let Some(frame) = self.frames.front() {
            let rest = frame.get(self.sent..).unwrap_or_default();
            match stream.write(rest) {
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
            if self.sent >= frame.len() {
                self.bytes -= frame.len();
                self.sent = 0;
                self.frames.pop_front();
            }
        }
        Ok(true)
    }
}

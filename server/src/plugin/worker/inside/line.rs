//! The worker's end of the line to the server. Whoever waits for something reads
//! it from the socket itself, so that a call and what it asks need no other thread;
//! where several wait, one of them reads for all.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};

use crate::plugin::worker::{
    frame::{self, Frame, Frames, Kind, Request},
    kernel,
};

/// How much is read at once.
const PIECE: usize = 16 << 10;

/// The line. Threads of the worker and of the plugin share it.
#[derive(Debug)]
pub(super) struct Line {
    stream: UnixStream,
    sending: Mutex<()>,
    /// Whoever reads has it.
    incoming: Mutex<Frames>,
    desk: Mutex<Desk>,
    news: Condvar,
}

/// What has come and was not yet fetched.
#[derive(Debug, Default)]
struct Desk {
    somebody_reads: bool,
    calls: VecDeque<Frame>,
    /// Of every question that is open, the answer.
    replies: HashMap<u64, Option<Frame>>,
    questions: u64,
}

impl Line {
    pub(super) fn new(stream: UnixStream) -> Self {
        let (sending, incoming, desk, news) = Default::default();
        Self { stream, sending, incoming, desk, news }
    }

    /// The other end's socket.
    pub(super) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// The first frame, before there are threads.
    pub(super) fn first(&self) -> io::Result<Frame> {
        self.read()
    }

    /// Sends a frame whole. The server that does not take it any more is gone.
    pub(super) fn send(&self, bytes: &[u8]) {
        let _sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        if (&self.stream).write_all(bytes).is_err() {
            kernel::exit();
        }
    }

    /// Waits for the next call.
    pub(super) fn call(&self) -> Frame {
        self.wait(|desk| desk.calls.pop_front())
    }

    /// Asks the server, and waits for what it says. `None` if the question is too
    /// large to be asked.
    pub(super) fn ask(&self, request: Request<'_>) -> Option<Frame> {
        let id = {
            let mut desk = self.desk();
            desk.questions += 1;
            let id = desk.questions;
            desk.replies.insert(id, None);
            id
        };
        let Some(bytes) = frame::request(Kind::Ask, id, request) else {
            self.desk().replies.remove(&id);
            return None;
        };
        self.send(&bytes);
        Some(self.wait(|desk| {
            let reply = desk.replies.get_mut(&id)?.take()?;
            desk.replies.remove(&id);
            Some(reply)
        }))
    }

    /// Takes something from the desk, once it is there.
    fn wait<T>(&self, mut take: impl FnMut(&mut Desk) -> Option<T>) -> T {
        let mut desk = self.desk();
        loop {
            if let Some(taken) = take(&mut desk) {
                return taken;
            }
            if desk.somebody_reads {
                desk = self.news.wait(desk).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            desk.somebody_reads = true;
            drop(desk);
            // Nobody is there to work for any more.
            let Ok(frame) = self.read() else { kernel::exit() };
            desk = self.desk();
            desk.somebody_reads = false;
            desk.file(frame);
            // Somebody gets it, and somebody reads on.
            self.news.notify_all();
        }
    }

    fn read(&self) -> io::Result<Frame> {
        let mut incoming = self.incoming.lock().unwrap_or_else(PoisonError::into_inner);
        let mut piece = [0; PIECE];
        loop {
            if let Some(frame) = incoming.next().map_err(io::Error::other)? {
                return Ok(frame);
            }
            self.wait_to_read()?;
            match (&self.stream).read(&mut piece) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => incoming.push(piece.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whoever sleeps in a read is woken too when the server takes what was written
    /// here, and sleeps on.
    fn wait_to_read(&self) -> io::Result<()> {
        let mut wanted = [PollFd::new(&self.stream, PollFlags::IN)];
        match poll(&mut wanted, None) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn file(&mut self, frame: Frame) {
        match frame.kind {
            Kind::Call => self.calls.push_back(frame),
            _ => {
                if let Some(reply) = self.replies.get_mut(&frame.id) {
                    *reply = Some(frame);
                }
            }
        }
    }
}

//! The process of a worker, as the server sees it.

use std::{
    io,
    process::{Child, ExitStatus},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How often to look whether a process has ended, at first; it doubles.
const LOOK: Duration = Duration::from_micros(200);

/// A worker's process. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Process(Mutex<Child>);

impl Process {
    pub(super) fn new(child: Child) -> Self {
        Self(Mutex::new(child))
    }

    /// Its number.
    pub(super) fn id(&self) -> u32 {
        self.child().id()
    }

    /// Ends it at once.
    pub(super) fn kill(&self) {
        // A child that was waited for is not signalled.
        let _ = self.child().kill();
    }

    /// Waits until it has ended, and ends it after `grace`. Blocks.
    pub(super) fn end(&self, grace: Duration) -> io::Result<ExitStatus> {
        let deadline = Instant::now() + grace;
        let mut look = LOOK;
        while Instant::now() < deadline {
            if let Some(status) = self.child().try_wait()? {
                return Ok(status);
            }
            thread::sleep(look);
            look = (look * 2).min(Duration::from_millis(10));
        }
        self.kill();
        self.child().wait()
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child().wait();
    }
}

//! How many threads a worker may have. The limit that the kernel has counts all of
//! a user's, and none of root's, so the server is asked for each instead.

use std::{
    fs,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use super::kernel;

/// Where a worker asks whether it may begin a thread.
#[derive(Debug)]
pub(super) struct Listener {
    line: OwnedFd,
    process: u32,
    /// Threads that it may have beside its first.
    most: u32,
    /// How many it was allowed so far.
    allowed: u32,
}

impl Listener {
    pub(super) fn new(line: OwnedFd, process: u32, most: u32) -> Self {
        Self { line, process, most, allowed: 0 }
    }

    /// Answers one question.
    pub(super) fn judge(&mut self) {
        let Some(question) = kernel::next_question(&self.line) else { return };
        // Where they cannot be counted, those that have ended count too.
        let threads = self.threads().unwrap_or(self.allowed);
        let allowed = threads < self.most;
        if kernel::answer(&self.line, question, allowed) && allowed {
            self.allowed = self.allowed.saturating_add(1);
        }
    }

    /// How many it has beside its first.
    fn threads(&self) -> Option<u32> {
        let all = fs::read_dir(format!("/proc/{}/task", self.process)).ok()?.count();
        u32::try_from(all).ok()?.checked_sub(1)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }
}

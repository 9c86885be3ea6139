//! Files below the roots that the operator names: listed, read and searched,
//! never written. Whatever an agent asks for is opened beneath its root by the
//! kernel itself, so that no path leads out of it, however the folders change
//! meanwhile.

use std::time::{Duration, Instant};

use plugin_contract::op::{ErrorCode, OpError};
use server_core::policy::Reason;

mod list;
mod path;
mod read;
mod root;
mod search;

pub(crate) use list::list;
pub(crate) use read::read;
pub(crate) use root::Root;
pub(crate) use search::search;

/// Why files could not be had.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FileError {
    /// The policy is against it.
    Refused(Reason),
    /// So could nobody; the words are for the agent, and show no path but its own.
    Failed(OpError),
}

impl FileError {
    fn invalid(message: impl Into<String>) -> Self {
        Self::Failed(OpError::new(ErrorCode::InvalidInput, message))
    }

    fn not_found(message: impl Into<String>) -> Self {
        Self::Failed(OpError::new(ErrorCode::NotFound, message))
    }

    fn failed(message: impl Into<String>) -> Self {
        Self::Failed(OpError::new(ErrorCode::Failed, message))
    }
}

/// How long work on files may go on.
pub(crate) struct Patience<'a> {
    deadline: Instant,
    is_abandoned: &'a dyn Fn() -> bool,
}

impl<'a> Patience<'a> {
    /// Until shortly before the call's own deadline, so that what was found until
    /// then can still be answered.
    pub(crate) fn new(remaining: Duration, is_abandoned: &'a dyn Fn() -> bool) -> Self {
        let margin = (remaining / 10).min(Duration::from_secs(1));
        Self { deadline: Instant::now() + (remaining - margin), is_abandoned }
    }

    /// Whether it is over.
    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline || (self.is_abandoned)()
    }
}

#[cfg(test)]
mod tests;

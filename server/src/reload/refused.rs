//! Why a configuration is not taken over.

use server_core::config::Problem;

use super::bench::STAGING;
use crate::config_files::ReadError;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Its files cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// It has problems.
    #[error("{}", report(.0))]
    Invalid(Vec<Problem>),
    /// It changes what only a restart can.
    #[error("a change of {} needs a restart; nothing of this edit is in force", .0.join(" and "))]
    NeedsRestart(Vec<&'static str>),
    /// What has to follow it cannot, as a listener whose address is taken.
    #[error("{0}")]
    NotFollowed(String),
    /// Its files change faster than they can be read.
    #[error("its files do not stand still long enough to be read")]
    NeverStill,
    /// Reading it does not end.
    #[error("it has been read and its plugins loaded for {} s without an end", STAGING.as_secs())]
    Stuck,
    /// Reading it went wrong in a way that nobody foresaw.
    #[error("compiling it panicked; please report this with the configuration that did it")]
    Panicked,
    /// There is none to go back to.
    #[error("{0}")]
    NothingKept(String),
    /// Nor is there a copy of the last good one.
    #[error("{refused}\n\n{none}")]
    NoLastGood {
        /// Why the files cannot be used.
        refused: Box<Refused>,
        /// Why the copy cannot.
        none: String,
    },
}

impl Refused {
    /// How many problems there are.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::Invalid(problems) => problems.len(),
            Self::NeedsRestart(keys) => keys.len(),
            Self::NoLastGood { refused, .. } => refused.count(),
            _ => 1,
        }
    }
}

fn report(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
}

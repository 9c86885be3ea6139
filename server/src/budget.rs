//! The books of what was spent on models, in SQLite, below `state.dir`.
//!
//! One thread writes, and what arrives while it is at it goes into the next
//! transaction together: a request hears that it has its money only once that is
//! on disk. So whenever the process ends, nothing that may have been spent is
//! forgotten; at worst too much is remembered, which `budget release` puts right.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rusqlite::Connection;
use server_core::{
    budget::{ChargeId, Owner, Period, Scope, Shortfall, Standing, Window},
    money::NanoDollars,
    principal::Principal,
};
use tokio::sync::oneshot;
use tracing::error;

mod books;
mod file;
mod reservation;
mod writer;

pub use books::{Moment, Stranded};
pub use reservation::Reservation;
use writer::{Order, Writer};

/// The books. A clone is the same ones.
#[derive(Clone, Debug)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    /// Why there are none, or what writes them.
    writer: Result<Writer, String>,
    reader: Option<Mutex<Connection>>,
}

/// Why the books cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another process has them.
    #[error("{}: another server uses this `state.dir`", .0.display())]
    InUse(PathBuf),
    /// They are not what was written.
    #[error("{}: the file is damaged ({found}): move it away to begin with nothing spent, or restore a copy", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// They are of another version of this server.
    #[error("{}: the file is of a newer version of this server (format {version})", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        version: i64,
    },
    /// The file system fails.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// SQLite fails.
    #[error("{}: {error}", path.display())]
    Sqlite {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: rusqlite::Error,
    },
}

/// Why a request has no money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoMoney {
    /// It does not fit into these.
    Short(Vec<Shortfall>),
    /// The books cannot be written.
    Unavailable,
}

/// The books cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// A request for money.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Its name in the books: every attempt has its own.
    pub id: ChargeId,
    /// Who spends it.
    pub principal: Principal,
    /// On what: `anthropic/claude-haiku-4-5`.
    pub model: String,
    /// The most that it can cost.
    pub worst: NanoDollars,
    /// Where it is booked.
    pub scopes: Vec<Scope>,
}

/// How an owner's money stands in one day or month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Where.
    pub scope: Scope,
    /// How.
    pub standing: Standing,
}

impl Ledger {
    /// Opens the books below a folder, or begins them.
    ///
    /// # Errors
    ///
    /// Why that cannot be.
    pub fn open(folder: &Path) -> Result<Self, LedgerError> {
        let opened = file::open(folder)?;
        let reader = Some(Mutex::new(opened.reader));
        let writer =
            Writer::start(opened.books).map_err(|error| LedgerError::Io { path: opened.path, error })?;
        Ok(Self(Arc::new(Inner { writer: Ok(writer), reader })))
    }

    /// No books: nobody spends anything, and `why` says so.
    #[must_use]
    pub fn closed(why: impl fmt::Display) -> Self {
        Self(Arc::new(Inner { writer: Err(why.to_string()), reader: None }))
    }

    /// Why there are no books.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.0.writer.as_ref().err().map(String::as_str)
    }

    /// Whether the last attempt to write the books went well.
    #[must_use]
    pub fn can_write(&self) -> bool {
        self.0.writer.as_ref().is_ok_and(|writer| !writer.is_failing())
    }

    /// Reserves money in every scope at once. Where only money is in the way that
    /// others have reserved, waits so long for it.
    ///
    /// # Errors
    ///
    /// Every scope into which it does not fit.
    pub async fn reserve(&self, ask: Ask, wait: Duration) -> Result<Reservation, NoMoney> {
        // Before it is asked for, so that it goes back also if nobody waits for the
        // answer any more.
        let mut reservation = Reservation::new(self.clone(), ask.id.clone());
        let (reply, answer) = oneshot::channel();
        // Who waits for ever sees to it himself.
        let until = Instant::now().checked_add(wait);
        self.order(Order::Reserve { ask, until, reply }).map_err(|_| NoMoney::Unavailable)?;
        match answer.await {
            Ok(Ok(())) => Ok(reservation),
            Ok(Err(why)) => {
                reservation.forget();
                Err(why)
            }
            Err(_) => Err(NoMoney::Unavailable),
        }
    }

    /// How every scope stands.
    ///
    /// # Errors
    ///
    /// If the books cannot be read.
    pub fn balances(&self, scopes: Vec<Scope>) -> Result<Vec<Balance>, Unavailable> {
        self.read(|connection| {
            let run = books::run(connection)?;
            scopes
                .into_iter()
                .map(|scope| {
                    let standing = books::standing(connection, run, &scope)?;
                    Ok(Balance { scope, standing })
                })
                .collect()
        })
    }

    /// What was charged since the process began, by agent and model.
    #[must_use]
    pub fn charged(&self) -> BTreeMap<(String, String), NanoDollars> {
        self.0.writer.as_ref().map(Writer::charged).unwrap_or_default()
    }

    /// What a crash left reserved.
    ///
    /// # Errors
    ///
    /// If the books cannot be read.
    pub fn stranded(&self) -> Result<Vec<Stranded>, Unavailable> {
        self.read(|connection| books::stranded(connection, books::run(connection)?))
    }

    /// Gives back what a crash left reserved: all of it, or one of these. Answers
    /// what was given back.
    ///
    /// # Errors
    ///
    /// If the books cannot be written.
    pub async fn release(&self, only: Option<Vec<ChargeId>>) -> Result<Vec<Stranded>, Unavailable> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::Release { only, reply })?;
        answer.await.map_err(|_| Unavailable("the books could not be written".to_owned()))
    }

    /// Sets what counts as spent by an owner in a day or month. Answers what
    /// counted before.
    ///
    /// # Errors
    ///
    /// If the books cannot be written.
    pub async fn set(
        &self,
        owner: Owner,
        period: Period,
        window: &Window,
        spent: NanoDollars,
    ) -> Result<NanoDollars, Unavailable> {
        let (reply, answer) = oneshot::channel();
        let label = window.label.clone();
        self.order(Order::Set { owner, period, label, spent, reply })?;
        answer.await.map_err(|_| Unavailable("the books could not be written".to_owned()))
    }

    fn order(&self, order: Order) -> Result<(), Unavailable> {
        match &self.0.writer {
            Ok(writer) => writer.send(order),
            Err(why) => Err(Unavailable(why.clone())),
        }
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Unavailable> {
        let Some(reader) = &self.0.reader else {
            return Err(Unavailable(self.trouble().unwrap_or_default().to_owned()));
        };
        let connection = reader.lock().unwrap_or_else(PoisonError::into_inner);
        read(&connection).map_err(|error| {
            error!(target: "budget", %error, "the books cannot be read");
            Unavailable(error.to_string())
        })
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("trouble", &self.writer.as_ref().err()).finish_non_exhaustive()
    }
}

/// A name for a charge that no other has.
///
/// # Errors
///
/// If the operating system has no random bytes.
pub fn new_charge() -> Result<ChargeId, Unavailable> {
    let mut bytes = [0; 10];
    getrandom::fill(&mut bytes).map_err(|error| Unavailable(error.to_string()))?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.parse().map_err(|_| Unavailable("no name for a charge".to_owned()))
}

/// Milliseconds since 1970, as the books have times.
fn milliseconds(at: Timestamp) -> i64 {
    at.as_millisecond()
}

#[cfg(test)]
mod tests;

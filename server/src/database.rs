//! Databases that the operator names, read on behalf of agents: files of SQLite,
//! and servers of PostgreSQL. That nothing is written, the database itself sees to.
//!
//! A connection to a server needs no rule of egress: its host and port are the
//! operator's own word, and no agent can change them.

use std::sync::Arc;

use plugin_contract::op::{ErrorCode, ListTables, OpError, Query, Rows, Tables};
use server_core::{
    id::DatabaseName,
    policy::{Reason, StoreReason},
    settings::{Database, DatabaseSource},
};

mod answer;
mod connections;
mod postgres;
mod sqlite;
mod tables;

pub(crate) use connections::Databases;

/// Why a database gave no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DatabaseError {
    /// A limit of the operator's is against it.
    Refused(Reason),
    /// So could nobody; the words are for the agent.
    Failed(OpError),
}

impl DatabaseError {
    fn invalid(message: impl Into<String>) -> Self {
        Self::Failed(OpError::new(ErrorCode::InvalidInput, message))
    }

    fn failed(message: impl Into<String>) -> Self {
        Self::Failed(OpError::new(ErrorCode::Failed, message))
    }
}

/// A database, and what a query on it may cost.
pub(crate) struct Asked<'a> {
    /// By which name.
    pub(crate) name: &'a DatabaseName,
    /// Where it is, and its limits.
    pub(crate) database: &'a Database,
}

impl Asked<'_> {
    fn timed_out(&self) -> DatabaseError {
        let (database, seconds) = (self.name.clone(), self.database.timeout.as_secs());
        DatabaseError::Refused(StoreReason::QueryTimedOut { database, seconds }.into())
    }

    fn too_large(&self) -> DatabaseError {
        let (database, limit) = (self.name.clone(), self.database.max_bytes);
        DatabaseError::Refused(StoreReason::AnswerTooLarge { database, limit }.into())
    }

    /// Rows of an answer, as far as the database's limit lets it be.
    fn rows(&self, wanted: Option<u32>) -> usize {
        let most = self.database.max_rows;
        wanted.unwrap_or(most).min(most).max(1) as usize
    }
}

/// The call on whose behalf a database is read.
pub(crate) trait Caller: Send + Sync + 'static {
    /// Does what takes time, no longer than somebody waits for the call.
    fn wait_for<T>(&self, work: impl Future<Output = T>) -> Result<T, OpError>;

    /// Whether nobody waits for the call any more.
    fn is_abandoned(&self) -> bool;
}

impl Databases {
    /// Runs one statement that answers rows.
    pub(crate) fn query<C: Caller>(
        &self,
        caller: &Arc<C>,
        asked: &Asked<'_>,
        query: &Query,
    ) -> Result<Rows, DatabaseError> {
        let open = self.open(asked);
        let _slot = caller.wait_for(open.slot(asked))??;
        match &asked.database.source {
            // On the thread of the call, which may be blocked.
            DatabaseSource::Sqlite(path) => {
                let caller = caller.clone();
                sqlite::rows(asked, path, query, move || caller.is_abandoned())
            }
            DatabaseSource::Postgres(server) => {
                caller.wait_for(postgres::rows(asked, server, &open, query))?
            }
        }
    }

    /// The tables and views that can be queried.
    pub(crate) fn tables<C: Caller>(
        &self,
        caller: &Arc<C>,
        asked: &Asked<'_>,
        wanted: &ListTables,
    ) -> Result<Tables, DatabaseError> {
        let query = tables::query(&asked.database.source, wanted);
        Ok(tables::read(&self.query(caller, asked, &query)?))
    }
}

impl From<OpError> for DatabaseError {
    fn from(error: OpError) -> Self {
        Self::Failed(error)
    }
}

#[cfg(test)]
mod tests;

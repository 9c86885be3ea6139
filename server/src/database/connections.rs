//! How many queries run on a database, and connections that wait for the next one.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use server_core::{
    id::DatabaseName,
    settings::{Database, Settings},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Asked, DatabaseError, postgres::Session};

/// The databases of the configuration in force, and those that are in use.
#[derive(Debug, Default)]
pub struct Databases(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    configured: BTreeMap<DatabaseName, Database>,
    open: HashMap<DatabaseName, Arc<Open>>,
}

/// A database in use.
#[derive(Debug)]
pub(super) struct Open {
    database: Database,
    slots: Arc<Semaphore>,
    idle: Mutex<Vec<Session>>,
}

impl Databases {
    /// Follows a configuration: what it has no more, or has changed, loses the
    /// connections that wait. Queries that run end as they began.
    pub fn follow(&self, settings: &Settings) {
        let closed: Vec<_> = {
            let mut state = self.state();
            state.configured.clone_from(&settings.databases);
            let State { configured, open } = &mut *state;
            let gone = |name: &DatabaseName, open: &Arc<Open>| configured.get(name) != Some(&open.database);
            let names: Vec<_> =
                open.iter().filter(|(name, it)| gone(name, it)).map(|(name, _)| name.clone()).collect();
            names.iter().filter_map(|name| open.remove(name)).collect()
        };
        // Outside of the lock: this closes connections.
        drop(closed);
    }

    /// The database that a call means. A call that began under another configuration
    /// has one of its own.
    pub(super) fn open(&self, asked: &Asked<'_>) -> Arc<Open> {
        let mut state = self.state();
        if state.configured.get(asked.name) != Some(asked.database) {
            return Arc::new(Open::new(asked.database));
        }
        state.open.entry(asked.name.clone()).or_insert_with(|| Arc::new(Open::new(asked.database))).clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn new(database: &Database) -> Self {
        let slots = Arc::new(Semaphore::new(database.max_connections as usize));
        Self { database: database.clone(), slots, idle: Mutex::default() }
    }

    /// A place among the queries that run, as soon as there is one.
    pub(super) async fn slot(&self, asked: &Asked<'_>) -> Result<OwnedSemaphorePermit, DatabaseError> {
        let waited = tokio::time::timeout(asked.database.timeout, self.slots.clone().acquire_owned()).await;
        match waited {
            Ok(Ok(slot)) => Ok(slot),
            _ => {
                let most = asked.database.max_connections;
                let message = format!("database `{}` was busy: it runs {most} queries at a time", asked.name);
                Err(DatabaseError::failed(message))
            }
        }
    }

    /// A connection that waits, if there is one.
    pub(super) fn take(&self) -> Option<Session> {
        let mut idle = self.idle();
        while let Some(session) = idle.pop() {
            if session.is_open() {
                return Some(session);
            }
        }
        None
    }

    /// Keeps a connection for the next query. There are never more than slots.
    pub(super) fn keep(&self, session: Session) {
        self.idle().push(session);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

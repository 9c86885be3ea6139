//! Databases, as far as the call's agent is granted them.

use std::sync::Arc;

use plugin_contract::op::{Database, ErrorCode, ListTables, OpError, Query, Rows, Tables};
use server_core::{
    id::DatabaseName,
    policy,
    settings::{self, DatabaseSource, PostgresHost},
};

use super::calls::Work;
use crate::database::{Asked, Caller, DatabaseError, Databases};

impl Caller for Work {
    fn wait_for<T>(&self, work: impl Future<Output = T>) -> Result<T, OpError> {
        Work::wait_for(self, work)
    }

    fn is_abandoned(&self) -> bool {
        Work::is_abandoned(self)
    }
}

/// The databases that it may query.
pub(super) fn list(work: &Work) -> Vec<Database> {
    let about = |(name, database): (&DatabaseName, &settings::Database)| Database {
        name: name.to_string(),
        dialect: database.source.dialect().to_owned(),
        description: database.description.clone(),
    };
    policy::databases(&work.permit).map(about).collect()
}

/// The tables of one of them.
pub(super) fn tables(databases: &Databases, work: &Arc<Work>, asked: &ListTables) -> Result<Tables, OpError> {
    on(work, &asked.database, |database| databases.tables(work, database, asked))
}

/// The rows that a statement answers.
pub(super) fn query(databases: &Databases, work: &Arc<Work>, asked: &Query) -> Result<Rows, OpError> {
    on(work, &asked.database, |database| databases.query(work, database, asked))
}

fn on<T>(
    work: &Work,
    name: &str,
    read: impl FnOnce(&Asked<'_>) -> Result<T, DatabaseError>,
) -> Result<T, OpError> {
    let found = policy::database(&work.permit, name).map_err(|reasons| work.notes.refuse(reasons))?;
    let Some((name, database)) = found else {
        let names: Vec<_> = policy::databases(&work.permit).map(|(name, _)| format!("`{name}`")).collect();
        let message = format!("there is no such database; there is {}", names.join(", "));
        return Err(OpError::new(ErrorCode::NotFound, message));
    };
    if let DatabaseSource::Postgres(server) = &database.source
        && let PostgresHost::Network { .. } = server.host
    {
        work.notes.reached(&server.host.to_string());
    }
    read(&Asked { name, database }).map_err(|error| match error {
        DatabaseError::Refused(reason) => work.notes.refuse(vec![reason]),
        DatabaseError::Failed(error) => error,
    })
}

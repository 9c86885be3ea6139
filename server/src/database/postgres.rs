//! Servers of PostgreSQL. A query is one statement in a transaction that reads, is
//! taken back whatever it did, and leaves nothing in the connection for the next
//! one.

use std::{error::Error as _, time::Duration};

use futures::{TryStreamExt, pin_mut};
use plugin_contract::op::{Query, Rows};
use server_core::settings::Postgres;
use tokio_postgres::{Error, Statement, Transaction, error::SqlState, types::Type};
use tracing::warn;

use super::{Asked, DatabaseError, answer::Answer, connections::Open};

mod connect;
mod meter;
mod session;
mod tls;
mod values;

pub(super) use session::Session;
use values::Text;

/// How many rows the server sends before it is asked for more.
const BATCH: usize = 256;

/// How much longer than the server's own limit a query is waited for.
const GRACE: Duration = Duration::from_secs(2);

/// The rows that a statement answers.
pub(super) async fn rows(
    asked: &Asked<'_>,
    server: &Postgres,
    open: &Open,
    query: &Query,
) -> Result<Rows, DatabaseError> {
    let patience = asked.database.timeout + GRACE;
    let answered = tokio::time::timeout(patience, async {
        let mut session = match open.take() {
            Some(session) => session,
            None => connect::connect(asked, server).await?,
        };
        let (rows, is_reusable) = session.run(asked, query).await;
        if is_reusable && session.reset().await {
            open.keep(session);
        }
        rows
    });
    // Dropped in the middle of a query, a session has it cancelled.
    answered.await.unwrap_or_else(|_| Err(asked.timed_out()))
}

impl Session {
    /// The rows, and whether the connection is good for another query: what it still
    /// has to bring must not be much.
    async fn run(&mut self, asked: &Asked<'_>, query: &Query) -> (Result<Rows, DatabaseError>, bool) {
        self.meter.allow(asked.database.max_bytes);
        let (busy, meter) = (self.busy(), self.meter.clone());
        let (rows, is_reusable) = match self.transaction(asked, query).await {
            Ok(answer) if answer.is_too_large() => (Err(asked.too_large()), false),
            Ok(answer) => {
                let is_reusable = !answer.is_cut();
                (Ok(answer.into_rows()), is_reusable)
            }
            Err(Failure::Said(error)) => (Err(error), true),
            Err(Failure::Database(_)) if meter.is_used_up() => (Err(asked.too_large()), false),
            Err(Failure::Database(error)) => (Err(self::error(asked, &error)), error.as_db_error().is_some()),
        };
        if is_reusable {
            busy.done();
        }
        (rows, is_reusable)
    }

    /// Ends with a rollback, whichever way it ends.
    async fn transaction(&mut self, asked: &Asked<'_>, query: &Query) -> Result<Answer, Failure> {
        let transaction = self.client.build_transaction().read_only(true).start().await?;
        // Its own snapshot is taken with that, and from then on nothing can make the
        // transaction one that writes.
        let timeout = asked.database.timeout.as_millis().to_string();
        let limit = "SELECT pg_catalog.set_config('statement_timeout', $1, true)";
        transaction.query_typed(limit, &[(&timeout, Type::TEXT)]).await?;
        // A statement is one of the extended protocol, which takes no two at once.
        let statement = transaction.prepare(&query.sql).await?;
        check(&statement, query)?;
        fetch(&transaction, &statement, asked, query).await
    }
}

fn check(statement: &Statement, query: &Query) -> Result<(), DatabaseError> {
    if statement.columns().is_empty() {
        return Err(DatabaseError::invalid("the statement answers no rows: write a query"));
    }
    let (wanted, given) = (statement.params().len(), query.parameters.len());
    if wanted != given {
        let message = format!("the statement has {wanted} parameters, and there are {given} values");
        return Err(DatabaseError::invalid(message));
    }
    let unknown = statement.columns().iter().find(|column| !values::is_known(column.type_()));
    match unknown {
        None => Ok(()),
        Some(column) => Err(DatabaseError::invalid(format!(
            "column `{}` has the type `{}`, which is not passed on as it is: write `{}::text`",
            column.name(),
            column.type_().name(),
            column.name(),
        ))),
    }
}

/// The rows, in batches, so that no more is on its way than is wanted.
async fn fetch(
    transaction: &Transaction<'_>,
    statement: &Statement,
    asked: &Asked<'_>,
    query: &Query,
) -> Result<Answer, Failure> {
    let columns = statement.columns().iter().map(|column| column.name().to_owned()).collect();
    let mut answer = Answer::new(columns, asked.rows(query.limit), asked.database.max_bytes);
    let portal = transaction.bind_raw(statement, query.parameters.iter().map(Text::of)).await?;
    loop {
        let batch = answer.wanted().min(BATCH);
        let rows = transaction.query_portal_raw(&portal, i32::try_from(batch).unwrap_or(1)).await?;
        pin_mut!(rows);
        let mut received = 0;
        while let Some(row) = rows.try_next().await? {
            received += 1;
            let values = values::row(&row).map_err(|column| unreadable(&column))?;
            if !answer.take(values) {
                return Ok(answer);
            }
        }
        if received < batch {
            return Ok(answer);
        }
    }
}

fn unreadable(column: &str) -> DatabaseError {
    let message = format!("column `{column}` holds what cannot be passed on: write `{column}::text`");
    DatabaseError::invalid(message)
}

/// Why a query came to nothing.
enum Failure {
    Said(DatabaseError),
    Database(Error),
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        Self::Said(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

/// What the server says of a query is for the agent; what happens to a connection
/// is for the operator.
fn error(asked: &Asked<'_>, error: &Error) -> DatabaseError {
    let name = asked.name;
    let Some(said) = error.as_db_error() else {
        if let Some(cause) = error.source().filter(|_| !error.is_closed()) {
            return DatabaseError::invalid(format!("{error}: {cause}"));
        }
        warn!(target: "database", database = %name, %error, "a connection was lost");
        return DatabaseError::failed(format!("the connection to database `{name}` was lost"));
    };
    let hint = said.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
    match *said.code() {
        SqlState::QUERY_CANCELED => asked.timed_out(),
        SqlState::READ_ONLY_SQL_TRANSACTION => {
            DatabaseError::invalid(format!("database `{name}` can only be read: {}", said.message()))
        }
        SqlState::SYNTAX_ERROR if said.message().contains("multiple commands") => {
            DatabaseError::invalid("write one statement, without another one behind it")
        }
        _ => DatabaseError::invalid(format!("{}{hint}", said.message())),
    }
}

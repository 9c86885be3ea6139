//! Files of SQLite. Every query opens the file anew, which takes less than most
//! queries do: nothing of one is left for the next, and a file that was replaced is
//! the new one.

use std::{path::Path, time::Instant};

use plugin_contract::op::{Query, Rows};
use rusqlite::{
    Connection, ErrorCode, OpenFlags, Statement, ToSql,
    types::{ToSqlOutput, Value as Owned, ValueRef},
};
use serde_json::Value;
use tracing::warn;

use super::{
    Asked, DatabaseError,
    answer::{Answer, hexadecimal, real},
};

mod guard;

/// Steps of SQLite's machine between two looks at the clock.
const STRIDE: i32 = 1000;

/// The rows that a statement answers; the thread is blocked meanwhile.
pub(super) fn rows(
    asked: &Asked<'_>,
    path: &Path,
    query: &Query,
    is_abandoned: impl Fn() -> bool + Send + 'static,
) -> Result<Rows, DatabaseError> {
    let deadline = Instant::now() + asked.database.timeout;
    let is_over = move || Instant::now() >= deadline || is_abandoned();
    Run { asked, path, query }.rows(is_over)
}

struct Run<'a> {
    asked: &'a Asked<'a>,
    path: &'a Path,
    query: &'a Query,
}

impl Run<'_> {
    fn rows(&self, is_over: impl Fn() -> bool + Send + 'static) -> Result<Rows, DatabaseError> {
        let connection = self.connect(is_over)?;
        let mut statement = connection.prepare(&self.query.sql).map_err(|error| self.error(&error))?;
        if statement.column_count() == 0 {
            return Err(DatabaseError::invalid("the statement answers no rows: write a query"));
        }
        if !statement.readonly() {
            return Err(self.read_only());
        }
        let (wanted, given) = (statement.parameter_count(), self.query.parameters.len());
        if wanted != given {
            let message = format!("the statement has {wanted} parameters, and there are {given} values");
            return Err(DatabaseError::invalid(message));
        }
        let answer = self.answer(&mut statement).map_err(|error| self.error(&error))?;
        if answer.is_too_large() { Err(self.asked.too_large()) } else { Ok(answer.into_rows()) }
    }

    fn answer(&self, statement: &mut Statement<'_>) -> rusqlite::Result<Answer> {
        let columns: Vec<_> = statement.column_names().map(str::to_owned).collect();
        let width = columns.len();
        let max_rows = self.asked.rows(self.query.limit);
        let mut answer = Answer::new(columns, max_rows, self.asked.database.max_bytes);
        let parameters = self.query.parameters.iter().map(Parameter);
        let mut rows = statement.query(rusqlite::params_from_iter(parameters))?;
        while let Some(row) = rows.next()? {
            let values = (0..width).map(|column| row.get_ref(column).map(value));
            if !answer.take(values.collect::<rusqlite::Result<_>>()?) {
                break;
            }
        }
        Ok(answer)
    }

    /// The file, for reading and nothing else.
    fn connect(&self, is_over: impl Fn() -> bool + Send + 'static) -> Result<Connection, DatabaseError> {
        let name = self.asked.name;
        // A pipe or a device would be waited for.
        if !self.path.is_file() {
            warn!(
                target: "database",
                database = %name,
                path = %self.path.display(),
                "a database is no file: see `databases.{name}.sqlite`"
            );
            return Err(self.not_there());
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(self.path, flags);
        let guarded = opened.and_then(|mut connection| {
            guard::guard(&mut connection, self.asked.database.max_bytes)?;
            connection.progress_handler(STRIDE, Some(is_over))?;
            Ok(connection)
        });
        guarded.map_err(|error| {
            warn!(
                target: "database",
                database = %name,
                path = %self.path.display(),
                %error,
                "a database cannot be opened"
            );
            self.not_there()
        })
    }

    fn not_there(&self) -> DatabaseError {
        DatabaseError::failed(format!("database `{}` cannot be opened at present", self.asked.name))
    }

    fn read_only(&self) -> DatabaseError {
        DatabaseError::invalid(format!("database `{}` can only be read", self.asked.name))
    }

    fn error(&self, error: &rusqlite::Error) -> DatabaseError {
        let what = match error {
            rusqlite::Error::MultipleStatement => {
                return DatabaseError::invalid("write one statement, without another one behind it");
            }
            rusqlite::Error::SqliteFailure(failure, _)
            | rusqlite::Error::SqlInputError { error: failure, .. } => failure.code,
            _ => return DatabaseError::invalid(error.to_string()),
        };
        match what {
            ErrorCode::OperationInterrupted => self.asked.timed_out(),
            ErrorCode::AuthorizationForStatementDenied | ErrorCode::ReadOnly => self.read_only(),
            ErrorCode::TooBig => self.asked.too_large(),
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                DatabaseError::failed(format!("database `{}` is being written at present", self.asked.name))
            }
            ErrorCode::Unknown => DatabaseError::invalid(words(error)),
            _ => DatabaseError::failed(words(error)),
        }
    }
}

/// What SQLite says, without its number for it.
fn words(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        error => error.to_string(),
    }
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => integer.into(),
        ValueRef::Real(number) => real(number),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned().into(),
        ValueRef::Blob(bytes) => hexadecimal(bytes),
    }
}

/// A value for the place of a `?`.
struct Parameter<'v>(&'v Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => ToSqlOutput::Owned(Owned::Null),
            Value::Bool(truth) => ToSqlOutput::Owned(Owned::Integer((*truth).into())),
            Value::Number(number) => ToSqlOutput::Owned(match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => Owned::Integer(integer),
                (None, Some(number)) => Owned::Real(number),
                (None, None) => Owned::Text(number.to_string()),
            }),
            Value::String(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            json => ToSqlOutput::Owned(Owned::Text(json.to_string())),
        })
    }
}

//! The file of the books: opened, checked, and brought to this version's format.

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags};

use super::{LedgerError, books::Books};

const NAME: &str = "budgets.db";

/// How long the process that had the books before may take to end.
const PATIENCE: Duration = Duration::from_secs(1);

/// What `PRAGMA user_version` says of the tables below.
const FORMAT: i64 = 1;

/// Whatever an owner spends is booked under the label of its day and its month, so
/// nothing has to be done when a new one begins. What is reserved is a row for each
/// scope, added up whenever it is asked for: no sum that could drift.
const TABLES: &str = "
    CREATE TABLE run (number INTEGER NOT NULL) STRICT;
    INSERT INTO run VALUES (0);

    CREATE TABLE spent (
        kind TEXT NOT NULL, owner TEXT NOT NULL, period TEXT NOT NULL, label TEXT NOT NULL,
        nanos INTEGER NOT NULL,
        PRIMARY KEY (kind, owner, period, label)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE charge (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        run INTEGER NOT NULL,
        agent TEXT NOT NULL, tenant TEXT NOT NULL, model TEXT NOT NULL,
        worst INTEGER NOT NULL,
        reserved_at INTEGER NOT NULL,
        cost INTEGER,
        settled_at INTEGER
    ) STRICT;
    CREATE INDEX charge_of_agent ON charge (agent, number);
    CREATE INDEX charge_open ON charge (run) WHERE settled_at IS NULL;

    CREATE TABLE hold (
        kind TEXT NOT NULL, owner TEXT NOT NULL, period TEXT NOT NULL, label TEXT NOT NULL,
        charge INTEGER NOT NULL REFERENCES charge,
        run INTEGER NOT NULL,
        nanos INTEGER NOT NULL,
        PRIMARY KEY (kind, owner, period, label, charge)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX hold_of_charge ON hold (charge);
";

/// So many of the latest windows of a scope are kept, and so many charges. By
/// number, not by age: a clock that is wrong must not have what was spent forgotten.
const TIDY: &str = "
    DELETE FROM spent WHERE (kind, owner, period, label) IN (
        SELECT kind, owner, period, label FROM (
            SELECT kind, owner, period, label,
                row_number() OVER (PARTITION BY kind, owner, period ORDER BY label DESC) AS place
            FROM spent
        ) WHERE place > 400
    );
    DELETE FROM charge WHERE settled_at IS NOT NULL
        AND number < (SELECT max(number) FROM charge) - 100000;
";

pub(super) struct Opened {
    pub(super) path: PathBuf,
    pub(super) books: Books,
    pub(super) reader: Connection,
}

/// Opens the books below a folder, or begins them.
pub(super) fn open(folder: &Path) -> Result<Opened, LedgerError> {
    let path = folder.join(NAME);
    let io = |error| LedgerError::Io { path: path.clone(), error };
    let sqlite = |error| LedgerError::Sqlite { path: path.clone(), error };
    std::fs::create_dir_all(folder).map_err(io)?;
    let lock = lock(&folder.join("budgets.lock"), &path)?;
    // SQLite gives the files beside it the same rights.
    private().open(&path).map_err(io)?;
    let connection = Connection::open(&path).map_err(sqlite)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(sqlite)?;
    check(&connection, &path)?;
    let prepare = || {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A charge that was acknowledged is on disk.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        bring_up_to_date(&connection)
    };
    let version = prepare().map_err(sqlite)?;
    if version > FORMAT {
        return Err(LedgerError::Newer { path, version });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reader = Connection::open_with_flags(&path, flags).map_err(sqlite)?;
    reader.busy_timeout(Duration::from_secs(1)).map_err(sqlite)?;
    let books = Books::new(connection, lock).map_err(sqlite)?;
    Ok(Opened { path, books, reader })
}

/// Whoever has it locked has the books. The kernel unlocks it when a process ends,
/// which may take a moment where another program is just being started by it.
fn lock(path: &Path, books: &Path) -> Result<File, LedgerError> {
    let io = |error| LedgerError::Io { path: path.to_owned(), error };
    let file = private().open(path).map_err(io)?;
    let until = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(PATIENCE / 20),
            Err(TryLockError::WouldBlock) => return Err(LedgerError::InUse(books.to_owned())),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options
}

fn check(connection: &Connection, path: &Path) -> Result<(), LedgerError> {
    let found = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0));
    let damaged = |found| Err(LedgerError::Damaged { path: path.to_owned(), found });
    match found {
        Ok(found) if found == "ok" => Ok(()),
        Ok(found) => damaged(found),
        Err(error) if is_damage(&error) => damaged(error.to_string()),
        Err(error) => Err(LedgerError::Sqlite { path: path.to_owned(), error }),
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// Makes what is missing, tidies what is old, and answers the format that is there.
fn bring_up_to_date(connection: &Connection) -> rusqlite::Result<i64> {
    let version = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
    match version {
        0 => connection
            .execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {FORMAT}; COMMIT;"))?,
        FORMAT => connection.execute_batch(&format!("BEGIN IMMEDIATE; {TIDY} COMMIT;"))?,
        _ => return Ok(version),
    }
    Ok(FORMAT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_book_of_ours_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        std::fs::write(&path, "no database, and longer than the header of one would be: ".repeat(9)).unwrap();
        let error = open(folder.path()).err().unwrap().to_string();
        assert_eq!(
            error.replace(path.to_str().unwrap(), "PATH"),
            "PATH: the file is damaged (file is not a database): move it away to begin with nothing spent, or restore a copy"
        );
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("no database"));
    }

    #[test]
    fn the_books_of_a_newer_version_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path()).unwrap());
        let connection = Connection::open(folder.path().join(NAME)).unwrap();
        connection.pragma_update(None, "user_version", 2).unwrap();
        drop(connection);
        let error = open(folder.path()).err().unwrap().to_string();
        assert!(error.ends_with("the file is of a newer version of this server (format 2)"), "{error}");
    }

    #[test]
    fn one_process_at_a_time_has_the_books_and_nobody_else_reads_them() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path()).unwrap();
        let error = open(folder.path()).err().unwrap().to_string();
        assert!(error.ends_with("budgets.db: another server uses this `state.dir`"), "{error}");
        for file in std::fs::read_dir(folder.path()).unwrap().flatten() {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        }
        drop(first);
        assert!(open(folder.path()).is_ok());
    }

    #[test]
    fn a_disk_that_cannot_be_written_is_an_error_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(open(&file.join("below")), Err(LedgerError::Io { .. })));
    }

    #[test]
    fn windows_are_forgotten_by_number_and_not_by_the_clock() {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path()).unwrap());
        let connection = Connection::open(folder.path().join(NAME)).unwrap();
        let mut insert =
            connection.prepare("INSERT INTO spent VALUES ('agent', 'laptop', 'day', ?1, 1)").unwrap();
        let first: jiff::civil::Date = "2025-01-01".parse().unwrap();
        for day in 0..399 {
            let label = first.checked_add(jiff::Span::new().days(day)).unwrap().to_string();
            insert.execute([label]).unwrap();
        }
        // A clock that was wrong for a day costs one of them.
        insert.execute(["2099-01-01"]).unwrap();
        insert.execute(["2024-01-01"]).unwrap();
        drop(insert);
        connection.close().unwrap();
        let opened = open(folder.path()).unwrap();
        let labels = |of: &str| {
            opened
                .reader
                .query_row(&format!("SELECT {of}(label) FROM spent"), [], |row| row.get::<_, String>(0))
        };
        assert_eq!(
            (labels("min").unwrap(), labels("max").unwrap()),
            ("2025-01-01".to_owned(), "2099-01-01".to_owned())
        );
    }
}

//! What a database answers, and what no statement gets out of it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use plugin_contract::op::QueryEnd;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::*;

mod escapes;

/// A call that is waited for, until it is not.
#[derive(Default)]
struct Call(AtomicBool);

impl Caller for Call {
    fn wait_for<T>(&self, work: impl Future<Output = T>) -> Result<T, OpError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Ok(runtime.block_on(work))
    }

    fn is_abandoned(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A file of SQLite, and its limits.
struct World {
    folder: tempfile::TempDir,
    databases: Databases,
    database: Database,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL, weight REAL, data BLOB);
                 INSERT INTO notes VALUES (1, 'one', 0.5, x'00ff'), (2, 'zwölf', NULL, NULL);
                 CREATE VIEW heavy AS SELECT * FROM notes WHERE weight > 0;",
            )
            .unwrap();
        let database = Database {
            source: DatabaseSource::Sqlite(path),
            description: None,
            max_rows: 1000,
            max_bytes: 65_536,
            timeout: Duration::from_secs(10),
            max_connections: 2,
        };
        Self { folder, databases: Databases::default(), database }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("notes.db")
    }

    fn query(&self, sql: &str, parameters: &[Value]) -> Result<Rows, String> {
        self.ask(&Query { sql: sql.to_owned(), parameters: parameters.to_vec(), ..Query::default() })
    }

    fn ask(&self, query: &Query) -> Result<Rows, String> {
        let name = "notes".parse().unwrap();
        let asked = Asked { name: &name, database: &self.database };
        self.databases.query(&Arc::new(Call::default()), &asked, query).map_err(said)
    }
}

fn said(error: DatabaseError) -> String {
    match error {
        DatabaseError::Refused(reason) => format!("{}: {reason}", reason.code()),
        DatabaseError::Failed(error) => error.message,
    }
}

#[test]
fn rows_come_with_the_names_of_their_columns() {
    let rows = World::new().query("SELECT * FROM notes ORDER BY id", &[]).unwrap();
    assert_eq!(
        serde_json::to_value(rows).unwrap(),
        json!({
            "columns": ["id", "text", "weight", "data"],
            "rows": [[1, "one", 0.5, "\\x00ff"], [2, "zwölf", null, null]],
        })
    );
}

#[test]
fn parameters_are_values_whatever_they_look_like() {
    let world = World::new();
    for value in [
        json!(null),
        json!(1),
        json!(i64::MIN),
        json!(0.25),
        json!(""),
        json!("'; DROP TABLE notes; --"),
        json!("日本\u{0}語"),
    ] {
        let rows = world.query("SELECT ?", std::slice::from_ref(&value)).unwrap().rows;
        assert_eq!(rows, [[value]]);
    }
    assert_eq!(world.query("SELECT ?", &[json!(true)]).unwrap().rows, [[json!(1)]]);
    let rows = world.query("SELECT id FROM notes WHERE text = ?2 AND id < ?1", &[json!(9), json!("one")]);
    assert_eq!(rows.unwrap().rows, [[json!(1)]]);
    assert_eq!(
        world.query("SELECT ?, ?", &[json!(1)]).unwrap_err(),
        "the statement has 2 parameters, and there are 1 values"
    );
}

#[test]
fn an_answer_has_so_many_rows() {
    let mut world = World::new();
    world.database.max_rows = 100;
    let numbers =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n";
    for (there_are, limit, rows, stopped) in [
        (99, None, 99, None),
        (100, None, 100, None),
        (101, None, 100, Some(QueryEnd::Rows)),
        (101, Some(200), 100, Some(QueryEnd::Rows)),
        (5, Some(5), 5, None),
        (6, Some(5), 5, Some(QueryEnd::Rows)),
        (0, None, 1, None),
    ] {
        let (sql, parameters) = (numbers.to_owned(), vec![json!(there_are)]);
        let answer = world.ask(&Query { sql, parameters, limit, ..Query::default() }).unwrap();
        assert_eq!((answer.rows.len(), answer.stopped), (rows, stopped), "{there_are} {limit:?}");
    }
}

#[test]
fn an_answer_has_so_many_bytes() {
    let mut world = World::new();
    world.database.max_bytes = 1000;
    // With its quotes, brackets and comma a row has 100 bytes, 995 or 1001.
    let sql = |count: u32, bytes: u32| {
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
             SELECT printf('%.*c', {bytes}, 'x') FROM n"
        )
    };
    let ask = |count, bytes| world.query(&sql(count, bytes), &[]).map(|it| (it.rows.len(), it.stopped));
    assert_eq!(ask(10, 95), Ok((10, None)));
    assert_eq!(ask(11, 95), Ok((10, Some(QueryEnd::Bytes))));
    assert_eq!(ask(1, 995), Ok((1, None)));
    let too_large = "answer_too_large: the answer is larger than 1000 bytes, the limit of database `notes`";
    assert_eq!(ask(1, 996), Err(too_large.to_owned()));
}

const FOREVER: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

#[test]
fn a_query_runs_so_long() {
    let mut world = World::new();
    world.database.timeout = Duration::from_secs(1);
    let start = Instant::now();
    assert_eq!(
        world.query(FOREVER, &[]).unwrap_err(),
        "query_timed_out: the query was still running after 1 s, the limit of database `notes`"
    );
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_query_that_nobody_waits_for_ends() {
    let world = World::new();
    let name = "notes".parse().unwrap();
    let call = Arc::new(Call::default());
    std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            let asked = Asked { name: &name, database: &world.database };
            let query = Query { sql: FOREVER.to_owned(), ..Query::default() };
            world.databases.query(&call, &asked, &query)
        });
        call.0.store(true, Ordering::Relaxed);
        assert!(running.join().unwrap().is_err());
    });
}

#[test]
fn queries_wait_for_one_another() {
    let mut world = World::new();
    world.database.max_connections = 1;
    world.database.timeout = Duration::from_secs(1);
    std::thread::scope(|scope| {
        let queries: Vec<_> =
            (0..3).map(|_| scope.spawn(|| world.query(FOREVER, &[]).unwrap_err())).collect();
        // No configuration has the database, so each call has its own.
        for query in queries {
            assert!(query.join().unwrap().starts_with("query_timed_out"));
        }
    });
    world.follow();
    std::thread::scope(|scope| {
        let queries: Vec<_> =
            (0..4).map(|_| scope.spawn(|| world.query(FOREVER, &[]).unwrap_err())).collect();
        let answers: Vec<_> = queries.into_iter().map(|query| query.join().unwrap()).collect();
        let busy = "database `notes` was busy: it runs 1 queries at a time";
        assert!(answers.iter().any(|answer| answer == busy), "{answers:?}");
    });
}

#[test]
fn tables_and_views_are_told_with_their_columns() {
    let world = World::new();
    let name = "notes".parse().unwrap();
    let asked = Asked { name: &name, database: &world.database };
    let tables = |table: Option<&str>| {
        let wanted = ListTables { database: "notes".to_owned(), table: table.map(str::to_owned) };
        let tables = world.databases.tables(&Arc::new(Call::default()), &asked, &wanted).map_err(said);
        serde_json::to_value(tables.unwrap()).unwrap()
    };
    let column =
        |name: &str, kind: &str, nullable| json!({ "name": name, "type": kind, "nullable": nullable });
    let notes = json!({
        "name": "notes",
        "columns": [
            column("id", "INTEGER", true), column("text", "TEXT", false),
            column("weight", "REAL", true), column("data", "BLOB", true),
        ],
    });
    let all = tables(None);
    assert_eq!((&all["tables"][0]["name"], &all["tables"][0]["view"]), (&json!("heavy"), &json!(true)));
    assert_eq!(all["tables"][1], notes);
    assert_eq!(tables(Some("notes")), json!({ "tables": [notes] }));
    assert_eq!(tables(Some("nothing")), json!({ "tables": [] }));
}

#[test]
fn a_file_that_was_replaced_is_the_new_one() {
    let world = World::new();
    let next = world.folder.path().join("next.db");
    Connection::open(&next).unwrap().execute_batch("CREATE TABLE notes AS SELECT 7 AS id").unwrap();
    std::fs::rename(next, world.path()).unwrap();
    assert_eq!(world.query("SELECT id FROM notes", &[]).unwrap().rows, [[json!(7)]]);
}

#[test]
fn a_database_that_is_being_written_is_read() {
    let world = World::new();
    let mut writer = Connection::open(world.path()).unwrap();
    for mode in ["WAL", "DELETE"] {
        writer.execute_batch(&format!("PRAGMA journal_mode = {mode}")).unwrap();
        let begun = writer.transaction().unwrap();
        begun.execute("INSERT INTO notes (text) VALUES ('not yet')", []).unwrap();
        let count = world.query("SELECT count(*) FROM notes", &[]).unwrap();
        assert_eq!(count.rows, [[json!(2)]], "{mode}");
        begun.rollback().unwrap();
    }
}

#[test]
fn what_is_no_database_is_told_without_its_path() {
    let mut world = World::new();
    let not_there = "database `notes` cannot be opened at present";
    let pipe = world.folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let text = world.folder.path().join("text");
    std::fs::write(&text, "no database at all, and longer than a header of SQLite".repeat(10)).unwrap();
    for (path, message) in [
        (world.folder.path().join("nothing"), not_there),
        (world.folder.path().to_owned(), not_there),
        (pipe, not_there),
        (text, "file is not a database"),
    ] {
        world.database.source = DatabaseSource::Sqlite(path);
        let said = world.query("SELECT * FROM sqlite_schema", &[]).unwrap_err();
        assert!(said == not_there || said == message, "{said}");
    }
}

impl World {
    /// Puts the database into the configuration in force.
    fn follow(&self) {
        let mut settings = server_core::config::without_file(&"t".repeat(32)).unwrap();
        settings.databases.insert("notes".parse().unwrap(), self.database.clone());
        self.databases.follow(&settings);
    }
}

//! Ways to do more than read, tried one by one.

use super::*;

const READ_ONLY: &str = "database `notes` can only be read";
const ONE: &str = "write one statement, without another one behind it";
const NO_ROWS: &str = "the statement answers no rows: write a query";

#[test]
fn no_statement_does_more_than_read() {
    let world = World::new();
    let before = std::fs::read(world.path()).unwrap();
    let other = world.folder.path().join("other.db");
    let other = other.to_str().unwrap();
    for sql in [
        // Writing.
        "INSERT INTO notes (text) VALUES ('x') RETURNING id",
        "INSERT INTO notes (text) VALUES ('x')",
        "UPDATE notes SET text = 'x' RETURNING id",
        "DELETE FROM notes RETURNING id",
        "REPLACE INTO notes VALUES (1, 'x', 1, NULL) RETURNING id",
        "WITH x AS (SELECT 1) INSERT INTO notes (text) SELECT 'x' FROM x RETURNING id",
        "CREATE TABLE x (y)",
        "CREATE TEMP TABLE x (y)",
        "CREATE TABLE x AS SELECT * FROM notes",
        "CREATE VIEW x AS SELECT 1",
        "CREATE TRIGGER x AFTER INSERT ON notes BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE x USING fts5(y)",
        "DROP TABLE notes",
        "ALTER TABLE notes RENAME TO x",
        "REINDEX",
        "ANALYZE",
        "VACUUM",
        &format!("VACUUM INTO '{other}'"),
        "UPDATE sqlite_schema SET sql = 'x' RETURNING 1",
        // Other files.
        &format!("ATTACH '{other}' AS other"),
        "ATTACH ':memory:' AS other",
        "ATTACH '/etc/passwd' AS other",
        "DETACH main",
        "SELECT * FROM other.notes",
        // Code.
        "SELECT load_extension('/tmp/x.so')",
        "SELECT fts3_tokenizer('simple')",
        "SELECT readfile('/etc/passwd')",
        "SELECT writefile('/tmp/x', 'y')",
        "SELECT edit('x')",
        // Settings.
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = ON",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA temp_store_directory = '/tmp'",
        "PRAGMA trusted_schema = ON",
        "PRAGMA database_list",
        "SELECT file FROM pragma_database_list",
        "PRAGMA hard_heap_limit = 1",
        "PRAGMA wal_checkpoint",
        "PRAGMA user_version = 7",
        // Locks that outlive the statement.
        "BEGIN IMMEDIATE",
        "BEGIN EXCLUSIVE",
        "SAVEPOINT x",
        "COMMIT",
        // One more statement.
        "SELECT 1; DELETE FROM notes",
        "SELECT 1;; SELECT 2",
        "SELECT 1; -- comment\n DROP TABLE notes",
        // Nothing at all.
        "",
        ";",
        "-- only a comment",
    ] {
        let said = world.query(sql, &[]).unwrap_err();
        let expected = [READ_ONLY, ONE, NO_ROWS, "table sqlite_master may not be modified"];
        let is_none = ["no such ", "near ", "not authorized"].iter().any(|begin| said.starts_with(begin));
        assert!(expected.contains(&said.as_str()) || is_none, "{sql}: {said}");
    }
    assert_eq!(std::fs::read(world.path()).unwrap(), before);
    assert!(!std::path::Path::new(other).exists());
}

#[test]
fn what_a_statement_may_cost_is_bounded() {
    let mut world = World::new();
    world.database.timeout = Duration::from_secs(1);
    let start = Instant::now();
    for sql in [
        "SELECT zeroblob(2000000000)",
        "SELECT randomblob(2000000000)",
        "SELECT printf('%.*c', 2000000000, 'x')",
        "SELECT group_concat(printf('%.*c', 60000, 'x')) FROM notes a, notes b, notes c",
        "SELECT replace(printf('%.*c', 60000, 'x'), 'x', printf('%.*c', 60000, 'y'))",
        "SELECT json_array(printf('%.*c', 60000, 'x'), printf('%.*c', 60000, 'x'))",
        &format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000)),
        &format!("SELECT {}", ["1"; 5000].join("+")),
        &format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(2000)),
        &format!("SELECT {}", ["1"; 600].join(",")),
        &format!("SELECT '{}'", "x".repeat(70_000)),
        "SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n ORDER BY i DESC)",
        "SELECT text LIKE printf('%.*c', 5000, '%') FROM notes",
    ] {
        let answer = world.query(sql, &[]);
        assert!(answer.is_err(), "{sql:.80}: {answer:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn reading_goes_as_far_as_sql_does() {
    let world = World::new();
    for sql in [
        "SELECT 1;",
        "SELECT 1; -- comment",
        "WITH x AS (SELECT * FROM notes) SELECT count(*), avg(weight) FROM x GROUP BY text",
        "VALUES (1, 2), (3, 4)",
        "SELECT json_extract('{\"a\": 1}', '$.a')",
        "SELECT date('now'), upper(text) FROM heavy",
        "EXPLAIN QUERY PLAN SELECT * FROM notes",
        "PRAGMA table_info(notes)",
        "SELECT name FROM pragma_table_info('notes')",
        "SELECT sql FROM sqlite_schema",
        "SELECT row_number() OVER (ORDER BY id) FROM notes",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT i FROM n",
    ] {
        assert!(world.query(sql, &[]).is_ok(), "{sql}: {:?}", world.query(sql, &[]));
    }
}

#[test]
fn a_mistake_in_a_statement_is_told_as_the_database_tells_it() {
    let world = World::new();
    for (sql, message) in [
        ("SELEC 1", "near \"SELEC\": syntax error"),
        ("SELECT * FROM note", "no such table: note"),
        ("SELECT txt FROM notes", "no such column: txt"),
        (
            "SELECT \"txt\" FROM notes",
            "no such column: \"txt\" - should this be a string literal in single-quotes?",
        ),
        ("SELECT abs()", "wrong number of arguments to function abs()"),
    ] {
        assert_eq!(world.query(sql, &[]).unwrap_err(), message);
    }
}

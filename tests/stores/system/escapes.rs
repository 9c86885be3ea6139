//! Ways to do more than read, tried one by one, by a role that is allowed to write:
//! the transaction alone has to hold it.

use super::*;
use crate::support::eventually;

#[tokio::test]
#[ignore = "needs PostgreSQL: cargo xtask test --system"]
async fn no_statement_does_more_than_read() {
    let postgres = Postgres::start();
    let server = start(&config(&postgres, "timeout_seconds: 5"));
    let state = "SELECT count(*), sum(id) FROM orders";
    let before = postgres.sql(state);
    for sql in [
        // Writing.
        "INSERT INTO orders VALUES (3, 'x', 1) RETURNING id",
        "INSERT INTO orders VALUES (3, 'x', 1)",
        "UPDATE orders SET customer = 'x' RETURNING id",
        "DELETE FROM orders RETURNING id",
        "WITH x AS (INSERT INTO orders VALUES (3, 'x', 1) RETURNING id) SELECT * FROM x",
        "WITH x AS (DELETE FROM orders RETURNING id) SELECT * FROM x",
        "SELECT * FROM orders FOR UPDATE",
        "SELECT id INTO copies FROM orders",
        "SELECT nextval('numbers')",
        "SELECT setval('numbers', 7)",
        "EXPLAIN ANALYZE DELETE FROM orders",
        "MERGE INTO orders USING (SELECT 1) x ON false WHEN NOT MATCHED THEN INSERT VALUES (3, 'x', 1)",
        "CREATE TABLE x (y int)",
        "CREATE TEMP TABLE x (y int)",
        "CREATE TABLE x AS SELECT 1",
        "DROP TABLE orders",
        "TRUNCATE orders",
        "REFRESH MATERIALIZED VIEW x",
        "GRANT ALL ON orders TO PUBLIC",
        "COMMENT ON TABLE orders IS 'x'",
        "VACUUM orders",
        "COPY orders FROM STDIN",
        // By a function that may.
        "SELECT writes()",
        "SELECT turns_and_writes()",
        "CALL commits(1)",
        "DO $$ BEGIN INSERT INTO orders VALUES (3, 'x', 1); END $$",
        "DO $$ BEGIN COMMIT; INSERT INTO orders VALUES (3, 'x', 1); END $$",
        "DO $$ BEGIN SET TRANSACTION READ WRITE; INSERT INTO orders VALUES (3, 'x', 1); END $$",
        // Out of the transaction.
        "COMMIT",
        "COMMIT AND CHAIN",
        "ROLLBACK",
        "END",
        "ABORT",
        "BEGIN READ WRITE",
        "START TRANSACTION READ WRITE",
        "SAVEPOINT x",
        "SET TRANSACTION READ WRITE",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "SET transaction_read_only = off",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SELECT set_config('transaction_read_only', 'off', true), writes()",
        "PREPARE TRANSACTION 'x'",
        // One more statement.
        "SELECT 1; DELETE FROM orders",
        "COMMIT; DELETE FROM orders",
        "SELECT 1; COMMIT; DELETE FROM orders",
        "ROLLBACK; BEGIN READ WRITE; DELETE FROM orders; COMMIT",
        "SELECT 1) x; DELETE FROM orders; --",
        "/* */; DELETE FROM orders",
        // Files and programs of the server.
        "COPY orders TO '/tmp/orders'",
        "COPY orders TO PROGRAM 'cat'",
        "COPY orders TO STDOUT",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_ls_dir('/')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT lo_export(1, '/tmp/x')",
        "LOAD 'plpgsql'",
        "CREATE EXTENSION dblink",
        // Another role, another session.
        "SET ROLE admin",
        "SET SESSION AUTHORIZATION admin",
        "SELECT rolpassword FROM pg_authid",
        "SELECT * FROM secrets",
        "ALTER ROLE reader SUPERUSER",
        "SELECT pg_reload_conf()",
        "ALTER SYSTEM SET fsync = off",
        // What would stay in the connection.
        "PREPARE x AS SELECT 1",
        "DECLARE x CURSOR WITH HOLD FOR SELECT 1",
        "LISTEN x",
        "DISCARD ALL",
        "LOCK TABLE orders",
        // Nothing at all.
        "",
        ";",
    ] {
        let said = query(&server, sql).await;
        assert!(said.is_string(), "{sql}: {said}");
        assert_eq!(postgres.sql(state), before, "{sql}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: cargo xtask test --system"]
async fn nothing_of_a_query_is_left_for_the_next_one() {
    let postgres = Postgres::start();
    // One connection, so that every query meets what the one before left.
    let server = start(&config(&postgres, "max_connections: 1"));
    let pid = query(&server, "SELECT pg_backend_pid()").await["rows"].clone();
    for (leaves, looks, expected) in [
        (
            "SELECT set_config('default_transaction_read_only', 'off', false)",
            "SELECT current_setting('default_transaction_read_only')",
            json!([["on"]]),
        ),
        (
            "SELECT set_config('statement_timeout', '0', false)",
            "SELECT current_setting('statement_timeout')",
            json!([["10s"]]),
        ),
        (
            "SELECT set_config('search_path', 'pg_temp', false)",
            "SELECT current_setting('search_path')",
            json!([["\"$user\", public"]]),
        ),
        (
            "SELECT set_config('mine.note', 'from one agent to another', false)",
            "SELECT coalesce(current_setting('mine.note', true), '')",
            json!([[""]]),
        ),
        (
            "SELECT pg_advisory_lock(7)",
            "SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory'",
            json!([[0]]),
        ),
    ] {
        assert!(query(&server, leaves).await["rows"].is_array(), "{leaves}");
        assert_eq!(query(&server, looks).await["rows"], expected, "{leaves}");
    }
    assert_eq!(query(&server, "SELECT pg_backend_pid()").await["rows"], pid, "it was the same connection");
    // PostgreSQL 15 lets large objects be made where nothing may be written; they go
    // with the transaction.
    for sql in ["SELECT lo_create(0)", "SELECT lo_from_bytea(0, 'x')"] {
        query(&server, sql).await;
        assert_eq!(postgres.sql("SELECT count(*) FROM pg_largeobject_metadata"), "0", "{sql}");
    }
    // A function that writes is refused after all of that.
    assert!(query(&server, "SELECT writes()").await.is_string());
}

#[tokio::test]
#[ignore = "needs PostgreSQL: cargo xtask test --system"]
async fn a_role_that_no_transaction_holds_is_not_used() {
    let postgres = Postgres::start();
    for role in ["boss", "strong"] {
        let url = postgres.url(role);
        let server =
            start(&with_database(&format!("{{ postgres: \"{url}\", password: \"${{SALES_PASSWORD}}\" }}")));
        assert_eq!(
            query(&server, "SELECT 1").await,
            "database `sales` is not queried, because its role may do more than read: tell the operator"
        );
        let line = eventually("a warning", || server.logged(|line| line["target"] == "database"));
        assert_eq!((&line["level"], &line["role"]), (&json!("WARN"), &json!(role)), "{line}");
        assert!(line["message"].as_str().unwrap().contains("CREATE ROLE"), "{line}");
    }
}

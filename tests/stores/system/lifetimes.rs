//! Connections: how they begin, how many there are, and how they end.

use std::{fs, process::Command};

use super::*;
use crate::support::eventually;

#[tokio::test]
#[ignore = "needs PostgreSQL: cargo xtask test --system"]
async fn a_call_that_is_cancelled_cancels_its_query() {
    let postgres = Postgres::start();
    let server = start(&config(&postgres, "timeout_seconds: 60"));
    let sleepers = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(50)%' AND usename = 'reader' AND state = 'active'";
    let arguments = json!({ "database": "sales", "sql": "SELECT pg_sleep(50)" });
    let request =
        stateless(&server, LAPTOP, "tools/call", json!({ "name": "db.query", "arguments": arguments }));
    let call = tokio::spawn(request.send());
    eventually_async("the query to run", || async { (postgres.sql(sleepers) == "1").then_some(()) }).await;
    // Hanging up is how a client cancels without a session.
    call.abort();
    eventually_async("the query to end", || async { (postgres.sql(sleepers) == "0").then_some(()) }).await;
    assert_eq!(query(&server, "SELECT 1").await["rows"], json!([[1]]));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: cargo xtask test --system"]
async fn connections_are_kept_and_no_more_than_may_be() {
    let postgres = Postgres::start();
    let server = start(&config(&postgres, "max_connections: 2, timeout_seconds: 30"));
    let queries = (0..12).map(|_| query(&server, "SELECT pg_sleep(0.2), 1"));
    for answer in futures::future::join_all(queries).await {
        assert_eq!(answer["rows"], json!([[null, 1]]));
    }
    assert_eq!(postgres.connections(), "2");
    // What is wrong with a statement is no fault of the connection's.
    let backends =
        "SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE usename = 'reader'";
    let before = postgres.sql(backends);
    for sql in ["SELEC 1", "SELECT 1/0", "DELETE FROM orders RETURNING id", "SELECT point(1, 2)"] {
        assert!(query(&server, sql).await.is_string(), "{sql}");
    }
    assert_eq!(postgres.sql(backends), before);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: cargo xtask test --system"]
async fn an_edit_of_a_database_or_a_grant_counts_without_a_restart() {
    let postgres = Postgres::start();
    let before = config(&postgres, "max_connections: 1");
    let server = start(&before);
    assert_eq!(query(&server, "SELECT 1").await["rows"], json!([[1]]));
    let backend = "SELECT pid FROM pg_stat_activity WHERE usename = 'reader'";
    let first = postgres.sql(backend);
    let edit = |text: &str| fs::write(server.config(), text).unwrap();
    // Another limit: the connection goes, and the next query has a new one.
    edit(&config(&postgres, "max_connections: 1, max_rows: 1"));
    eventually_async("the connection to be closed", || async {
        (postgres.connections() == "0").then_some(())
    })
    .await;
    let rows = query(&server, "SELECT n FROM generate_series(1, 2) n").await;
    assert_eq!(rows, json!({ "columns": ["n"], "rows": [[1]], "stopped": "rows" }));
    assert_ne!(postgres.sql(backend), first);
    // Something else: it stays.
    let second = postgres.sql(backend);
    edit(
        &config(&postgres, "max_connections: 1, max_rows: 1").replace("databases: [sales]", "databases: []"),
    );
    eventually_async("the grant to be gone", || async {
        let told = query(&server, "SELECT 1").await;
        (told == json!([
            "nothing_granted_to_agent: tool `db.query` needs a database, and agent `laptop` is granted none; \
             name one in `agents.laptop.databases`"
        ]))
        .then_some(())
    })
    .await;
    assert_eq!(postgres.sql(backend), second);
    // Gone altogether.
    let without = before
        .replace("databases:\n  sales:", "x-sales:")
        .lines()
        .filter(|line| !line.starts_with("x-sales"))
        .collect::<Vec<_>>()
        .join("\n");
    edit(
        &(without.replace("    databases: [sales]\n", "").replace("databases: [sales]", "databases: []")
            + "\n"),
    );
    eventually_async("the connection to be closed", || async {
        (postgres.connections() == "0").then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: cargo xtask test --system"]
async fn a_server_that_went_away_and_came_back_is_queried_again() {
    let mut postgres = Postgres::start();
    let server = start(&config(&postgres, ""));
    assert_eq!(query(&server, "SELECT 1").await["rows"], json!([[1]]));
    postgres.end();
    eventually_async("the loss to be noticed", || async {
        let told = query(&server, "SELECT 1").await;
        (told == "database `sales` cannot be reached at present").then_some(())
    })
    .await;
    postgres.begin(&[]);
    eventually_async("the server to be back", || async {
        (query(&server, "SELECT 1").await["rows"] == json!([[1]])).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: cargo xtask test --system"]
async fn a_socket_does_and_a_wrong_password_does_not() {
    let postgres = Postgres::start();
    let database = |url: String, variable: &str| {
        with_database(&format!("{{ postgres: \"{url}\", password: \"${{{variable}}}\" }}"))
    };
    let server = start(&database(postgres.socket_url("reader"), "SALES_PASSWORD"));
    assert_eq!(query(&server, "SELECT 1").await["rows"], json!([[1]]));
    // The agent's own token is no password of the role's, and a secret like one.
    fs::write(server.config(), database(postgres.url("reader"), "LAPTOP_TOKEN")).unwrap();
    eventually_async("the password to be refused", || async {
        let told = query(&server, "SELECT 1").await;
        (told == "database `sales` cannot be reached at present").then_some(())
    })
    .await;
    let line = warning(&server);
    assert!(line["error"].as_str().unwrap().contains("password authentication failed"), "{line}");
    let log = format!("{:?}", server.log());
    assert!(!log.contains(LAPTOP) && !log.contains(postgres::PASSWORD), "{log}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: cargo xtask test --system"]
async fn a_certificate_has_to_be_signed_and_to_name_the_host() {
    let mut postgres = Postgres::start();
    let folder = postgres.path("tls");
    fs::create_dir(&folder).unwrap();
    certificates(&folder);
    for name in ["server.pem", "server.key"] {
        postgres::own(&folder.join(name));
    }
    postgres.end();
    let setting = |key: &str, name: &str| format!("{key}={}", folder.join(name).display());
    let (cert, key) = (setting("ssl_cert_file", "server.pem"), setting("ssl_key_file", "server.key"));
    postgres.begin(&["ssl=on", &cert, &key]);
    let ca = folder.join("ca.pem");
    let url = postgres.url("reader");
    let database = |host: &str, more: &str| {
        let url = url.replace("127.0.0.1", host);
        with_database(&format!("{{ postgres: \"{url}\", password: \"${{SALES_PASSWORD}}\", {more} }}"))
    };
    let good = format!("ca: {}", ca.display());
    let server = start(&database("localhost", &good));
    let is_encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(query(&server, is_encrypted).await["rows"], json!([[true]]));
    for (host, more, why) in [
        // The certificate is the name's, not the address's.
        ("127.0.0.1", good.as_str(), "not valid for name"),
        // Nobody knows who signed it.
        ("localhost", "tls: verify", "UnknownIssuer"),
        ("localhost", "ca: /nonexistent.pem", "has no certificates"),
    ] {
        let server = start(&database(host, more));
        assert_eq!(query(&server, "SELECT 1").await, "database `sales` cannot be reached at present");
        let line = warning(&server);
        assert!(line["error"].as_str().unwrap().contains(why), "{line}");
    }
    // A server that does not offer it is not spoken to without.
    postgres.end();
    postgres.begin(&["ssl=off"]);
    let server = start(&database("localhost", &good));
    assert_eq!(query(&server, "SELECT 1").await, "database `sales` cannot be reached at present");
}

/// What the operator is told of a database.
fn warning(server: &Server) -> Value {
    eventually("a warning", || server.logged(|line| line["target"] == "database" && line["level"] == "WARN"))
}

/// An authority, and a certificate of it for `localhost`.
fn certificates(folder: &std::path::Path) {
    let openssl = |arguments: &str| {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"));
    openssl(&format!("req -new {key} -keyout server.key -out server.csr -subj /CN=localhost"));
    fs::write(folder.join("extensions"), "subjectAltName=DNS:localhost\n").unwrap();
    openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out server.pem",
    );
}

//! SQLite, which needs no server.

use std::fs;

use rusqlite::Connection;

use super::*;
use crate::support::eventually_async;

const NOTES: &str = r#"version: 1
server: { listen: "127.0.0.1:0" }
databases:
  notes: { sqlite: ./notes.db, description: "What was noted" }
  other: { sqlite: ./notes.db }
tenants:
  research: { tools: ["*"], capabilities: ["db:read"], databases: [notes, other] }
agents:
  laptop:
    tenant: research
    token: "${LAPTOP_TOKEN}"
    tools: ["db.*"]
    capabilities: ["db:read"]
    databases: [notes]
    limits: { rate_limit: "1000/min", timeout_seconds: 20 }
"#;

fn server(config: &str) -> Server {
    Server::start_with(config, |folder, _| {
        let connection = Connection::open(folder.join("notes.db")).unwrap();
        let schema = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL); \
                      INSERT INTO notes VALUES (1, 'one'), (2, 'two');";
        connection.execute_batch(schema).unwrap();
    })
}

async fn query(server: &Server, sql: &str) -> Value {
    told(server, "db.query", json!({ "database": "notes", "sql": sql })).await
}

#[tokio::test]
async fn an_agent_reads_the_databases_it_is_granted() {
    let server = server(NOTES);
    for era in ERAS {
        let laptop = Client::connect(&server, LAPTOP, era).await;
        assert_eq!(laptop.tools().await, ["db.query", "db.tables"], "{era:?}");
    }
    let databases = told(&server, "db.tables", json!({})).await;
    assert_eq!(
        databases["databases"],
        json!([{ "name": "notes", "dialect": "sqlite", "description": "What was noted" }])
    );
    let tables = told(&server, "db.tables", json!({ "database": "notes" })).await;
    assert_eq!(tables["tables"][0]["name"], "notes");
    let sql = "SELECT text FROM notes WHERE id = ?";
    let arguments = json!({ "database": "notes", "sql": sql, "parameters": [2] });
    assert_eq!(told(&server, "db.query", arguments).await, json!({ "columns": ["text"], "rows": [["two"]] }));
    assert_eq!(
        told(&server, "db.query", json!({ "database": "other", "sql": "SELECT 1" })).await,
        json!(["database_not_granted_to_agent: agent `laptop` is not granted database `other`; \
             add `other` to `agents.laptop.databases`"])
    );
    assert_eq!(query(&server, "DELETE FROM notes RETURNING id").await, "database `notes` can only be read");
}

#[tokio::test]
async fn a_call_that_is_cancelled_gives_its_place_back() {
    let server = server(
        &NOTES.replace("./notes.db, desc", "./notes.db, max_connections: 1, timeout_seconds: 15, desc"),
    );
    let forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    let arguments = json!({ "database": "notes", "sql": forever });
    let request =
        stateless(&server, LAPTOP, "tools/call", json!({ "name": "db.query", "arguments": arguments }));
    let call = tokio::spawn(request.send());
    // Until it has the only place, others are answered at once.
    eventually_async("the long query to run", || async {
        let short = query(&server, "SELECT 1");
        tokio::time::timeout(std::time::Duration::from_secs(1), short).await.is_err().then_some(())
    })
    .await;
    call.abort();
    let start = std::time::Instant::now();
    assert_eq!(query(&server, "SELECT 1 AS n").await["rows"], json!([[1]]));
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[tokio::test]
async fn an_edit_of_a_database_counts_without_a_restart() {
    let server = server(NOTES);
    assert_eq!(query(&server, "SELECT id FROM notes").await["rows"], json!([[1], [2]]));
    fs::write(server.config(), NOTES.replace("./notes.db, desc", "./notes.db, max_rows: 1, desc")).unwrap();
    eventually_async("the limit to count", || async {
        (query(&server, "SELECT id FROM notes").await["rows"] == json!([[1]])).then_some(())
    })
    .await;
}

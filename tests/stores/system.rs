//! PostgreSQL, the real one, as Debian has it. `cargo xtask test --system` runs
//! these; whatever is missing then is a failure.

use super::*;
use crate::support::eventually_async;
use postgres::Postgres;

mod escapes;
mod lifetimes;
mod postgres;
mod types;

/// A configuration with the database `sales`, more of which the test says.
fn config(postgres: &Postgres, more: &str) -> String {
    with_database(&format!(
        "{{ postgres: \"{}\", password: \"${{SALES_PASSWORD}}\", {more} }}",
        postgres.url("reader")
    ))
}

fn with_database(database: &str) -> String {
    format!(
        r#"version: 1
server: {{ listen: "127.0.0.1:0" }}
databases:
  sales: {database}
tenants:
  research: {{ tools: ["*"], capabilities: ["db:read"], databases: ["*"] }}
agents:
  laptop:
    tenant: research
    token: "${{LAPTOP_TOKEN}}"
    tools: ["db.*"]
    capabilities: ["db:read"]
    databases: [sales]
    limits: {{ rate_limit: "10000/min", max_response_bytes: 4000000, concurrency: 64, timeout_seconds: 60 }}
"#
    )
}

fn start(config: &str) -> Server {
    Server::start_with(config, |_, command| {
        command.env("SALES_PASSWORD", postgres::PASSWORD);
    })
}

async fn query(server: &Server, sql: &str) -> Value {
    told(server, "db.query", json!({ "database": "sales", "sql": sql })).await
}

#[tokio::test]
#[ignore = "needs PostgreSQL: cargo xtask test --system"]
async fn an_agent_reads_tables_and_rows_with_bound_parameters() {
    let postgres = Postgres::start();
    let server = start(&config(&postgres, "description: \"Orders\", max_rows: 3"));
    let databases = told(&server, "db.tables", json!({})).await;
    assert_eq!(
        databases["databases"],
        json!([{ "name": "sales", "dialect": "postgres", "description": "Orders" }])
    );
    let orders = told(&server, "db.tables", json!({ "database": "sales", "table": "orders" })).await;
    assert_eq!(
        orders,
        json!({ "tables": [{
            "schema": "public",
            "name": "orders",
            "columns": [
                { "name": "id", "type": "integer", "nullable": false },
                { "name": "customer", "type": "text", "nullable": false },
                { "name": "total", "type": "numeric(10,2)", "nullable": true },
            ],
        }] })
    );
    // What the role may not read is not there.
    let secrets = told(&server, "db.tables", json!({ "database": "sales", "table": "secrets" })).await;
    assert_eq!(secrets, json!({ "tables": [] }));
    assert_eq!(query(&server, "SELECT * FROM secrets").await, "permission denied for table secrets");
    let by_customer = "SELECT id, total FROM orders WHERE customer = $1 AND id < $2";
    for (customer, expected) in
        [("Ada", json!([[1, "10.50"]])), ("' OR 1 = 1; DROP TABLE orders; --", json!([]))]
    {
        let arguments = json!({ "database": "sales", "sql": by_customer, "parameters": [customer, 100] });
        assert_eq!(told(&server, "db.query", arguments).await["rows"], expected);
    }
    assert_eq!(
        query(&server, "SELECT n FROM generate_series(1, 4) n").await,
        json!({ "columns": ["n"], "rows": [[1], [2], [3]], "stopped": "rows" })
    );
    let line = server.logged(|line| line["target"] == "call" && line["tool"] == "db.query").unwrap();
    assert_eq!(line["egress"], json!([format!("127.0.0.1:{}", postgres.port)]));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: cargo xtask test --system"]
async fn an_answer_and_a_query_go_so_far_and_no_further() {
    let postgres = Postgres::start();
    let server = start(&config(&postgres, "max_bytes: 1000, timeout_seconds: 60, max_rows: 10000"));
    // With its quotes, brackets and comma a row has 100 bytes, 995 or 1001.
    let rows =
        |count: u32, bytes: u32| format!("SELECT repeat('x', {bytes}) FROM generate_series(1, {count})");
    let too_large = "answer_too_large: the answer is larger than 1000 bytes, the limit of database `sales`; \
                     ask for less, or raise `databases.sales.max_bytes`";
    for (sql, count, stopped) in
        [(rows(10, 95), 10, json!(null)), (rows(11, 95), 10, json!("bytes")), (rows(1, 995), 1, json!(null))]
    {
        let answer = query(&server, &sql).await;
        let seen = (answer["rows"].as_array().map(Vec::len), answer["stopped"].clone());
        assert_eq!(seen, (Some(count), stopped), "{sql}");
    }
    // However large, it is never kept whole.
    for sql in [&rows(1, 996), &rows(1, 300_000_000), &rows(9999, 100_000)] {
        assert_eq!(query(&server, sql).await, json!([too_large]), "{sql}");
    }
    let memory = server.peak_memory();
    assert!(memory < 250 << 20, "{memory} bytes");
    let server = start(&config(&postgres, "max_bytes: 65536"));
    let answer = query(&server, &rows(1000, 20_000)).await;
    assert_eq!((answer["rows"].as_array().map(Vec::len), &answer["stopped"]), (Some(3), &json!("bytes")));
    let server = start(&config(&postgres, "timeout_seconds: 1"));
    let too_long = "query_timed_out: the query was still running after 1 s, the limit of database `sales`; \
                    ask for less, or raise `databases.sales.timeout_seconds`";
    for sql in ["SELECT pg_sleep(30)", "SELECT count(*) FROM generate_series(1, 10000000000)"] {
        assert_eq!(query(&server, sql).await, json!([too_long]), "{sql}");
    }
    assert_eq!(query(&server, "SELECT 1").await["rows"], json!([[1]]));
}

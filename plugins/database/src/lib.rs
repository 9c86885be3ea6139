//! The bundled plugin `database`: queries on the databases that an agent is
//! granted. Where they are, and what may be read, the host decides.

use plugin_api::{Database, ListTables, Query, Rows, Tables, prelude::*};

/// The plugin's definition.
pub fn plugin() -> Plugin {
    Plugin::new("database", env!("CARGO_PKG_VERSION"))
        .title("Databases")
        .description("Reads the SQLite and PostgreSQL databases that an agent is granted.")
        .tool(
            read_only(Tool::new(
                "db.query",
                "Runs one SQL statement that answers rows on one of your databases, which can only be \
                 read. Put values into `parameters`, never into the statement: `?` in SQLite, `$1` in \
                 PostgreSQL. If there may be more rows, `stopped` says why.",
                query,
            ))
            .title("Query a database"),
        )
        .tool(
            read_only(Tool::new(
                "db.tables",
                "Tells the tables and views of one of your databases, with their columns. Without a \
                 database, it names the databases that you may query, and their SQL.",
                tables,
            ))
            .title("List tables"),
        )
}

plugin_api::export!(plugin);

fn read_only(tool: Tool) -> Tool {
    tool.needs(Capability::DbRead).read_only(true).idempotent(true).open_world(false)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// The database, by name.
    database: String,
    /// One statement, without another one behind it.
    sql: String,
    /// A value for each `?` or `$1`, in order: text, a number, true, false or null.
    #[serde(default)]
    parameters: Vec<Parameter>,
    /// How many rows, at most. As many as the server allows unless given.
    #[schemars(range(min = 1))]
    limit: Option<u32>,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
enum Parameter {
    Null(()),
    Truth(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

fn query(call: &Call, input: Ask) -> Result<Json<Rows>, CallError> {
    let Ask { database, sql, parameters, limit } = input;
    let parameters = parameters.into_iter().map(|parameter| match parameter {
        Parameter::Null(()) => ().into(),
        Parameter::Truth(value) => value.into(),
        Parameter::Integer(value) => value.into(),
        Parameter::Number(value) => value.into(),
        Parameter::Text(value) => value.into(),
    });
    let query = Query { database, sql, parameters: parameters.collect(), limit };
    Ok(Json(call.databases().query(&query)?))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Of {
    /// The database, by name. Leave it out to learn which there are.
    database: Option<String>,
    /// Only tables and views of this name.
    table: Option<String>,
}

/// The tables of a database, or the databases.
#[derive(Serialize, JsonSchema)]
struct Told {
    /// The databases that can be queried.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    databases: Vec<Database>,
    #[serde(flatten)]
    tables: Tables,
}

fn tables(call: &Call, input: Of) -> Result<Json<Told>, CallError> {
    let Of { database, table } = input;
    let Some(database) = database else {
        return Ok(Json(Told { databases: call.databases().list()?, tables: Tables::default() }));
    };
    let tables = call.databases().tables(&ListTables { database, table })?;
    Ok(Json(Told { databases: Vec::new(), tables }))
}

#[cfg(test)]
mod tests {
    use plugin_api::{ErrorCode, OpError, QueryEnd, Rows, testing::Harness};
    use serde_json::json;

    use super::*;

    #[test]
    fn without_a_database_the_databases_are_named() {
        let databases = json!([{ "name": "notes", "dialect": "sqlite" }]);
        let harness = Harness::new(plugin()).database("notes", |_| Ok(Rows::default()));
        let told = harness.call_tool("db.tables", json!({})).unwrap();
        assert_eq!(told.structured, Some(json!({ "databases": databases, "tables": [] })));
    }

    #[test]
    fn a_query_reaches_the_host_with_its_values_as_they_are() {
        let rows = json!({ "columns": ["n"], "rows": [[1]], "stopped": "rows" });
        let harness = Harness::new(plugin()).database("notes", |_| {
            let (columns, stopped) = (vec!["n".to_owned()], Some(QueryEnd::Rows));
            Ok(Rows { columns, rows: vec![vec![json!(1)]], stopped })
        });
        let query = json!({
            "database": "notes", "sql": "select ?", "limit": 1,
            "parameters": [null, true, 9_007_199_254_740_993_i64, 0.5, "x'; drop table y"],
        });
        assert_eq!(harness.call_tool("db.query", query.clone()).unwrap().structured, Some(rows));
        assert_eq!(harness.asked(), [("database/query".to_owned(), query)]);
    }

    #[test]
    fn values_that_no_column_holds_are_refused() {
        let harness = Harness::new(plugin()).database("notes", |_| Ok(Rows::default()));
        for value in [json!([1]), json!({ "a": 1 })] {
            let query = json!({ "database": "notes", "sql": "select ?", "parameters": [value] });
            assert_eq!(harness.call_tool("db.query", query).unwrap_err().code, ErrorCode::InvalidInput);
        }
    }

    #[test]
    fn a_refusal_of_the_host_is_passed_on() {
        let refusal = OpError::new(ErrorCode::Denied, "agent `x` is not granted database `notes`");
        let harness = Harness::new(plugin()).serve("database/tables", Err(refusal.clone()));
        assert_eq!(harness.call_tool("db.tables", json!({ "database": "notes" })), Err(refusal));
    }

    #[test]
    fn every_tool_needs_the_capability_and_writes_nothing() {
        for tool in plugin().manifest().unwrap().tools {
            assert_eq!(tool.capabilities, [Capability::DbRead].into(), "{}", tool.name);
            assert_eq!((tool.annotations.read_only, tool.inline), (Some(true), false), "{}", tool.name);
        }
    }
}

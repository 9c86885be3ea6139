//! Queries on the databases that an agent is granted, by the names that the
//! operator gave them. They can be read only.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A database that the agent may query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Database {
    /// How to name it.
    pub name: String,
    /// Which SQL it speaks: `sqlite` or `postgres`.
    pub dialect: String,
    /// What the operator says is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Which tables are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListTables {
    /// Of which database.
    pub database: String,
    /// Only those of that name, in whichever schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
}

/// Tables and views that can be queried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tables {
    /// In the order of their names.
    pub tables: Vec<Table>,
    /// There are more than the database's limits let through.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// A table or a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Table {
    /// Where it is, if the database has schemas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Its name.
    pub name: String,
    /// It is computed from others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub view: bool,
    /// Its columns, in order.
    pub columns: Vec<TableColumn>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Its type, as the database names it; SQLite may have none.
    #[serde(rename = "type", default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// It may hold nothing.
    pub nullable: bool,
}

/// One statement that answers rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// On which database.
    pub database: String,
    /// The statement, in the database's own SQL.
    pub sql: String,
    /// What stands in the places of `?` or `$1`, in order. They are bound, never
    /// pasted into the statement.
    #[serde(default)]
    pub parameters: Vec<Value>,
    /// How many rows, at most. The database has a limit of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What a query answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rows {
    /// The names of the columns, in order.
    pub columns: Vec<String>,
    /// A value for each column. What JSON has no type for is text, as the database
    /// writes it; bytes are text too, `\x` and hexadecimal digits.
    pub rows: Vec<Vec<Value>>,
    /// Why there may be more rows, if there may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<QueryEnd>,
}

/// Why there may be more rows than those that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueryEnd {
    /// There are as many as were wanted, or as the database's limit.
    Rows,
    /// They are as large as the database's limit.
    #[serde(other)]
    Bytes,
}

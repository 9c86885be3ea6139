//! What tables a database has, asked in its own SQL.

use plugin_contract::op::{ListTables, Query, Rows, Table, TableColumn, Tables};
use serde_json::Value;
use server_core::settings::DatabaseSource;

/// Six columns: schema, table, whether it is a view, column, its type, and whether
/// it may be null.
const SQLITE: &str = "\
SELECT NULL, t.name, t.type = 'view', c.name, c.type, c.\"notnull\" = 0
FROM pragma_table_list AS t JOIN pragma_table_xinfo(t.name) AS c
WHERE t.schema = 'main' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND t.type <> 'shadow'
  AND (?1 IS NULL OR t.name = ?1)
ORDER BY t.name, c.cid";

const POSTGRES: &str = "\
SELECT n.nspname::text, c.relname::text, c.relkind IN ('v', 'm'), a.attname::text,
       pg_catalog.format_type(a.atttypid, a.atttypmod)::text, NOT a.attnotnull
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
  AND pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')
  AND ($1::text IS NULL OR c.relname = $1::text)
ORDER BY n.nspname, c.relname, a.attnum";

/// The query whose rows [`read`] understands.
pub(super) fn query(source: &DatabaseSource, wanted: &ListTables) -> Query {
    let sql = match source {
        DatabaseSource::Sqlite(_) => SQLITE,
        DatabaseSource::Postgres(_) => POSTGRES,
    };
    Query {
        database: wanted.database.clone(),
        sql: sql.to_owned(),
        parameters: vec![wanted.table.clone().map_or(Value::Null, Value::from)],
        limit: None,
    }
}

/// One row for each column.
pub(super) fn read(rows: &Rows) -> Tables {
    let mut tables: Vec<Table> = Vec::new();
    for row in &rows.rows {
        let [schema, table, view, column, kind, nullable] = row.as_slice() else { continue };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        // SQLite's truth is a number.
        let truth = |value: &Value| value == &Value::Bool(true) || value == &Value::from(1);
        let (schema, name) = (schema.as_str().map(str::to_owned), text(table));
        let column = TableColumn { name: text(column), kind: text(kind), nullable: truth(nullable) };
        match tables.last_mut() {
            Some(last) if last.schema == schema && last.name == name => last.columns.push(column),
            _ => tables.push(Table { schema, name, view: truth(view), columns: vec![column] }),
        }
    }
    Tables { tables, more: rows.stopped.is_some() }
}

//! Values, from JSON and to JSON. What goes in is text, which the server reads as
//! whatever type it needs; what comes out is in the server's binary format.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use serde_json::Value;
use tokio_postgres::{
    Row,
    types::{Format, FromSql, IsNull, Kind, ToSql, Type, to_sql_checked},
};

mod binary;

/// A value for the place of a `$1`.
#[derive(Debug)]
pub(super) struct Text(Option<String>);

impl Text {
    pub(super) fn of(value: &Value) -> Self {
        Self(match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        })
    }
}

impl ToSql for Text {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match &self.0 {
            None => Ok(IsNull::Yes),
            Some(text) => {
                out.put_slice(text.as_bytes());
                Ok(IsNull::No)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// Whether values of a type can be passed on.
pub(super) fn is_known(kind: &Type) -> bool {
    match kind.kind() {
        Kind::Simple | Kind::Pseudo => SIMPLE.contains(kind),
        Kind::Enum(_) => true,
        Kind::Domain(inner) | Kind::Array(inner) => is_known(inner),
        _ => false,
    }
}

const SIMPLE: [Type; 27] = [
    Type::BOOL,
    Type::INT2,
    Type::INT4,
    Type::INT8,
    Type::OID,
    Type::FLOAT4,
    Type::FLOAT8,
    Type::NUMERIC,
    Type::TEXT,
    Type::VARCHAR,
    Type::BPCHAR,
    Type::NAME,
    Type::UNKNOWN,
    Type::CHAR,
    Type::XML,
    Type::JSON,
    Type::JSONB,
    Type::UUID,
    Type::DATE,
    Type::TIME,
    Type::TIMESTAMP,
    Type::TIMESTAMPTZ,
    Type::INTERVAL,
    Type::BYTEA,
    Type::INET,
    Type::CIDR,
    Type::VOID,
];

/// A row's values, each as JSON; or the column with one that is none.
pub(super) fn row(row: &Row) -> Result<Vec<Value>, String> {
    let columns = row.columns().iter().enumerate();
    let read = |at| row.try_get(at).map(|Json(value)| value);
    columns.map(|(at, column)| read(at).map_err(|_| column.name().to_owned())).collect()
}

struct Json(Value);

impl<'r> FromSql<'r> for Json {
    fn from_sql(kind: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(binary::json(kind, raw)?))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Value::Null))
    }

    fn accepts(kind: &Type) -> bool {
        is_known(kind)
    }
}

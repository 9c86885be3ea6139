//! The operator: writes a configuration, and has it read.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::AUTHORIZATION};
use serde_json::Value;

use crate::{
    Failure,
    connection::Connection,
    server::{ADMIN, Server},
};

pub(crate) struct Operator {
    connection: Connection,
    headers: HeaderMap,
}

impl Operator {
    pub(crate) async fn connect(server: &Server) -> Result<Self, Failure> {
        let connection = Connection::open(server.admin).await?;
        let token = HeaderValue::from_str(&format!("Bearer {ADMIN}")).map_err(|error| error.to_string())?;
        Ok(Self { connection, headers: HeaderMap::from_iter([(AUTHORIZATION, token)]) })
    }

    /// Has the files read. They must hold something new, and it must be in force
    /// when this answers.
    pub(crate) async fn reload(&mut self) -> Result<(), Failure> {
        let report = self.ask("POST", "/reload").await?;
        if report.get("result").and_then(Value::as_str) == Some("applied") {
            return Ok(());
        }
        Err(format!("the edit was not applied: {report}"))
    }

    /// How long the server says that the last reload took, in milliseconds.
    pub(super) async fn last_took(&mut self) -> Result<f64, Failure> {
        let status = self.ask("GET", "/status").await?;
        let took = status.pointer("/reloads/0/milliseconds").and_then(Value::as_f64);
        took.ok_or_else(|| format!("no attempt: {status}"))
    }

    async fn ask(&mut self, method: &str, path: &str) -> Result<Value, Failure> {
        let response = self.connection.send(method, path, &self.headers, Bytes::new()).await?;
        let text = String::from_utf8_lossy(response.body()).into_owned();
        if response.status() != StatusCode::OK {
            return Err(format!("{method} {path}: {} {text}", response.status()));
        }
        serde_json::from_str(&text).map_err(|error| format!("{method} {path}: {error}: {text}"))
    }
}

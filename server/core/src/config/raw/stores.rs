//! `files` and `databases`, as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{NAME, SECRET};

/// Files that agents can be granted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawFiles {
    /// Folders, each under a name of your choice. Nothing outside of them is read.
    #[schemars(extend("propertyNames" = { "pattern": NAME }, "examples" = [{ "docs": { "path": "/srv/docs" } }]))]
    pub(in crate::config) roots: BTreeMap<String, RawFileRoot>,
}

/// A folder whose files can be read.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["path"]))]
pub(in crate::config) struct RawFileRoot {
    /// The folder. A relative path starts at this file's folder. Symbolic links
    /// below it are not followed, and other file systems mounted below it are roots
    /// of their own.
    #[schemars(length(min = 1), extend("examples" = ["/srv/docs"]))]
    pub(in crate::config) path: Option<String>,
    /// What is in it, for agents and their models.
    #[schemars(length(max = 500), extend("examples" = ["The handbook, in Markdown"]))]
    pub(in crate::config) description: Option<String>,
    /// Whether files and folders whose names begin with a dot are there too.
    #[schemars(extend("default" = false))]
    pub(in crate::config) hidden: Option<bool>,
    /// Bytes of a file that are read at once. 65536 unless set.
    #[schemars(range(min = 1024, max = 16_777_216), extend("examples" = [65_536]))]
    pub(in crate::config) max_read_bytes: Option<u64>,
    /// Entries of folders that one search, or one list, looks at. 20000 unless set.
    #[schemars(range(min = 1, max = 1_000_000), extend("examples" = [20_000]))]
    pub(in crate::config) max_entries: Option<u64>,
}

/// A database that can be queried: a file of SQLite, or a server of PostgreSQL.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawDatabase {
    /// A file of SQLite. A relative path starts at this file's folder.
    #[schemars(length(min = 1), extend("examples" = ["/srv/notes.db"]))]
    pub(in crate::config) sqlite: Option<String>,
    /// A PostgreSQL server, the role to use and the database:
    /// `postgres://role@host:port/database`. A server behind a socket of this
    /// machine is `postgres:///database?host=/run/postgresql&user=role`. Give the
    /// role the right to read and no other.
    #[schemars(extend("examples" = ["postgres://reader@db.example.lan:5432/sales"], "writeOnly" = true))]
    pub(in crate::config) postgres: Option<String>,
    /// The password of the role, never as such but as a reference: `${NAME}` or
    /// `${file:/path}`.
    #[schemars(pattern(SECRET), extend("examples" = ["${SALES_PASSWORD}"], "writeOnly" = true))]
    pub(in crate::config) password: Option<String>,
    /// `verify` encrypts the connection and checks the server's certificate; `off`
    /// does neither. The default is `verify`, and `off` for this machine.
    #[schemars(extend("examples" = ["verify"]))]
    pub(in crate::config) tls: Option<RawTls>,
    /// A file with the certificates, in PEM, of those who may have signed the
    /// server's, instead of the usual ones.
    #[schemars(length(min = 1), extend("examples" = ["/etc/ssl/example-lan.pem"]))]
    pub(in crate::config) ca: Option<String>,
    /// What is in it, for agents and their models.
    #[schemars(length(max = 500), extend("examples" = ["Orders since 2019"]))]
    pub(in crate::config) description: Option<String>,
    /// Rows of an answer. 1000 unless set.
    #[schemars(range(min = 1, max = 100_000), extend("examples" = [1000]))]
    pub(in crate::config) max_rows: Option<u32>,
    /// Bytes of an answer's rows, as JSON. 65536 unless set.
    #[schemars(range(min = 1, max = 67_108_864), extend("examples" = [65_536]))]
    pub(in crate::config) max_bytes: Option<u64>,
    /// Seconds that a query may run. 10 unless set.
    #[schemars(range(min = 1, max = 3600), extend("examples" = [10]))]
    pub(in crate::config) timeout_seconds: Option<u64>,
    /// Queries at the same time. 4 unless set.
    #[schemars(range(min = 1, max = 64), extend("examples" = [4]))]
    pub(in crate::config) max_connections: Option<u32>,
}

// Without doc comments on the variants, the schema is a plain `enum`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawTls {
    Verify,
    Off,
}

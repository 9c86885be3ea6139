//! What agents can be granted to read: files and databases.

use std::{fmt, path::PathBuf, time::Duration};

use crate::secret::Secret;

/// A folder whose files can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRoot {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it, for agents.
    pub description: Option<String>,
    /// Whether names that begin with a dot are there too.
    pub hidden: bool,
    /// Bytes of a file that are read at once.
    pub max_read_bytes: u64,
    /// Entries that one list or search looks at.
    pub max_entries: u64,
}

/// A database that can be queried, and how far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Where it is.
    pub source: DatabaseSource,
    /// What is in it, for agents.
    pub description: Option<String>,
    /// Rows of an answer.
    pub max_rows: u32,
    /// Bytes of an answer's rows.
    pub max_bytes: u64,
    /// How long a query may run.
    pub timeout: Duration,
    /// Queries at the same time.
    pub max_connections: u32,
}

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseSource {
    /// In a file of SQLite.
    Sqlite(PathBuf),
    /// On a server of PostgreSQL.
    Postgres(Postgres),
}

impl DatabaseSource {
    /// Which SQL it speaks.
    #[must_use]
    pub fn dialect(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }
}

/// Without the password.
impl fmt::Display for DatabaseSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite {}", path.display()),
            Self::Postgres(Postgres { host, user, database, .. }) => {
                write!(f, "postgres {user}@{host}/{database}")
            }
        }
    }
}

/// A database on a server of PostgreSQL, and how to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postgres {
    /// Where the server is.
    pub host: PostgresHost,
    /// The role to use.
    pub user: String,
    /// The role's password, if it has one.
    pub password: Option<Secret>,
    /// Which of the server's databases.
    pub database: String,
    /// Whether the connection is encrypted, and the server's certificate checked.
    pub tls: Tls,
}

/// Where a server of PostgreSQL is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostgresHost {
    /// At a name or an address.
    Network {
        /// Which.
        host: String,
        /// On which port.
        port: u16,
    },
    /// On this machine, behind a socket.
    Socket {
        /// The folder it is in.
        folder: PathBuf,
        /// The number that its name ends with.
        port: u16,
    },
}

impl fmt::Display for PostgresHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Network { host, port } => write!(f, "{host}:{port}"),
            Self::Socket { folder, port } => write!(f, "{}/.s.PGSQL.{port}", folder.display()),
        }
    }
}

/// How a connection is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    Off,
    /// It is encrypted, and the server's certificate must name its host.
    Verify {
        /// Whose signatures count, in PEM. `None`: the usual ones.
        ca: Option<PathBuf>,
    },
}

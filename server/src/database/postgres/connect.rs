//! From the operator's words to a connection that only reads.

use std::{error::Error as _, io, sync::Arc, time::Duration};

use server_core::settings::{Postgres, PostgresHost};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::{
    CancelToken, Client, Config,
    config::{ChannelBinding, SslMode},
};
use tracing::{debug, warn};

use super::{
    Session,
    meter::{Meter, Metered},
    tls::{Stream, Tls},
};
use crate::database::{Asked, DatabaseError};

/// How long a server may take to let somebody in.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the role may do what no transaction forbids: read the server's own
/// files, or run programs there.
const POWERS: &str = "\
SELECT r.rolsuper OR EXISTS (
    SELECT FROM pg_catalog.pg_roles p
    WHERE p.rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')
      AND pg_catalog.pg_has_role(r.oid, p.oid, 'MEMBER'))
FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

/// Where a server is, and how it is spoken to.
#[derive(Debug)]
pub(super) struct Address {
    host: PostgresHost,
    tls: Tls,
}

/// A new connection.
pub(super) async fn connect(asked: &Asked<'_>, server: &Postgres) -> Result<Session, DatabaseError> {
    let name = asked.name;
    let entered = tokio::time::timeout(PATIENCE, enter(asked, server)).await;
    let problem = match entered {
        Ok(Ok(session)) => match session.client.query_one(POWERS, &[]).await {
            Ok(row) if matches!(row.try_get(0), Ok(false)) => {
                debug!(target: "database", database = %name, "connected");
                return Ok(session);
            }
            Ok(_) => {
                warn!(
                    target: "database",
                    database = %name,
                    role = %server.user,
                    "the role is a superuser, or may reach the server's files or programs, which nothing \
                     here can forbid: make another one, CREATE ROLE … LOGIN, and GRANT it SELECT"
                );
                let message = format!(
                    "database `{name}` is not queried, because its role may do more than read: tell the operator"
                );
                return Err(DatabaseError::failed(message));
            }
            Err(error) => words(&error),
        },
        Ok(Err(problem)) => problem,
        Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    let host = &server.host;
    warn!(target: "database", database = %name, %host, role = %server.user, error = problem, "no connection to a database");
    Err(DatabaseError::failed(format!("database `{name}` cannot be reached at present")))
}

async fn enter(asked: &Asked<'_>, server: &Postgres) -> Result<Session, String> {
    let address = Arc::new(Address { host: server.host.clone(), tls: Tls::of(server)? });
    let meter = Meter::new();
    let stream = address.stream(&meter).await.map_err(|error| error.to_string())?;
    let config = config(asked, server, &address);
    let (client, connection) =
        config.connect_raw(stream, address.tls.clone()).await.map_err(|error| words(&error))?;
    let name = asked.name.clone();
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            debug!(target: "database", database = %name, %error, "a connection ended");
        }
    });
    let client: Client = client;
    Ok(Session::new(client, meter, address, task.abort_handle()))
}

/// The session's own defaults. A query could change them for itself, so no query
/// relies on them: they are for whatever else the connection is used for.
fn config(asked: &Asked<'_>, server: &Postgres, address: &Address) -> Config {
    let mut config = Config::new();
    config.user(&server.user).dbname(&server.database).application_name(env!("CARGO_PKG_NAME"));
    if let Some(password) = &server.password {
        config.password(password.expose());
    }
    let timeout = asked.database.timeout.as_millis();
    config.options(format!(
        "-c default_transaction_read_only=on -c statement_timeout={timeout} \
         -c idle_in_transaction_session_timeout=60000"
    ));
    config.channel_binding(ChannelBinding::Disable);
    config.ssl_mode(if address.tls.is_on() { SslMode::Require } else { SslMode::Disable });
    config
}

impl Address {
    async fn stream(&self, meter: &Meter) -> io::Result<Metered<Stream>> {
        let stream = match &self.host {
            PostgresHost::Network { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
            PostgresHost::Socket { folder, port } => {
                Stream::Unix(UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await?)
            }
        };
        Ok(meter.on(stream))
    }

    /// Has the server end a query, on a connection of its own as the protocol has it.
    pub(super) async fn cancel(&self, query: CancelToken) {
        let cancel = async {
            let stream = self.stream(&Meter::new()).await.map_err(|error| error.to_string())?;
            query.cancel_query_raw(stream, self.tls.clone()).await.map_err(|error| words(&error))
        };
        match tokio::time::timeout(PATIENCE, cancel).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(target: "database", error, "a query could not be cancelled"),
            Err(_) => debug!(target: "database", "a query could not be cancelled in time"),
        }
    }
}

/// An error and what caused it.
fn words(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

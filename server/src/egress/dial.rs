//! The one place from which the server connects to elsewhere.

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hickory_resolver::TokioResolver;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use server_core::{
    egress::{Checked, Destination, Host, Scheme},
    settings::EgressSettings,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};

use super::{CONNECT, Failure, names, pool::Connection, request::server_name, tls};

/// How large the head of an answer may be.
const MAX_HEAD: usize = 64 << 10;
const MAX_HEADERS: usize = 128;

/// What connecting takes, by the settings that it was made of.
pub(super) struct Tools {
    /// No other ones have it.
    pub(super) id: u64,
    pub(super) settings: EgressSettings,
    names: TokioResolver,
    tls: Arc<ClientConfig>,
}

impl std::fmt::Debug for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tools").field("settings", &self.settings).finish_non_exhaustive()
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Tools {
    pub(super) fn new(settings: &EgressSettings) -> Result<Self, String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Ok(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            settings: settings.clone(),
            names: names::resolver(&settings.dns_servers)?,
            tls: tls::config(settings.authorities.as_ref())?,
        })
    }

    /// Every address of a host.
    pub(super) async fn addresses(&self, host: &Host) -> Result<Vec<IpAddr>, Failure> {
        match host {
            Host::Address(address) => Ok(vec![*address]),
            Host::Name(name) => names::addresses(&self.names, name).await,
        }
    }

    /// Connects to one of these addresses, the first that answers.
    pub(super) async fn connect(
        &self,
        to: &Destination,
        addresses: &[Checked],
    ) -> Result<Connection, Failure> {
        let stream = tcp(to, addresses).await?;
        let stream: Box<dyn Stream> = match to.scheme {
            Scheme::Http => Box::new(stream),
            Scheme::Https => self.secure(to, stream).await?,
        };
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS);
        let (requests, connection) = builder
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Failure::Connect { to: to.clone(), reason: error.to_string() })?;
        tokio::spawn(connection);
        Ok(Connection::new(to.clone(), requests))
    }

    async fn secure(&self, to: &Destination, stream: TcpStream) -> Result<Box<dyn Stream>, Failure> {
        let failed = |reason: String| Failure::Tls { host: to.host.clone(), reason };
        let name = ServerName::try_from(server_name(&to.host));
        let name = name.map_err(|_| failed("its name cannot be in a certificate".to_owned()))?;
        let secured = timeout(CONNECT, TlsConnector::from(self.tls.clone()).connect(name, stream)).await;
        let secured = secured.map_err(|_| failed("it did not answer in time".to_owned()))?;
        Ok(Box::new(secured.map_err(|error| failed(error.to_string()))?))
    }
}

/// INVARIANT: no other code of the server's connects to a host that a request, a
/// plugin or a provider names, and this takes nothing but checked addresses.
async fn tcp(to: &Destination, addresses: &[Checked]) -> Result<TcpStream, Failure> {
    let mut last = "it has no address".to_owned();
    for checked in addresses {
        match timeout(CONNECT, TcpStream::connect(checked.address())).await {
            Ok(Ok(stream)) if stream.peer_addr().ok() == Some(checked.address()) => {
                // Without it, a request in two packets waits for the first to be
                // acknowledged.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Ok(_)) => last = "somebody else answered".to_owned(),
            Ok(Err(error)) => last = words(&error),
            Err(_) => last = "it did not answer in time".to_owned(),
        }
    }
    Err(Failure::Connect { to: to.clone(), reason: last })
}

/// Without the address, which an operating system may put into its words.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "it refuses connections".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "it cannot be reached from here".to_owned()
        }
        io::ErrorKind::TimedOut => "it did not answer in time".to_owned(),
        kind => kind.to_string(),
    }
}

//! Encryption of a connection, by rustls.

use std::{
    io,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use server_core::settings::{self, Postgres, PostgresHost};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_rustls::{
    TlsConnector, client,
    rustls::{
        ClientConfig, RootCertStore, crypto,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use super::meter::Metered;

/// A connection before it is encrypted.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Whose certificate is wanted, and by whom it may be signed; `None` for a
/// connection that is not encrypted.
#[derive(Clone)]
pub(super) struct Tls(Option<(TlsConnector, ServerName<'static>)>);

/// Without the certificates.
impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tls").field(&self.is_on()).finish()
    }
}

impl Tls {
    /// What the operator wants of a server, or why it cannot be had.
    pub(super) fn of(server: &Postgres) -> Result<Self, String> {
        let (settings::Tls::Verify { ca }, PostgresHost::Network { host, .. }) = (&server.tls, &server.host)
        else {
            return Ok(Self(None));
        };
        let name = ServerName::try_from(host.clone())
            .map_err(|_| format!("`{host}` is no name that a certificate could have"))?;
        let roots = match ca {
            None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
            Some(ca) => certificates(ca)
                .map_err(|error| format!("`{}` has no certificates: {error}", ca.display()))?,
        };
        let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Some((TlsConnector::from(Arc::new(config)), name))))
    }

    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }
}

fn certificates(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())? {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() { Err("it has none".to_owned()) } else { Ok(roots) }
}

/// A connection, encrypted.
pub(super) struct Encrypted(client::TlsStream<Metered<Stream>>);

impl TlsConnect<Metered<Stream>> for Tls {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Encrypted>>;

    fn connect(self, stream: Metered<Stream>) -> Self::Future {
        Box::pin(async move {
            let (connector, name) = self.0.ok_or_else(|| io::Error::other("TLS is off"))?;
            Ok(Encrypted(connector.connect(name, stream).await?))
        })
    }
}

impl TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

/// Passes reading and writing on to what is inside.
macro_rules! passes_on {
    ($outer:ty, $self:ident => $inner:expr) => {
        impl AsyncRead for $outer {
            fn poll_read(
                $self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                $inner.poll_read(context, buffer)
            }
        }

        impl AsyncWrite for $outer {
            fn poll_write(
                $self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                $inner.poll_write(context, bytes)
            }

            fn poll_flush($self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                $inner.poll_flush(context)
            }

            fn poll_shutdown($self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                $inner.poll_shutdown(context)
            }
        }
    };
}

passes_on!(Encrypted, self => Pin::new(&mut self.get_mut().0));
passes_on!(Stream, self => Pin::new(self.get_mut().inner()));

impl Stream {
    fn inner(&mut self) -> &mut (dyn Duplex + Unpin) {
        match self {
            Self::Tcp(stream) => stream,
            Self::Unix(stream) => stream,
        }
    }
}

/// What can be read and written.
trait Duplex: AsyncRead + AsyncWrite {}

impl Duplex for TcpStream {}
impl Duplex for UnixStream {}

//! One HTTP connection that is kept.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header::HOST};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpSocket, time::timeout};

use crate::Failure;

/// How long an answer may take. What takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Failure> {
        Self::open_from(Ipv4Addr::LOCALHOST, address).await
    }

    /// From an address of this machine's own.
    pub(crate) async fn open_from(own: Ipv4Addr, address: SocketAddr) -> Result<Self, Failure> {
        let failed = |error: &dyn std::fmt::Display| format!("cannot connect to {address}: {error}");
        let socket = TcpSocket::new_v4().map_err(|error| failed(&error))?;
        socket.bind((own, 0).into()).map_err(|error| failed(&error))?;
        let stream = socket.connect(address).await.map_err(|error| failed(&error))?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        // Its errors are those of the requests, too.
        tokio::spawn(connection);
        let host = HeaderValue::from_str(&address.to_string()).map_err(|error| failed(&error))?;
        Ok(Self { sender, host })
    }

    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response<Bytes>, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        *request.headers_mut() = headers.clone();
        request.headers_mut().insert(HOST, self.host.clone());
        let exchange = async {
            self.sender.ready().await?;
            let (parts, body) = self.sender.send_request(request).await?.into_parts();
            Ok(Response::from_parts(parts, body.collect().await?.to_bytes()))
        };
        match timeout(PATIENCE, exchange).await {
            Ok(answered) => answered.map_err(|error: hyper::Error| format!("{method} {path}: {error}")),
            Err(_) => Err(format!("{method} {path}: no answer after {} s", PATIENCE.as_secs())),
        }
    }
}

//! Connections: accepting them, serving HTTP on them, and ending them.

use std::{
    convert::Infallible,
    future::pending,
    net::{IpAddr, SocketAddr},
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse, Response},
};
use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::SetOnce,
    time::{self, Instant},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;
use tracing::{error, warn};

use super::{names::Wire, refusal::Refusal};
pub(crate) use guests::{Bounds, Busy, Guest};
use guests::{Guests, Place};
use patient::Patient;

mod guests;
mod patient;

/// How long a connection may idle before its next request. Longer than proxies keep
/// connections for their next request (Caddy: two minutes), or now and then one would
/// send it into a connection that is just being closed.
const PATIENCE: Duration = Duration::from_secs(150);

/// How long a new connection may take for its first request's head, at most. Until
/// then nobody knows whether it is an agent's, and it takes the place of one.
const FIRST: Duration = Duration::from_secs(10);

/// How long whoever has just come is waited for when connections end: the request is on
/// its way, and would meet a closed door.
const WORDS: Duration = Duration::from_millis(500);

/// How much of a request's head is read.
const HEAD: usize = 64 * 1024;

/// How long responses may take to leave when the server stops.
const LINGER: Duration = Duration::from_secs(2);

/// How long to wait when the system cannot accept, usually for want of files.
const RECOVERY: Duration = Duration::from_millis(500);

/// Connections to one router, whatever listeners they come in by. A clone is the
/// same one.
#[derive(Clone)]
pub(crate) struct Connections {
    router: Router,
    guests: Arc<Guests>,
    bounds: Arc<dyn Fn(IpAddr) -> Bounds + Send + Sync>,
    /// Every one of them, and every listener.
    open: TaskTracker,
    closing: CancellationToken,
    cut: CancellationToken,
}

impl Connections {
    /// As many as `bounds` says at the time of an address. Where there are more, one that is idle
    /// gives way; where none is, they wait until one is closed.
    pub(crate) fn new(router: Router, bounds: impl Fn(IpAddr) -> Bounds + Send + Sync + 'static) -> Self {
        let (closing, cut) = (CancellationToken::new(), CancellationToken::new());
        let (guests, bounds) = (Arc::default(), Arc::new(bounds));
        Self { router, guests, bounds, open: TaskTracker::new(), closing, cut }
    }

    /// Takes those that come in by `listener` until `stop` is cancelled. They go
    /// on after that. The answer is cancelled when nobody listens any more.
    pub(super) fn accept(&self, listener: TcpListener, stop: CancellationToken) -> CancellationToken {
        let closed = CancellationToken::new();
        let guard = closed.clone().drop_guard();
        let this = self.clone();
        self.open.spawn(async move {
            this.accept_until(listener, &stop).await;
            drop(guard);
        });
        closed
    }

    async fn accept_until(&self, listener: TcpListener, stop: &CancellationToken) {
        let Ok(listening) = listener.local_addr() else { return };
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let Some(place) = self.place(peer, listening, stop).await else { continue };
                    self.spawn(stream, peer, listening, place);
                }
                // Gone before it was accepted.
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    warn!(target: "server", %error, "cannot accept connections");
                    time::sleep(RECOVERY).await;
                }
            }
        }
        // What has connected already is not to be broken off with the listener.
        // Only the system knows whether there is any.
        let Ok(listener) = listener.into_std() else { return };
        while let Ok((stream, peer)) = listener.accept()
            && let Some(place) = self.guests.try_enter(peer.ip(), (self.bounds)(peer.ip()))
        {
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            if let Ok(stream) = stream {
                self.spawn(stream, peer, listening, place);
            }
        }
    }

    /// A place for who has connected, as soon as there is one.
    async fn place(
        &self,
        peer: SocketAddr,
        listening: SocketAddr,
        stop: &CancellationToken,
    ) -> Option<Place> {
        if let Some(place) = self.guests.try_enter(peer.ip(), (self.bounds)(peer.ip())) {
            return Some(place);
        }
        warn!(target: "server", address = %listening, "no more connections are taken until one is closed");
        tokio::select! {
            biased;
            place = self.guests.enter(peer.ip(), || (self.bounds)(peer.ip())) => Some(place),
            () = self.closing.cancelled() => None,
            () = stop.cancelled() => None,
        }
    }

    fn spawn(&self, stream: TcpStream, peer: SocketAddr, listening: SocketAddr, place: Place) {
        let (guest, patience) = (place.0.clone(), (self.bounds)(peer.ip()).patience);
        let arrived = Arrived { stream, peer, listener: listening, guest, patience };
        let (closing, cut) = (self.closing.clone(), self.cut.clone());
        let serving = connection(arrived, self.router.clone(), closing, cut);
        self.open.spawn(async move {
            serving.await;
            drop(place);
        });
    }

    /// Leaves whoever has not been accepted yet to somebody else who has the same
    /// socket, and waits until those who were have had their answers.
    pub(super) async fn hand_over(&self, grace: Duration) {
        self.closing.cancel();
        self.open.close();
        let _ = time::timeout(grace, self.open.wait()).await;
    }

    /// Stops to listen, lets responses leave, and cuts what is open after that.
    pub(super) async fn end(&self) {
        self.closing.cancel();
        self.open.close();
        let _ = time::timeout(LINGER, self.open.wait()).await;
        self.cut.cancel();
    }
}

fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Who has come in.
struct Arrived {
    stream: TcpStream,
    peer: SocketAddr,
    listener: SocketAddr,
    guest: Arc<Guest>,
    patience: Duration,
}

async fn connection(arrived: Arrived, router: Router, closing: CancellationToken, cut: CancellationToken) {
    let Arrived { stream, peer, listener, guest, patience } = arrived;
    // With Nagle's algorithm every event of a stream would wait for the
    // client's delayed acknowledgement of the one before, some 40 ms.
    let (Ok(()), Ok(local)) = (stream.set_nodelay(true), stream.local_addr()) else { return };
    let wire = Wire { peer, local, listener };
    let (asked, came) = (SetOnce::new(), Instant::now());
    let service = service_fn(|request: Request<Incoming>| {
        let _again = asked.set(());
        respond(router.clone(), request, wire, guest.clone())
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(Patient::new(stream, guest.clone(), patience)), service);
    let mut connection = pin!(connection);
    let may_finish = async {
        tokio::select! {
            () = silence(&asked, patience.min(FIRST)) => false,
            () = async { closing.cancelled().await; first_words(&asked, came).await } => true,
            // Of a stranger nothing is worth waiting for.
            () = guest.gives_way().cancelled() => guest.is_known(),
        }
    };
    // Polled when it is woken, and not whenever the connection is: all connections
    // share the token, and with it a lock.
    let mut ending = FuturesUnordered::from_iter([may_finish]);
    // Its errors are the client's: it hung up, or sent what is no HTTP.
    tokio::select! {
        biased;
        _ = connection.as_mut() => {}
        may_finish = ending.next() => {
            if may_finish == Some(true) {
                connection.as_mut().graceful_shutdown();
                cut.run_until_cancelled(connection).await;
            }
        }
    }
}

/// Over when nothing was asked in time.
async fn silence(asked: &SetOnce<()>, patience: Duration) {
    time::sleep(patience).await;
    if asked.initialized() {
        pending::<()>().await;
    }
}

/// Over when whoever `came` then has asked, or has had [`WORDS`] to.
async fn first_words(asked: &SetOnce<()>, came: Instant) {
    let _silent = time::timeout_at(came + WORDS, asked.wait()).await;
}

async fn respond(
    mut router: Router,
    request: Request<Incoming>,
    wire: Wire,
    guest: Arc<Guest>,
) -> Result<Response, Infallible> {
    guest.begins();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(wire);
    request.extensions_mut().insert(guest.clone());
    // Without it, a panic would close the connection without a word.
    let response = AssertUnwindSafe(router.call(request)).catch_unwind().await.unwrap_or_else(|_panic| {
        error!(target: "server", "answering a request panicked");
        Ok(Refusal::Internal.into_response())
    });
    guest.ends();
    response
}

#[cfg(test)]
mod tests;

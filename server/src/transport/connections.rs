//! Connections: accepting them, serving HTTP on them, and ending them.

use std::{
    convert::Infallible,
    future::pending,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
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
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;
use tracing::{error, warn};

use super::{names::Wire, refusal::Refusal};

/// How long a connection may idle, and a request's head may take. Longer than
/// proxies keep connections for their next request (Caddy: two minutes), or now
/// and then one would send it into a connection that is just being closed.
const PATIENCE: Duration = Duration::from_secs(150);

/// How long a new connection may take for its first request's head. Until then
/// nobody knows whether it is an agent's, and it takes the place of one.
const FIRST: Duration = Duration::from_secs(10);

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
    places: Arc<Semaphore>,
    /// Every one of them, and every listener.
    open: TaskTracker,
    closing: CancellationToken,
    cut: CancellationToken,
}

impl Connections {
    /// At most so many at a time; more wait until one is closed.
    pub(crate) fn new(router: Router, most: usize) -> Self {
        let (closing, cut) = (CancellationToken::new(), CancellationToken::new());
        Self { router, places: Arc::new(Semaphore::new(most)), open: TaskTracker::new(), closing, cut }
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
            let next = async {
                let place = self.places.clone().acquire_owned().await.ok();
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                () = stop.cancelled() => break,
                next = next => next,
            };
            match accepted {
                Ok((stream, peer)) => {
                    self.spawn(stream, peer, listening, place);
                    if self.places.available_permits() == 0 {
                        warn!(target: "server", address = %listening, "no more connections are taken until one is closed");
                    }
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
        while let Ok(place) = self.places.clone().try_acquire_owned()
            && let Ok((stream, peer)) = listener.accept()
        {
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            if let Ok(stream) = stream {
                self.spawn(stream, peer, listening, Some(place));
            }
        }
    }

    fn spawn(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        listening: SocketAddr,
        place: Option<OwnedSemaphorePermit>,
    ) {
        let (closing, cut) = (self.closing.clone(), self.cut.clone());
        let serving = connection(stream, peer, listening, self.router.clone(), closing, cut);
        self.open.spawn(async move {
            serving.await;
            drop(place);
        });
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

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    listener: SocketAddr,
    router: Router,
    closing: CancellationToken,
    cut: CancellationToken,
) {
    // With Nagle's algorithm every event of a stream would wait for the
    // client's delayed acknowledgement of the one before, some 40 ms.
    let (Ok(()), Ok(local)) = (stream.set_nodelay(true), stream.local_addr()) else { return };
    let wire = Wire { peer, local, listener };
    let asked = AtomicBool::new(false);
    let service = service_fn(|request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        respond(router.clone(), request, wire)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let is_silent = async {
        tokio::select! {
            () = silence(&asked) => true,
            () = closing.cancelled() => false,
        }
    };
    // Polled when it is woken, and not whenever the connection is: all connections
    // share the token, and with it a lock.
    let mut ending = FuturesUnordered::from_iter([is_silent]);
    // Its errors are the client's: it hung up, or sent what is no HTTP.
    tokio::select! {
        biased;
        _ = connection.as_mut() => {}
        is_silent = ending.next() => {
            if is_silent == Some(false) {
                connection.as_mut().graceful_shutdown();
                cut.run_until_cancelled(connection).await;
            }
        }
    }
}

/// Over when nothing was asked in time.
async fn silence(asked: &AtomicBool) {
    time::sleep(FIRST).await;
    if asked.load(Ordering::Relaxed) {
        pending::<()>().await;
    }
}

async fn respond(mut router: Router, request: Request<Incoming>, wire: Wire) -> Result<Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(wire);
    // Without it, a panic would close the connection without a word.
    match AssertUnwindSafe(router.call(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_panic) => {
            error!(target: "server", "answering a request panicked");
            Ok(Refusal::Internal.into_response())
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        time::Instant,
    };

    use super::*;

    #[tokio::test]
    async fn a_connection_that_asks_nothing_ends_soon_and_one_that_did_may_idle() {
        const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        for (said, patience) in
            [("", FIRST), ("G", FIRST), ("GET / HTTP/1.1\r\nHost:", FIRST), (REQUEST, PATIENCE)]
        {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let local = listener.local_addr().unwrap();
            let mut client = TcpStream::connect(local).await.unwrap();
            let (stream, peer) = listener.accept().await.unwrap();
            client.write_all(said.as_bytes()).await.unwrap();
            let never = CancellationToken::new;
            let serving = tokio::spawn(connection(stream, peer, local, Router::new(), never(), never()));
            if said == REQUEST {
                assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 9);
            }
            // The clock jumps to whatever is due next.
            time::pause();
            let before = Instant::now();
            serving.await.unwrap();
            assert_eq!(before.elapsed().as_secs().next_multiple_of(10), patience.as_secs(), "{said}");
            time::resume();
        }
    }
}

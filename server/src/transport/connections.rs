//! Connections: accepting them, serving HTTP on them, and ending them.

use std::{
    convert::Infallible, future::pending, net::SocketAddr, panic::AssertUnwindSafe, pin::pin, time::Duration,
};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time,
};
use tokio_util::sync::CancellationToken;
use tower::Service;
use tracing::{error, warn};

use super::{names::Wire, refusal::Refusal};

/// How many connections may be open. More wait until one is closed.
const OPEN: usize = 4096;

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

/// Serves `router` until `closing` is cancelled.
pub(super) async fn serve(
    listener: TcpListener,
    listening: SocketAddr,
    router: Router,
    closing: CancellationToken,
) {
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = closing.cancelled() => break,
            Some(_) = open.join_next() => continue,
            accepted = listener.accept(), if open.len() < OPEN => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                open.spawn(connection(stream, peer, listening, router.clone(), closing.clone()));
                if open.len() == OPEN {
                    warn!(target: "server", open = OPEN, "no more connections are taken until one is closed");
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
    drop(listener);
    // What is open after that is cut by dropping the set.
    let _ = time::timeout(LINGER, async { while open.join_next().await.is_some() {} }).await;
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
) {
    // With Nagle's algorithm every event of a stream would wait for the
    // client's delayed acknowledgement of the one before, some 40 ms.
    let (Ok(()), Ok(local)) = (stream.set_nodelay(true), stream.local_addr()) else { return };
    let wire = Wire { peer, local, listener };
    let asked = CancellationToken::new();
    let service = service_fn(|request: Request<Incoming>| {
        asked.cancel();
        respond(router.clone(), request, wire)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // Its errors are the client's: it hung up, or sent what is no HTTP.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = silence(&asked) => {}
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// Over when nothing was asked in time.
async fn silence(asked: &CancellationToken) {
    if time::timeout(FIRST, asked.cancelled()).await.is_ok() {
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
            let serving =
                tokio::spawn(connection(stream, peer, local, Router::new(), CancellationToken::new()));
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

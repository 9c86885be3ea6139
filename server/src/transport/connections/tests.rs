//! How long a connection is kept on which a client stops in the middle.

use axum::routing::get;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::*;

const SLOW: Duration = Duration::from_secs(30);
const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// More than fits between two ends that do not talk to each other.
const MUCH: usize = 32 << 20;

fn router() -> Router {
    Router::new().route("/much", get(async || vec![b' '; MUCH]))
}

fn bounds() -> Bounds {
    Bounds { most: 1, strangers_per_address: 1, patience: SLOW }
}

/// A client's end, and the connection as it is served.
async fn connected() -> (TcpStream, JoinHandle<()>, Place) {
    connected_until(CancellationToken::new()).await
}

async fn connected_until(closing: CancellationToken) -> (TcpStream, JoinHandle<()>, Place) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let local = listener.local_addr().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let client = socket.connect(local).await.unwrap();
    let (stream, peer) = listener.accept().await.unwrap();
    let place = Arc::<Guests>::default().try_enter(peer.ip(), bounds()).unwrap();
    let guest = place.0.clone();
    let arrived = Arrived { stream, peer, listener: local, guest, patience: SLOW };
    let serving = tokio::spawn(connection(arrived, router(), closing, CancellationToken::new()));
    (client, serving, place)
}

/// How long it takes until the connection ends. The clock jumps to whatever is due
/// next.
async fn seconds(serving: JoinHandle<()>) -> u64 {
    time::pause();
    let before = Instant::now();
    timeout(PATIENCE * 2, serving).await.unwrap().unwrap();
    let elapsed = before.elapsed().as_secs().next_multiple_of(5);
    time::resume();
    elapsed
}

#[tokio::test]
async fn a_connection_that_asks_nothing_ends_soon_and_one_that_did_may_idle() {
    for (said, patience) in [
        ("", FIRST),
        ("G", FIRST),
        ("GET / HTTP/1.1\r\nHost:", FIRST),
        (REQUEST, PATIENCE),
        // The head of a second request, half of it.
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n|GET / HT", SLOW),
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n|GET / HT|TP/1.1", SLOW),
    ] {
        let (mut client, serving, _place) = connected().await;
        for part in said.split('|') {
            client.write_all(part.as_bytes()).await.unwrap();
            if part == REQUEST {
                assert!(client.read(&mut [0; 4096]).await.unwrap() > 9);
            } else {
                // Else the parts would arrive as one.
                time::sleep(Duration::from_millis(20)).await;
            }
        }
        assert_eq!(seconds(serving).await, patience.as_secs(), "{said}");
    }
}

#[tokio::test]
async fn whoever_came_just_before_the_end_is_answered_and_then_goes() {
    let closing = CancellationToken::new();
    let (mut client, serving, _place) = connected_until(closing.clone()).await;
    closing.cancel();
    tokio::task::yield_now().await;
    client.write_all(REQUEST.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    serving.await.unwrap();

    let (mut silent, serving, _place) = connected_until(closing).await;
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap(), 0);
    serving.await.unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let (mut client, serving, _place) = connected().await;
    client.write_all(REQUEST.replace("/ ", "/much ").as_bytes()).await.unwrap();
    assert!(client.read(&mut [0; 9]).await.unwrap() > 0);
    assert_eq!(seconds(serving).await, SLOW.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_is_not_given_up_until_it_stops() {
    let place = Arc::<Guests>::default().try_enter([127, 0, 0, 1].into(), bounds()).unwrap();
    let (mut client, stream) = tokio::io::duplex(64);
    let mut stream = Patient::new(stream, place.0.clone(), SLOW);
    let writing = tokio::spawn(async move { stream.write_all(&[0; 64 * 12]).await });
    for _ in 0..10 {
        time::sleep(SLOW - Duration::from_secs(1)).await;
        client.read_exact(&mut [0; 64]).await.unwrap();
    }
    let before = Instant::now();
    let error = writing.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), before.elapsed().as_secs()), (std::io::ErrorKind::TimedOut, 30));
}

#[tokio::test]
async fn who_gives_way_is_cut_off_unless_it_is_known_and_waits_for_an_answer() {
    for (known, half) in [(false, true), (true, false)] {
        let (mut client, serving, place) = connected().await;
        client.write_all(REQUEST.as_bytes()).await.unwrap();
        assert!(client.read(&mut [0; 4096]).await.unwrap() > 0);
        if half {
            client.write_all(b"GET / HT").await.unwrap();
        }
        if known {
            place.0.is_known_as("laptop");
        }
        place.0.gives_way().cancel();
        timeout(SLOW, serving).await.unwrap().unwrap();
    }
}

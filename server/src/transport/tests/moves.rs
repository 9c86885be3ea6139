//! Listeners that move while clients are connected.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, TcpListener, TcpStream},
};

use server_core::settings::{AdminSettings, Settings};

use super::{changes::Stream, *};

const ALL: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// An address that was free just now.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Server {
    /// The settings, with these addresses.
    fn settings(&self, server: SocketAddr, admin: Option<SocketAddr>) -> Settings {
        let mut settings = self.live.load().settings.clone();
        settings.server.listen = server;
        let token = server_core::secret::TokenDigest::of("admin");
        settings.admin = admin.map(|listen| AdminSettings { listen, token });
        settings
    }

    async fn prepare(&self, settings: &Settings) -> super::super::Prepared {
        self.listeners.prepare(settings).await.unwrap()
    }

    async fn move_to(&self, address: SocketAddr) {
        self.prepare(&self.settings(address, None)).await.commit();
    }

    fn bound(&self) -> Vec<SocketAddr> {
        self.listeners.addresses().into_iter().map(|(_, address)| address).collect()
    }

    /// Waits until nobody listens there.
    async fn left(&self, address: SocketAddr) {
        timeout(PATIENCE, async {
            while tokio::net::TcpStream::connect(address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }
}

async fn status(address: SocketAddr) -> u16 {
    client().get(format!("http://{address}/healthz")).send().await.unwrap().status().as_u16()
}

/// A connection on which requests follow one another.
struct KeptAlive(tokio::net::TcpStream);

impl KeptAlive {
    async fn connect(address: SocketAddr) -> Self {
        Self(tokio::net::TcpStream::connect(address).await.unwrap())
    }

    async fn ask(&mut self) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        self.0.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nok") {
            assert_ne!(self.0.read_buf(&mut answer).await.unwrap(), 0, "the connection has ended");
        }
    }
}

#[tokio::test]
async fn what_is_open_goes_on_when_the_address_changes() {
    let mut server = Server::start().await;
    let (old, new) = (server.address, free());
    let session = server.session(LAPTOP).await;
    let mut stream = Stream::open(server.get(LAPTOP, &session)).await;
    let mut kept_alive = KeptAlive::connect(old).await;
    kept_alive.ask().await;
    let waiting = server.stateless(LAPTOP, "tools/call", json!({ "name": "demo.wait" }));
    let waiting = tokio::spawn(waiting.send());
    server.running(1).await;

    server.move_to(new).await;
    server.left(old).await;
    assert_eq!((server.bound(), status(new).await), (vec![new], 200));
    kept_alive.ask().await;
    server.reload(&super::changes::narrower());
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/tools/list_changed");
    server.let_go(1);
    let answer = waiting.await.unwrap().unwrap().json::<Value>().await.unwrap();
    assert_eq!(answer["result"]["content"][0]["text"], "done");
    // The session is the server's, not the listener's.
    server.address = new;
    let call = server.in_session(LAPTOP, &session, &call(1, "demo.wait"));
    server.let_go(1);
    assert_eq!(events(call.send().await.unwrap()).await[0]["result"]["content"][0]["text"], "done");
    server.shutdown.cancel();
    server.serving.await.unwrap();
}

/// On a runtime with one thread nobody accepts before the test waits.
#[tokio::test]
async fn whoever_has_connected_is_served_though_nobody_had_accepted() {
    let server = Server::start().await;
    let same_port = SocketAddr::new(ALL, server.address.port());
    for (at, to) in [(server.address, same_port), (server.address, free())] {
        let mut early = TcpStream::connect(at).unwrap();
        early.write_all(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        server.move_to(to).await;
        let read = tokio::task::spawn_blocking(move || {
            let mut answer = String::new();
            early.read_to_string(&mut answer).map(|_| answer)
        });
        let answer = read.await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("ok"), "{answer}");
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_had_changes_nothing_and_is_named_by_its_key() {
    let server = Server::start().await;
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    // It could be had, and is let go again.
    let (new, port) = (free(), server.address.port());
    for (settings, key) in [
        (server.settings(taken, None), "server.listen"),
        (server.settings(new, Some(taken)), "admin.listen"),
        (server.settings(SocketAddr::new(ALL, port), Some(taken)), "admin.listen"),
    ] {
        let error = server.listeners.prepare(&settings).await.err().unwrap();
        let expected = format!("cannot listen on {taken} (`{key}`): Address already in use (os error 98)");
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert_eq!((server.bound(), status(server.address).await), (vec![server.address], 200));
        drop(TcpListener::bind(new).unwrap());
    }
}

#[tokio::test]
async fn an_address_may_grow_and_shrink_on_its_port() {
    let server = Server::start().await;
    let port = server.address.port();
    let mut kept_alive = KeptAlive::connect(server.address).await;
    kept_alive.ask().await;
    let everywhere = SocketAddr::new(ALL, port);
    server.move_to(everywhere).await;
    assert_eq!(server.bound(), [everywhere]);
    for ip in [LOOPBACK, [127, 0, 0, 2].into()] {
        assert_eq!(status(SocketAddr::new(ip, port)).await, 200);
    }
    server.move_to(server.address).await;
    assert_eq!(server.bound(), [server.address]);
    assert_eq!(status(server.address).await, 200);
    assert!(TcpStream::connect(SocketAddr::new([127, 0, 0, 2].into(), port)).is_err());
    kept_alive.ask().await;
}

#[tokio::test]
async fn what_was_prepared_and_dropped_leaves_everything_as_it_was() {
    let server = Server::start().await;
    let everywhere = SocketAddr::new(ALL, server.address.port());
    for (listen, admin) in [(free(), free()), (everywhere, free())] {
        let prepared = server.prepare(&server.settings(listen, Some(admin))).await;
        drop(prepared);
        assert_eq!((server.bound(), status(server.address).await), (vec![server.address], 200));
        assert!(TcpStream::connect(admin).is_err());
        assert!(TcpStream::connect(SocketAddr::new([127, 0, 0, 2].into(), listen.port())).is_err());
    }
    // As it was in every way: it moves as before.
    server.move_to(everywhere).await;
    assert_eq!(server.bound(), [everywhere]);
}

#[tokio::test]
async fn a_port_that_the_system_chose_stays_until_another_is_asked_for() {
    let server = Server::start().await;
    let mut loopback = SocketAddr::new(LOOPBACK, 0);
    server.move_to(loopback).await;
    assert_eq!(server.bound(), [server.address]);
    // To write down the port that it has is no move either.
    server.move_to(server.address).await;
    assert_eq!(server.bound(), [server.address]);
    loopback.set_ip([127, 0, 0, 2].into());
    server.move_to(loopback).await;
    assert_eq!(server.bound()[0].ip(), loopback.ip());
    server.left(server.address).await;
}

#[tokio::test]
async fn the_two_doors_open_close_and_change_places() {
    let server = Server::start().await;
    let (one, other) = (server.address, free());
    server.prepare(&server.settings(one, Some(other))).await.commit();
    assert_eq!(server.bound(), [one, other]);
    // Only the agents' router has anything, in this test.
    assert_eq!((status(one).await, status(other).await), (200, 404));
    server.prepare(&server.settings(other, Some(one))).await.commit();
    assert_eq!(server.bound(), [other, one]);
    assert_eq!((status(one).await, status(other).await), (404, 200));
    server.prepare(&server.settings(other, None)).await.commit();
    assert_eq!(server.bound(), [other]);
    server.left(one).await;
}

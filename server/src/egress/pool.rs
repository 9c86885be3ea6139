//! Connections that wait to be used again, under the rules that they were made
//! under and no others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{body::Incoming, client::conn::http1::SendRequest};
use server_core::egress::Destination;

use super::Failure;

/// How long a connection waits, and how old it becomes.
const IDLE: Duration = Duration::from_secs(15);
const AGE: Duration = Duration::from_secs(120);

/// How many wait for the same, and for all.
const PER_KEY: usize = 8;
const ALL: usize = 128;

/// What must be the same for a connection to be used again: the agent and its
/// rules, the destination, and how connections are made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    rules: u64,
    to: Destination,
    tools: u64,
}

impl Key {
    pub(super) fn new(rules: u64, to: Destination, tools: u64) -> Self {
        Self { rules, to, tools }
    }

    pub(super) fn to(&self) -> &Destination {
        &self.to
    }
}

/// A connection to a server.
#[derive(Debug)]
pub(super) struct Connection {
    to: Destination,
    requests: SendRequest<Full<Bytes>>,
    made: Instant,
}

/// What came of a request.
pub(super) enum Sent {
    /// An answer.
    Answered(http::Response<Incoming>),
    /// The connection was closed before anything was sent.
    Unsent,
    /// It went wrong.
    Failed(Failure),
}

impl Connection {
    pub(super) fn new(to: Destination, requests: SendRequest<Full<Bytes>>) -> Self {
        Self { to, requests, made: Instant::now() }
    }

    pub(super) async fn send(&mut self, request: http::Request<Full<Bytes>>) -> Sent {
        if self.requests.ready().await.is_err() {
            return Sent::Unsent;
        }
        match self.requests.try_send_request(request).await {
            Ok(response) => Sent::Answered(response),
            Err(mut error) => {
                if error.take_message().is_some() {
                    return Sent::Unsent;
                }
                let error = error.into_error();
                let to = self.to.clone();
                Sent::Failed(if error.is_incomplete_message() || error.is_closed() {
                    Failure::Closed(to)
                } else {
                    Failure::Protocol { to, reason: error.to_string() }
                })
            }
        }
    }

    fn is_usable(&self) -> bool {
        !self.requests.is_closed() && self.made.elapsed() < AGE
    }

    /// Waits until it can take another request. The answer before has been read.
    async fn settled(mut self) -> Option<Self> {
        let settled = tokio::time::timeout(Duration::from_millis(500), self.requests.ready()).await;
        matches!(settled, Ok(Ok(()))).then_some(self)
    }
}

/// The connections that wait.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    connections: HashMap<Key, Vec<(Connection, Instant)>>,
    /// Whether somebody looks after them.
    swept: bool,
}

impl Pool {
    /// The connection that has waited for the shortest time.
    pub(super) fn take(&self, key: &Key) -> Option<Connection> {
        let mut waiting = self.waiting();
        let connections = waiting.connections.get_mut(key)?;
        let found = std::iter::from_fn(|| connections.pop())
            .find(|(connection, since)| connection.is_usable() && since.elapsed() < IDLE);
        if connections.is_empty() {
            waiting.connections.remove(key);
        }
        found.map(|(connection, _)| connection)
    }

    /// Keeps a connection whose last answer has been read.
    pub(super) fn keep(self: Arc<Self>, key: Key, connection: Connection) {
        tokio::spawn(async move {
            if let Some(connection) = connection.settled().await {
                self.put(key, connection);
            }
        });
    }

    fn put(self: Arc<Self>, key: Key, connection: Connection) {
        let mut waiting = self.waiting();
        let all: usize = waiting.connections.values().map(Vec::len).sum();
        let connections = waiting.connections.entry(key).or_default();
        if all >= ALL || connections.len() >= PER_KEY || !connection.is_usable() {
            return;
        }
        connections.push((connection, Instant::now()));
        if !std::mem::replace(&mut waiting.swept, true) {
            drop(waiting);
            tokio::spawn(sweep(self));
        }
    }

    /// Closes all of them.
    pub(super) fn clear(&self) {
        let connections = std::mem::take(&mut self.waiting().connections);
        drop(connections);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes what has waited for long enough, until nothing waits any more.
async fn sweep(pool: Arc<Pool>) {
    loop {
        tokio::time::sleep(IDLE).await;
        let mut waiting = pool.waiting();
        waiting.connections.retain(|_, connections| {
            connections.retain(|(connection, since)| connection.is_usable() && since.elapsed() < IDLE);
            !connections.is_empty()
        });
        if waiting.connections.is_empty() {
            waiting.swept = false;
            return;
        }
    }
}

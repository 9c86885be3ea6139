//! Where connections are taken: at the agents' address and the operator's, which
//! a reload may change while connections are open.
//!
//! It does so in two steps, so that an address that cannot be had refuses the
//! whole edit. `prepare` binds what is new and serves nothing on it yet; `commit`
//! begins to take connections there and stops to take them at what it replaces.
//!
//! Two sockets cannot listen on one port where one of their addresses takes what
//! arrives for the other, 127.0.0.1 and 0.0.0.0 say, unless both have
//! SO_REUSEPORT; and with that, any other process of the same user could take a
//! share of the connections. So there, and only there, `prepare` closes the old
//! one before it binds the new one. Whoever connects in between, well below a
//! millisecond, is refused; whoever has connected is served. A `Prepared` that
//! is dropped listens again where it was.
//!
//! A socket that a service manager handed over is used for its address in the
//! place of one of our own. It is never closed, so when the server ends it leaves
//! who connects there to the next process.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::Router;
use futures::future::join_all;
use server_core::{
    settings::{Settings, overlap},
    snapshot::Live,
};
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::Handle,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::connections::{Bounds, Connections};
use crate::supervisor::Inherited;

/// How many connections of operators may be open.
const OPERATORS: usize = 64;

/// How many connections the system keeps until they are accepted.
const BACKLOG: u32 = 1024;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (`{key}`): {error}{}", help(.error))]
pub struct ListenError {
    /// The key that says so.
    pub key: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub error: io::Error,
}

/// What to do about it, where that can be told.
fn help(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program listens there, maybe another server of this kind: `ss -ltnp` names it"
        }
        io::ErrorKind::AddrNotAvailable => {
            "; this machine has no such address: `ip address` lists those it has, and 0.0.0.0 is all of them"
        }
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need the capability CAP_NET_BIND_SERVICE, or a proxy in front"
        }
        _ => "",
    }
}

/// The listeners and everything that came in by them. A clone is the same ones.
#[derive(Clone)]
pub struct Listeners {
    agents: Arc<Side>,
    operators: Arc<Side>,
    inherited: Inherited,
    /// Listeners may have to be opened from where there is no runtime.
    runtime: Handle,
}

/// One key, and what listens because of it.
struct Side {
    key: &'static str,
    /// What is logged when it begins and when it ends.
    messages: [&'static str; 2],
    connections: Connections,
    open: Mutex<Option<Open>>,
}

#[derive(Clone)]
struct Open {
    /// As the configuration has it, where port 0 stands for any.
    asked: SocketAddr,
    bound: SocketAddr,
    stop: CancellationToken,
    closed: CancellationToken,
}

/// What is bound and not served yet.
#[must_use]
pub struct Prepared {
    moves: Vec<Move>,
    inherited: Inherited,
    runtime: Handle,
}

/// What becomes of a side whose setting changed.
struct Move {
    side: Arc<Side>,
    was: Option<Open>,
    asked: Option<SocketAddr>,
    /// The new listener, once there is one.
    listener: Option<TcpListener>,
    /// The old one is closed, to make room for it.
    gave_way: bool,
}

impl Listeners {
    /// None yet. What comes in for agents and operators will be served by these,
    /// within the bounds of the snapshot in force.
    ///
    /// # Panics
    ///
    /// Outside of the runtime that is to serve.
    #[must_use]
    pub fn new(live: Arc<Live>, agents: Router, operators: Router, inherited: Inherited) -> Self {
        let side = |key, messages, connections| {
            Arc::new(Side { key, messages, connections, open: Mutex::default() })
        };
        let its_agents = {
            let live = live.clone();
            move |peer| agents_bounds(&live, peer)
        };
        let its_operators = move |peer| Bounds {
            most: OPERATORS,
            strangers_per_address: OPERATORS,
            ..agents_bounds(&live, peer)
        };
        Self {
            agents: side(
                "server.listen",
                ["listening", "no longer listening"],
                Connections::new(agents, its_agents),
            ),
            operators: side(
                "admin.listen",
                ["admin listening", "admin no longer listening"],
                Connections::new(operators, its_operators),
            ),
            inherited,
            runtime: Handle::current(),
        }
    }

    /// Binds what these settings ask for and nobody listens on yet. One at a time:
    /// the next one comes after this one's `commit` or drop.
    ///
    /// # Errors
    ///
    /// The first address that cannot be listened on. Everything is as before then.
    pub async fn prepare(&self, settings: &Settings) -> Result<Prepared, ListenError> {
        let (moves, inherited) = (self.moves(settings), self.inherited.clone());
        let mut prepared = Prepared { moves, inherited, runtime: self.runtime.clone() };
        prepared.bind().await?;
        Ok(prepared)
    }

    /// Whether that could be done, as far as can be told without closing anything.
    ///
    /// # Errors
    ///
    /// The first address that cannot be listened on.
    pub fn check(&self, settings: &Settings) -> Result<(), ListenError> {
        let moves = self.moves(settings);
        for (key, address) in moves.iter().filter_map(Move::wanted) {
            if let Err(error) = bind(&self.inherited, address)
                && !(in_use(&error) && moves.iter().any(|it| it.stands_in_the_way_of(address)))
            {
                return Err(ListenError { key, address, error });
            }
        }
        Ok(())
    }

    fn moves(&self, settings: &Settings) -> Vec<Move> {
        let asked = [
            (&self.agents, Some(settings.server.listen)),
            (&self.operators, settings.admin.as_ref().map(|admin| admin.listen)),
        ];
        asked.into_iter().filter_map(|(side, asked)| side.moved_to(asked)).collect()
    }

    /// The keys and the addresses that are listened on now.
    #[must_use]
    pub fn addresses(&self) -> Vec<(&'static str, SocketAddr)> {
        let bound = |side: &Arc<Side>| Some((side.key, side.open().as_ref()?.bound));
        [&self.agents, &self.operators].into_iter().filter_map(bound).collect()
    }

    /// Takes no more connections at addresses that the next process will have too,
    /// and answers, within `grace`, what was asked on those that are open.
    pub(super) async fn hand_over(&self, grace: Duration) {
        let handed = |side: &&Arc<Side>| {
            side.open().as_ref().is_some_and(|open| self.inherited.at(open.bound).is_some())
        };
        let sides = [&self.agents, &self.operators].into_iter().filter(handed);
        join_all(sides.map(|side| side.connections.hand_over(grace))).await;
    }

    /// Says which sockets were handed over in vain.
    pub fn warn_of_unused(&self) {
        let used: Vec<_> = self.addresses().into_iter().map(|(_, address)| address).collect();
        self.inherited.warn_of_unused(&used);
    }

    /// Stops to listen, lets responses leave, and cuts what is open after that.
    pub(super) async fn end(&self) {
        tokio::join!(self.agents.connections.end(), self.operators.connections.end());
    }
}

impl Prepared {
    async fn bind(&mut self) -> Result<(), ListenError> {
        let wanted: Vec<_> = self.moves.iter().filter_map(Move::wanted).collect();
        for (key, address) in wanted {
            let listener = match bind(&self.inherited, address) {
                Err(error) if in_use(&error) && self.make_room(address).await => {
                    bind(&self.inherited, address)
                }
                bound => bound,
            };
            let listener = listener.map_err(|error| ListenError { key, address, error })?;
            if let Some(it) = self.moves.iter_mut().find(|it| it.side.key == key) {
                it.listener = Some(listener);
            }
        }
        Ok(())
    }

    /// Closes those of our own that are to go anyway and stand in the way. Whether
    /// there are any.
    async fn make_room(&mut self, address: SocketAddr) -> bool {
        let mut some = false;
        for it in self.moves.iter_mut().filter(|it| it.stands_in_the_way_of(address)) {
            let Some(was) = &it.was else { continue };
            was.stop.cancel();
            was.closed.cancelled().await;
            it.gave_way = true;
            some = true;
        }
        some
    }

    /// Takes connections at the new addresses, and no more at the old ones.
    pub fn commit(mut self) {
        let _runtime = self.runtime.enter();
        for it in std::mem::take(&mut self.moves) {
            let [begins, ends] = it.side.messages;
            match (it.asked, it.listener) {
                (Some(asked), Some(listener)) => {
                    if let Some(bound) = it.side.listen(asked, listener) {
                        let version = env!("CARGO_PKG_VERSION");
                        info!(target: "server", address = %bound, version, "{begins}");
                    }
                }
                // It listens there already, under another name: port 0.
                (Some(asked), None) => {
                    if let Some(open) = it.side.open().as_mut() {
                        open.asked = asked;
                    }
                    continue;
                }
                (None, _) => *it.side.open() = None,
            }
            if let Some(was) = it.was {
                was.stop.cancel();
                info!(target: "server", address = %was.bound, "{ends}");
            }
        }
    }
}

/// Closes what it bound, and listens again where it made room.
impl Drop for Prepared {
    fn drop(&mut self) {
        let _runtime = self.runtime.enter();
        for it in &mut self.moves {
            it.listener = None;
        }
        for it in self.moves.iter().filter(|it| it.gave_way) {
            let Some(was) = &it.was else { continue };
            match bind(&self.inherited, was.bound) {
                Ok(listener) => {
                    it.side.listen(was.asked, listener);
                }
                // Somebody was faster. The next edit finds that nobody listens.
                Err(error) => {
                    *it.side.open() = None;
                    error!(target: "server", address = %was.bound, %error, "can no longer listen; change `{}`, or free the address and touch the configuration", it.side.key);
                }
            }
        }
    }
}

impl Move {
    /// The key, and the address that is to be bound for it.
    fn wanted(&self) -> Option<(&'static str, SocketAddr)> {
        let stays = |asked| self.was.as_ref().is_some_and(|was| was.bound == asked);
        let asked = self.asked.filter(|asked| !stays(*asked))?;
        Some((self.side.key, asked))
    }

    fn stands_in_the_way_of(&self, address: SocketAddr) -> bool {
        let goes = self.asked.is_none() || self.wanted().is_some();
        goes && !self.gave_way && self.was.as_ref().is_some_and(|was| overlap(was.bound, address))
    }
}

impl Side {
    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing if it stays where it is.
    fn moved_to(self: &Arc<Self>, asked: Option<SocketAddr>) -> Option<Move> {
        let was = self.open().clone();
        let changed = was.as_ref().map(|was| was.asked) != asked;
        changed.then(|| Move { side: self.clone(), was, asked, listener: None, gave_way: false })
    }

    /// Takes connections, from now on here. The answer is the real address.
    fn listen(&self, asked: SocketAddr, listener: TcpListener) -> Option<SocketAddr> {
        let bound = listener.local_addr().ok()?;
        let stop = CancellationToken::new();
        let closed = self.connections.accept(listener, stop.clone());
        *self.open() = Some(Open { asked, bound, stop, closed });
        Some(bound)
    }
}

/// Behind a proxy that is trusted are many, and none of them is at its address.
fn agents_bounds(live: &Live, peer: IpAddr) -> Bounds {
    let server = &live.load().settings.server;
    let load = server.load;
    let size = |most: u32| usize::try_from(most).unwrap_or(usize::MAX);
    let per_address =
        if server.trusts(peer) { load.max_connections } else { load.max_connections_per_address };
    Bounds {
        most: size(load.max_connections),
        strangers_per_address: size(per_address),
        patience: load.client_timeout,
    }
}

fn in_use(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

/// With room for the connections of a whole fleet that comes back at once.
fn bind(inherited: &Inherited, address: SocketAddr) -> io::Result<TcpListener> {
    if let Some(listener) = inherited.at(address) {
        return TcpListener::from_std(listener?);
    }
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Or the connections of a server that has just ended would keep its address.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

//! What a service manager such as systemd hands over, and what it is told: the
//! sockets that it listens on for the server, and how the server is.
//!
//! A socket of the manager's outlives the server, so that a new version of it
//! refuses nobody: whoever connects while one process ends and the next begins
//! waits for a moment.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::time;
use tracing::warn;

/// The sockets that were handed over. A clone is the same ones.
#[derive(Clone, Debug, Default)]
pub struct Inherited(Arc<[TcpListener]>);

impl Inherited {
    /// Those of this process (`LISTEN_FDS`). To be called once: whatever has these
    /// numbers later is something else.
    ///
    /// # Errors
    ///
    /// One of them is no TCP socket that is listened on.
    pub fn of_this_process() -> io::Result<Self> {
        let mut handed = ListenFd::from_env();
        let listeners = (0..handed.len()).map(|index| {
            let listener = handed.take_tcp_listener(index)?;
            listener.ok_or_else(|| io::Error::other(format!("socket {index} was handed over twice")))
        });
        listeners.collect::<io::Result<Vec<_>>>().map(|listeners| Self(listeners.into()))
    }

    /// The one for an address, ready for use by a runtime. The manager's own stays
    /// open.
    pub(crate) fn at(&self, address: SocketAddr) -> Option<io::Result<TcpListener>> {
        let listener = self.0.iter().find(|it| it.local_addr().is_ok_and(|own| stands_for(own, address)))?;
        let clone = listener.try_clone();
        Some(clone.and_then(|listener| listener.set_nonblocking(true).map(|()| listener)))
    }

    /// Says which ones nobody asks for: who connects there waits for ever.
    pub(crate) fn warn_of_unused(&self, used: &[SocketAddr]) {
        let addresses = self.0.iter().filter_map(|listener| listener.local_addr().ok());
        for address in addresses.filter(|own| !used.contains(own)) {
            let help = "write the same address in the socket unit and in `server.listen` or `admin.listen`";
            warn!(target: "server", %address, help, "a socket was handed over that nothing is to listen on");
        }
    }
}

/// Whether a socket takes what is meant for an address: the same one, or all of the
/// machine, which systemd writes as IPv6's.
fn stands_for(own: SocketAddr, asked: SocketAddr) -> bool {
    let all = own.ip().is_unspecified() && asked.ip().is_unspecified() && own.is_ipv6();
    own == asked || (all && own.port() == asked.port())
}

/// Tells the manager that the server can take calls.
pub(crate) fn ready(generation: u64) {
    tell(&[NotifyState::Ready, NotifyState::Status(&status(generation))]);
}

/// Tells it which configuration is in force.
pub(crate) fn in_force(generation: u64) {
    tell(&[NotifyState::Status(&status(generation))]);
}

/// Tells it that the server is about to end.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping: open calls may finish")]);
}

fn status(generation: u64) -> String {
    format!("generation {generation} is in force")
}

/// Keeps telling it that the server lives, if it wants to know.
pub(crate) async fn watchdog() {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = time::interval((patience / 3).max(Duration::from_millis(1)));
    loop {
        ticks.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

/// Without a manager, nobody listens; and one that does not is no reason to stop.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(target: "server", %error, "the service manager cannot be told how the server is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_serves_the_address_that_it_is_bound_to() {
        for (own, asked, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "0.0.0.0:80", false),
            ("[::]:80", "0.0.0.0:80", true),
            ("[::]:80", "127.0.0.1:80", false),
            ("0.0.0.0:80", "[::]:80", false),
        ] {
            assert_eq!(stands_for(own.parse().unwrap(), asked.parse().unwrap()), expected, "{own} {asked}");
        }
    }

    #[test]
    fn what_is_taken_listens_while_the_manager_s_own_stays() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let inherited = Inherited(vec![listener].into());
        drop(inherited.at(address).unwrap().unwrap());
        assert!(std::net::TcpStream::connect(address).is_ok());
        assert!(inherited.at("127.0.0.1:1".parse().unwrap()).is_none());
    }
}

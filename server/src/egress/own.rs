//! The server's own addresses, which no request may go to.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{Arc, OnceLock},
};

/// Says where the server listens at the moment.
type Addresses = Box<dyn Fn() -> Vec<SocketAddr> + Send + Sync>;

/// Where the server itself listens, once it does.
#[derive(Clone, Default)]
pub struct OwnAddresses(Arc<OnceLock<Addresses>>);

impl OwnAddresses {
    /// Takes in who knows. Counts once.
    pub fn set(&self, addresses: impl Fn() -> Vec<SocketAddr> + Send + Sync + 'static) {
        let _ = self.0.set(Box::new(addresses));
    }

    /// Whether a connection to that address would be one to the server itself.
    pub(super) fn are_at(&self, address: SocketAddr) -> bool {
        let own = self.0.get().map(|addresses| addresses()).unwrap_or_default();
        own.iter().filter(|own| own.port() == address.port()).any(|own| takes(own.ip(), address.ip()))
    }
}

impl fmt::Debug for OwnAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnAddresses")
    }
}

/// Whether what listens at `own` gets what is sent to `address`.
fn takes(own: IpAddr, address: IpAddr) -> bool {
    let (own, address) = (own.to_canonical(), address.to_canonical());
    // To connect to no address in particular is to connect to this machine.
    own == address || address.is_unspecified() || (own.is_unspecified() && is_of_this_machine(address))
}

/// Asks the kernel from which address it would send there: from the same one, if
/// it is this machine's. Nothing is sent.
fn is_of_this_machine(address: IpAddr) -> bool {
    let any: SocketAddr = match address {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let from = UdpSocket::bind(any).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    match from {
        Ok(from) => address.is_loopback() || from.ip() == address,
        // There is no way there at all, so it is not here.
        Err(_) => address.is_loopback(),
    }
}

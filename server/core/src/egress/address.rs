//! What an address is, whoever's name leads to it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What kind of address it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Anybody's, on the internet.
    Public,
    /// This machine's own.
    Loopback,
    /// A local network's, or a provider's.
    Private,
    /// The link's own.
    LinkLocal,
    /// None that one host is at: multicast, documentation, future use.
    Reserved,
    /// One that stands for another one, in a network that translates.
    Translated,
    /// Where a cloud's machines get their credentials. Never to be reached.
    Metadata,
}

impl Class {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::Reserved => "reserved",
            Self::Translated => "translated",
            Self::Metadata => "metadata",
        }
    }
}

/// AWS (its machines, containers and pods), Azure and GCP by their link-local
/// addresses, Alibaba, Azure's own, and Oracle's older one.
const METADATA_V4: [Ipv4Addr; 6] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// AWS (its machines and pods) and GCP.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// IANA's special-purpose registries, but for what is public all the same.
const SPECIAL_V4: [(Ipv4Net, Class); 18] = {
    const fn net(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
        Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
    }
    [
        (net(0, 0, 0, 0, 8), Class::Loopback),
        (net(10, 0, 0, 0, 8), Class::Private),
        (net(100, 64, 0, 0, 10), Class::Private),
        (net(127, 0, 0, 0, 8), Class::Loopback),
        (net(169, 254, 0, 0, 16), Class::LinkLocal),
        (net(172, 16, 0, 0, 12), Class::Private),
        (net(192, 0, 0, 0, 24), Class::Reserved),
        (net(192, 0, 2, 0, 24), Class::Reserved),
        (net(192, 31, 196, 0, 24), Class::Reserved),
        (net(192, 52, 193, 0, 24), Class::Reserved),
        (net(192, 88, 99, 0, 24), Class::Translated),
        (net(192, 168, 0, 0, 16), Class::Private),
        (net(192, 175, 48, 0, 24), Class::Reserved),
        (net(198, 18, 0, 0, 15), Class::Private),
        (net(198, 51, 100, 0, 24), Class::Reserved),
        (net(203, 0, 113, 0, 24), Class::Reserved),
        (net(224, 0, 0, 0, 4), Class::Reserved),
        (net(240, 0, 0, 0, 4), Class::Reserved),
    ]
};

const SPECIAL_V6: [(Ipv6Net, Class); 17] = {
    const fn net(segments: [u16; 8], prefix: u8) -> Ipv6Net {
        let [a, b, c, d, e, f, g, h] = segments;
        Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
    }
    [
        (net([0, 0, 0, 0, 0, 0, 0, 1], 128), Class::Loopback),
        (net([0, 0, 0, 0, 0, 0, 0, 0], 128), Class::Loopback),
        (net([0, 0, 0, 0, 0, 0, 0, 0], 96), Class::Translated),
        (net([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), Class::Translated),
        (net([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), Class::Translated),
        (net([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), Class::Translated),
        (net([0x100, 0, 0, 0, 0, 0, 0, 0], 63), Class::Reserved),
        (net([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), Class::Translated),
        (net([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), Class::Reserved),
        (net([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), Class::Reserved),
        (net([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), Class::Translated),
        (net([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48), Class::Reserved),
        (net([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), Class::Reserved),
        (net([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), Class::Reserved),
        (net([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), Class::Private),
        (net([0xfe80, 0, 0, 0, 0, 0, 0, 0], 9), Class::LinkLocal),
        (net([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), Class::Reserved),
    ]
};

/// What kind of address it is. An IPv4 address that is written as an IPv6 one is
/// what it is as itself.
#[must_use]
pub fn classify(address: IpAddr) -> Class {
    match address.to_canonical() {
        IpAddr::V4(v4) if METADATA_V4.contains(&v4) => Class::Metadata,
        IpAddr::V4(v4) => SPECIAL_V4.iter().find(|(net, _)| net.contains(&v4)).map_or(Class::Public, of),
        IpAddr::V6(v6) if METADATA_V6.contains(&v6) => Class::Metadata,
        IpAddr::V6(v6) => SPECIAL_V6.iter().find(|(net, _)| net.contains(&v6)).map_or(Class::Public, of),
    }
}

fn of<N>((_, class): &(N, Class)) -> Class {
    *class
}

/// The address, and the one that a translating network would make of it.
pub(super) fn meanings(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let address = address.to_canonical();
    let inner = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => embedded(v6).map(IpAddr::V4),
    };
    [Some(address), inner].into_iter().flatten()
}

/// The IPv4 address inside of an IPv6 one: IPv4-compatible and -translated, NAT64,
/// 6to4 and Teredo.
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let joined = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0) if (g, h) != (0, 0) && (g, h) != (0, 1) => Some(joined(g, h)),
        (0, 0, 0, 0, 0xffff, 0) | (0x64, 0xff9b, 0, 0, 0, 0) | (0x64, 0xff9b, 1, ..) => Some(joined(g, h)),
        (0x2002, ..) => Some(joined(b, c)),
        (0x2001, 0, ..) => Some(joined(!g, !h)),
        _ => None,
    }
}

/// Whether a network is larger than any that somebody would mean.
pub(super) fn is_wide(net: IpNet) -> bool {
    match net {
        IpNet::V4(net) => net.prefix_len() < 8,
        IpNet::V6(net) => net.prefix_len() < 16 && !net.addr().is_unique_local(),
    }
}

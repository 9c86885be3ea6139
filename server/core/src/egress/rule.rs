//! One rule: `[scheme://]host-or-network[:port]`.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;

use super::{
    Class, Destination, Host, HostName, InvalidHost,
    address::{classify, is_wide},
};

/// How a request goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Under TLS.
    Https,
}

impl Scheme {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Https, Self::Http];

    /// The name used in URLs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A rule. As one that allows, it is about one port: 443 unless it says so, or 80
/// where it says `http://`. As one that denies, it is about every port unless it
/// names one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    scheme: Option<Scheme>,
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Hosts {
    /// One, by name.
    Name(HostName),
    /// All below a domain: `*.example.com`.
    Below(HostName),
    /// Those whose address is in a network.
    Network(IpNet),
}

/// Text that is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// Nothing there.
    #[error("a rule cannot be empty: write a host, as in `api.example.com:443`")]
    Empty,
    /// Neither http nor https.
    #[error("`{0}` has a scheme other than `http` and `https`")]
    Scheme(String),
    /// It goes on after the port.
    #[error("`{0}` has a path or a user name: a rule is `[scheme://]host[:port]`")]
    MoreThanHost(String),
    /// No port.
    #[error("`{0}` has no port from 1 to 65535 after `:`")]
    Port(String),
    /// An IPv6 address that might end in a port.
    #[error("`{0}` needs brackets around its IPv6 address, as in `[fd00::1]:443`")]
    Brackets(String),
    /// No network.
    #[error("`{0}` is no network: write an address and the length of its prefix, as in `10.0.0.0/8`")]
    Network(String),
    /// A network that is not named by its first address.
    #[error("`{0}` is no network: it would be `{1}`")]
    NotFirst(String, String),
    /// Everything.
    #[error("`{0}` would be every host: name those that are meant, as in `*.example.com`")]
    Everything(String),
    /// A `*` that is not the whole first part.
    #[error("`{0}` has a `*` where it cannot stand: only `*.` at the beginning, as in `*.example.com`")]
    Star(String),
    /// Half of the internet.
    #[error("`{0}` would be the domains of all who registered one below `{1}`: name theirs")]
    PublicSuffix(String, String),
    /// Where a cloud's machines get their credentials.
    #[error("`{0}` is the address of a cloud's metadata service, which is never reached")]
    Metadata(String),
    /// A name that is none, or is spelt otherwise.
    #[error(transparent)]
    Host(#[from] InvalidHost),
}

/// Top-level domains of one's own: nobody can register below them.
const OWN_TOP_LEVEL: [&str; 11] = [
    "corp",
    "home",
    "home.arpa",
    "internal",
    "intranet",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "private",
    "test",
];

impl Rule {
    /// Whether it allows to go there.
    #[must_use]
    pub fn allows(&self, to: &Destination) -> bool {
        self.has_scheme(to.scheme) && self.allowed_port() == to.port && self.names(&to.host)
    }

    /// Whether it denies to go there.
    #[must_use]
    pub fn denies(&self, to: &Destination) -> bool {
        self.has_scheme(to.scheme)
            && self.port.is_none_or(|port| port == to.port)
            && match (&self.hosts, &to.host) {
                // Whoever bars a domain does not mean to leave a way around it.
                (Hosts::Below(domain), Host::Name(name)) => name.is_below(domain),
                (_, host) => self.names(host),
            }
    }

    /// Whether it denies an address that a name leads to.
    #[must_use]
    pub fn denies_address(&self, address: IpAddr, to: &Destination) -> bool {
        self.has_scheme(to.scheme) && self.port.is_none_or(|port| port == to.port) && self.contains(address)
    }

    /// Whether it is about that host, at whichever port.
    #[must_use]
    pub fn names(&self, host: &Host) -> bool {
        match (&self.hosts, host) {
            (Hosts::Name(mine), Host::Name(name)) => mine == name,
            (Hosts::Below(domain), Host::Name(name)) => name.is_below(domain),
            (Hosts::Network(_), Host::Address(address)) => self.contains(*address),
            _ => false,
        }
    }

    /// Whether it names an address that a request goes to, and so lifts for it what
    /// speaks against addresses that are not public.
    #[must_use]
    pub fn lifts(&self, address: IpAddr, to: &Destination) -> bool {
        self.has_scheme(to.scheme) && self.allowed_port() == to.port && self.contains(address)
    }

    /// Whether everything that `other` allows, this one does.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        let scheme = self.scheme.is_none() || self.scheme == other.scheme;
        let hosts = match (&self.hosts, &other.hosts) {
            (Hosts::Name(mine), Hosts::Name(theirs)) => mine == theirs,
            (Hosts::Below(domain), Hosts::Name(name)) => name.is_below(domain),
            (Hosts::Below(mine), Hosts::Below(theirs)) => mine == theirs || theirs.is_below(mine),
            (Hosts::Network(mine), Hosts::Network(theirs)) => mine.contains(theirs),
            _ => false,
        };
        scheme && hosts && self.allowed_port() == other.allowed_port()
    }

    /// The one port that it allows.
    #[must_use]
    pub fn allowed_port(&self) -> u16 {
        self.port.unwrap_or(if self.scheme == Some(Scheme::Http) { 80 } else { 443 })
    }

    /// Whether it says that it means http, in the clear.
    #[must_use]
    pub fn is_in_the_clear(&self) -> bool {
        self.scheme == Some(Scheme::Http)
    }

    /// Whether it is about a network larger than any that somebody would mean, such
    /// as `0.0.0.0/0`.
    #[must_use]
    pub fn is_wide(&self) -> bool {
        matches!(self.hosts, Hosts::Network(net) if is_wide(net))
    }

    /// Whether it allows that scheme.
    #[must_use]
    pub fn has_scheme(&self, scheme: Scheme) -> bool {
        self.scheme.is_none_or(|mine| mine == scheme)
    }

    fn contains(&self, address: IpAddr) -> bool {
        matches!(self.hosts, Hosts::Network(net) if net.contains(&address.to_canonical()))
    }
}

impl FromStr for Rule {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let of = |kind: fn(String) -> InvalidRule| kind(text.to_owned());
        let (scheme, rest) = match text.split_once("://") {
            None => (None, text),
            Some((scheme, rest)) => {
                let known = Scheme::ALL.into_iter().find(|known| known.as_str() == scheme);
                (Some(known.ok_or_else(|| of(InvalidRule::Scheme))?), rest)
            }
        };
        if rest.is_empty() {
            return Err(InvalidRule::Empty);
        }
        if rest.contains(['@', '?', '#', '\\']) || rest.contains(char::is_whitespace) {
            return Err(of(InvalidRule::MoreThanHost));
        }
        let (hosts, port) = split(rest).ok_or_else(|| of(InvalidRule::Brackets))?;
        let port = match port {
            None => None,
            Some(port) => Some(parse_port(port).ok_or_else(|| of(InvalidRule::Port))?),
        };
        Ok(Self { scheme, hosts: Hosts::parse(text, hosts)?, port })
    }
}

/// Host and port; `None` where it is not clear which is which.
fn split(rest: &str) -> Option<(&str, Option<&str>)> {
    if let Some(inner) = rest.strip_prefix('[') {
        let (host, port) = inner.split_once(']')?;
        return match port {
            "" => Some((host, None)),
            port => Some((host, Some(port.strip_prefix(':')?))),
        };
    }
    match rest.split_once(':') {
        None => Some((rest, None)),
        Some((_, port)) if port.contains(':') => None,
        Some((host, port)) => Some((host, Some(port))),
    }
}

fn parse_port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|port| *port != 0)
}

impl Hosts {
    fn parse(rule: &str, hosts: &str) -> Result<Self, InvalidRule> {
        let rule = || rule.to_owned();
        if hosts.contains('/') {
            let looks_like_one = hosts.split('/').next().is_some_and(|first| first.parse::<IpAddr>().is_ok());
            let net = hosts.parse::<IpNet>();
            return match net {
                Ok(net) if net != net.trunc() => Err(InvalidRule::NotFirst(rule(), net.trunc().to_string())),
                Ok(net) => Self::network(rule(), net),
                Err(_) if looks_like_one => Err(InvalidRule::Network(rule())),
                Err(_) => Err(InvalidRule::MoreThanHost(rule())),
            };
        }
        if let Ok(address) = hosts.parse::<IpAddr>() {
            return Self::network(rule(), IpNet::from(address));
        }
        if matches!(hosts, "*" | "*.") {
            return Err(InvalidRule::Everything(rule()));
        }
        let Some(domain) = hosts.strip_prefix("*.") else {
            let star = hosts.contains('*');
            return if star { Err(InvalidRule::Star(rule())) } else { Ok(Self::Name(hosts.parse()?)) };
        };
        if domain.contains('*') {
            return Err(InvalidRule::Star(rule()));
        }
        let domain: HostName = domain.parse()?;
        if is_public_suffix(&domain) {
            return Err(InvalidRule::PublicSuffix(rule(), domain.to_string()));
        }
        Ok(Self::Below(domain))
    }

    fn network(rule: String, net: IpNet) -> Result<Self, InvalidRule> {
        // An IPv4 network written as an IPv6 one would never be compared.
        if let IpNet::V6(v6) = net
            && v6.addr().to_ipv4_mapped().is_some()
        {
            return Err(InvalidRule::NotFirst(rule, v6.addr().to_canonical().to_string()));
        }
        if net.prefix_len() == net.max_prefix_len() && classify(net.addr()) == Class::Metadata {
            return Err(InvalidRule::Metadata(rule));
        }
        Ok(Self::Network(net))
    }
}

fn is_public_suffix(domain: &HostName) -> bool {
    !OWN_TOP_LEVEL.contains(&domain.as_str())
        && psl::suffix(domain.as_str().as_bytes()).is_some_and(|suffix| suffix == domain.as_str().as_bytes())
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = self.scheme {
            write!(f, "{scheme}://")?;
        }
        match &self.hosts {
            Hosts::Name(name) => name.fmt(f)?,
            Hosts::Below(domain) => write!(f, "*.{domain}")?,
            Hosts::Network(IpNet::V4(net)) if net.prefix_len() == 32 => net.addr().fmt(f)?,
            Hosts::Network(IpNet::V4(net)) => net.fmt(f)?,
            Hosts::Network(IpNet::V6(net)) if net.prefix_len() == 128 => write!(f, "[{}]", net.addr())?,
            Hosts::Network(IpNet::V6(net)) => write!(f, "[{net}]")?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

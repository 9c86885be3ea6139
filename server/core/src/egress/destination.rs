//! Where a request wants to go, by its URL.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use url::Url;

use super::{HostName, Scheme};

/// The longest URL.
const MAX_URL: usize = 8192;

/// Scheme, host and port: what rules speak of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    /// How.
    pub scheme: Scheme,
    /// To whom.
    pub host: Host,
    /// At which port.
    pub port: u16,
}

/// A host, by name or by address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// By name, which has yet to be looked up.
    Name(HostName),
    /// By address; an IPv4 one is never written as an IPv6 one here.
    Address(IpAddr),
}

/// A URL that means what it looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    url: Url,
    destination: Destination,
}

/// A URL that is not requested, whatever the rules. None of these says what was
/// in it: it may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// It is no URL at all.
    #[error("the URL cannot be read")]
    Unreadable,
    /// It is too long.
    #[error("the URL has more than 8192 bytes")]
    TooLong,
    /// It is neither http nor https, or does not say `//` after that.
    #[error("the URL must begin with `https://` or `http://`")]
    Scheme,
    /// Programs differ about what it means.
    #[error("the URL holds a backslash, a space or a control character")]
    Ambiguous,
    /// Credentials are attached by the server.
    #[error("the URL holds a user name or a password")]
    Credentials,
    /// Its host is not spelt as it would be compared.
    #[error("the URL's host must be in its normal form: ASCII, without `%`, an address in its usual form")]
    Host,
    /// No server is there.
    #[error("the URL's port is 0")]
    Port,
}

impl Target {
    /// Reads a URL, and refuses what two programs might read differently.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        if text.len() > MAX_URL {
            return Err(InvalidUrl::TooLong);
        }
        if text.contains(|c: char| c == '\\' || c.is_whitespace() || c.is_control()) {
            return Err(InvalidUrl::Ambiguous);
        }
        let (scheme, rest) = text.split_once("://").ok_or(InvalidUrl::Scheme)?;
        let scheme = Scheme::ALL.into_iter().find(|it| scheme.eq_ignore_ascii_case(it.as_str()));
        let scheme = scheme.ok_or(InvalidUrl::Scheme)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(InvalidUrl::Credentials);
        }
        if authority.is_empty() || !authority.is_ascii() || authority.contains('%') {
            return Err(InvalidUrl::Host);
        }
        let mut url = Url::parse(text).map_err(|_| InvalidUrl::Unreadable)?;
        url.set_fragment(None);
        let host = Host::of(&url, authority)?;
        let port = url.port_or_known_default().filter(|port| *port != 0).ok_or(InvalidUrl::Port)?;
        Ok(Self { url, destination: Destination { scheme, host, port } })
    }

    /// Where a redirect from here leads, by what the server wrote.
    pub fn redirect(&self, location: &str) -> Result<Self, InvalidUrl> {
        if location.contains(|c: char| c == '\\' || c.is_whitespace() || c.is_control()) {
            return Err(InvalidUrl::Ambiguous);
        }
        if location.starts_with("//") {
            return Self::parse(&format!("{}:{location}", self.destination.scheme));
        }
        // A scheme, then: what it names is checked as it was written.
        let head = location.split(['/', '?', '#']).next().unwrap_or_default();
        if head.contains(':') {
            return Self::parse(location);
        }
        let joined = self.url.join(location).map_err(|_| InvalidUrl::Unreadable)?;
        Self::parse(joined.as_str())
    }

    /// Where to.
    #[must_use]
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// The whole, without its fragment.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Path and query, as a request asks for them.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        &self.url[url::Position::BeforePath..]
    }
}

impl Host {
    /// The URL's host, if it is spelt as it is compared: `0x7f.1` is refused, also
    /// where a rule allows 127.0.0.1.
    fn of(url: &Url, authority: &str) -> Result<Self, InvalidUrl> {
        let written = authority.rsplit_once(':').map_or(authority, |(host, port)| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { authority }
        });
        match url.host().ok_or(InvalidUrl::Host)? {
            url::Host::Ipv4(v4) if v4.to_string() == written => Ok(Self::Address(v4.into())),
            url::Host::Ipv4(_) => Err(InvalidUrl::Host),
            url::Host::Ipv6(v6) => Ok(Self::Address(IpAddr::from(v6).to_canonical())),
            url::Host::Domain(name) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                let written = written.strip_suffix('.').unwrap_or(written);
                if !written.eq_ignore_ascii_case(name) {
                    return Err(InvalidUrl::Host);
                }
                name.parse().map(Self::Name).map_err(|_| InvalidUrl::Host)
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Address(IpAddr::V4(v4)) => v4.fmt(f),
            Self::Address(IpAddr::V6(v6)) => write!(f, "[{v6}]"),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl From<SocketAddr> for Host {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address.ip().to_canonical())
    }
}

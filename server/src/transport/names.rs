//! Under which names the server may be reached, and by which web pages: a page
//! from elsewhere must not get at it through a victim's browser, not even with
//! a name that it makes point here (DNS rebinding).

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
};

use http::{
    HeaderMap, HeaderValue, Uri,
    header::{HOST, ORIGIN},
    uri::Authority,
};
use server_core::settings::ServerSettings;
use url::Url;

use super::refusal::Refusal;

/// The ends of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire {
    /// Who connected.
    pub(crate) peer: SocketAddr,
    /// Where the connection arrived.
    pub(crate) local: SocketAddr,
    /// What the listener by which it came in listens on, the same as long as it is
    /// open.
    pub(crate) listener: SocketAddr,
}

/// May a request that names these hosts be answered?
pub(crate) fn host(
    uri: &Uri,
    headers: &HeaderMap,
    settings: &ServerSettings,
    wire: Wire,
) -> Result<(), Refusal> {
    let mut values = headers.get_all(HOST).iter();
    let (header, more) = (values.next(), values.next());
    // A target with an authority is what a proxy is sent; both must be right then.
    let mut named = uri.authority().map(Authority::as_str).into_iter().chain(header.map(text)).peekable();
    if more.is_some() || named.peek().is_none() {
        return Err(Refusal::NoHost);
    }
    for name in named {
        let host = Host::parse(name).ok_or(Refusal::NoHost)?;
        if !host.allowed(settings, wire) {
            return Err(Refusal::Host(quoted(&host.name)));
        }
    }
    Ok(())
}

/// May a page of this origin send requests? What is no browser sends none.
pub(crate) fn origin(headers: &HeaderMap, settings: &ServerSettings, wire: Wire) -> Result<(), Refusal> {
    for value in headers.get_all(ORIGIN) {
        let origin = text(value);
        if !origin_allowed(origin, settings, wire) {
            return Err(Refusal::Origin(quoted(origin)));
        }
    }
    Ok(())
}

/// What is not ASCII is no name and equals nothing that is configured.
fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or("?")
}

/// As much of a name as an answer gives back.
fn quoted(name: &str) -> String {
    name.chars().take(255).collect()
}

struct Host<'a> {
    name: Cow<'a, str>,
    port: Option<u16>,
}

impl<'a> Host<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let authority: Authority = text.parse().ok().filter(|_| !text.contains('@'))?;
        let name = text.get(..authority.host().len())?;
        let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let name = name.strip_suffix('.').unwrap_or(name);
        let name = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            name.to_ascii_lowercase().into()
        } else {
            name.into()
        };
        Some(Self { name, port: authority.port_u16() })
    }

    fn allowed(&self, settings: &ServerSettings, wire: Wire) -> bool {
        // An address cannot be made to point elsewhere, so the one that the
        // connection came in on goes without saying.
        let own =
            |ip: IpAddr| [wire.local.ip(), wire.listener.ip()].iter().any(|own| own.to_canonical() == ip);
        is_loopback(&self.name)
            || self.name.parse().is_ok_and(|ip: IpAddr| own(ip.to_canonical()))
            || settings.public_url.as_ref().and_then(Url::host_str).is_some_and(|host| self.is(host))
            || settings.allowed_hosts.iter().any(|entry| self.is(entry))
    }

    /// An entry without a port stands for all of them.
    fn is(&self, entry: &str) -> bool {
        Host::parse(entry)
            .is_some_and(|entry| entry.name == self.name && (entry.port.is_none() || entry.port == self.port))
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
}

fn origin_allowed(origin: &str, settings: &ServerSettings, wire: Wire) -> bool {
    if settings.allowed_origins.iter().any(|entry| entry == origin) {
        return true;
    }
    let Some(url) = Url::parse(origin).ok().filter(|url| url.origin().is_tuple() && is_bare(url)) else {
        return false;
    };
    let loopback = || wire.listener.ip().is_loopback() && url.host_str().is_some_and(is_loopback);
    let public = || settings.public_url.as_ref().is_some_and(|public| public.origin() == url.origin());
    let listed = |entry: &String| match entry.strip_suffix(":*") {
        Some(entry) => {
            Url::parse(entry).is_ok_and(|entry| entry.scheme() == url.scheme() && entry.host() == url.host())
        }
        None => Url::parse(entry).is_ok_and(|entry| entry.origin() == url.origin()),
    };
    loopback() || public() || settings.allowed_origins.iter().any(listed)
}

/// An origin has no user, path or query.
fn is_bare(url: &Url) -> bool {
    url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(hosts: &[&str], origins: &[&str], public_url: Option<&str>) -> ServerSettings {
        ServerSettings {
            load: Default::default(),
            listen: "127.0.0.1:8080".parse().unwrap(),
            allowed_hosts: hosts.iter().map(ToString::to_string).collect(),
            allowed_origins: origins.iter().map(ToString::to_string).collect(),
            public_url: public_url.map(|url| url.parse().unwrap()),
        }
    }

    fn wire(listener: &str, local: &str) -> Wire {
        let address = |text: &str| text.parse().unwrap();
        Wire { peer: address("192.0.2.9:4000"), local: address(local), listener: address(listener) }
    }

    fn refused(error: &str) -> Result<(), Refusal> {
        Err(Refusal::Host(error.to_owned()))
    }

    #[test]
    fn a_request_must_name_a_host_of_the_server_s() {
        let settings = settings(
            &["mcp.lan", "Other.lan:8443", "[2001:db8::7]"],
            &[],
            Some("https://mcp.example.com/mcp"),
        );
        let wire = wire("0.0.0.0:8080", "192.168.1.5:8080");
        for (host_header, expected) in [
            ("localhost", Ok(())),
            ("LOCALHOST.:9999", Ok(())),
            ("127.0.0.1:8080", Ok(())),
            ("127.7.7.7", Ok(())),
            ("[::1]:8080", Ok(())),
            ("[::ffff:127.0.0.1]", Ok(())),
            ("192.168.1.5:8080", Ok(())),
            ("[::ffff:192.168.1.5]", Ok(())),
            ("192.168.1.6:8080", refused("192.168.1.6")),
            ("mcp.lan", Ok(())),
            ("MCP.lan:1", Ok(())),
            ("other.lan:8443", Ok(())),
            ("other.lan", refused("other.lan")),
            ("other.lan:8080", refused("other.lan")),
            ("[2001:db8::7]:8080", Ok(())),
            ("mcp.example.com", Ok(())),
            ("mcp.example.com:8080", Ok(())),
            ("evil.example", refused("evil.example")),
            ("localhost.evil.example:8080", refused("localhost.evil.example")),
            ("notlocalhost", refused("notlocalhost")),
            ("user@localhost", Err(Refusal::NoHost)),
            ("", Err(Refusal::NoHost)),
            ("local host", Err(Refusal::NoHost)),
            ("lócalhost", Err(Refusal::NoHost)),
        ] {
            let headers =
                HeaderMap::from_iter([(HOST, HeaderValue::from_bytes(host_header.as_bytes()).unwrap())]);
            assert_eq!(host(&Uri::from_static("/mcp"), &headers, &settings, wire), expected, "{host_header}");
        }
    }

    #[test]
    fn every_host_that_a_request_names_must_be_right() {
        let (settings, wire) = (settings(&[], &[], None), wire("127.0.0.1:8080", "127.0.0.1:8080"));
        for (target, hosts, expected) in [
            ("/mcp", &[][..], Err(Refusal::NoHost)),
            ("/mcp", &["localhost", "localhost"], Err(Refusal::NoHost)),
            ("http://localhost/mcp", &[], Ok(())),
            ("http://localhost/mcp", &["evil.example"], refused("evil.example")),
            ("http://evil.example/mcp", &["localhost"], refused("evil.example")),
        ] {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, HeaderValue::from_static(host));
            }
            assert_eq!(
                host(&Uri::from_static(target), &headers, &settings, wire),
                expected,
                "{target} {hosts:?}"
            );
        }
    }

    #[test]
    fn a_web_page_must_come_from_an_origin_that_is_allowed() {
        let settings = settings(
            &[],
            &[
                "https://app.example",
                "http://tools.lan:3000",
                "https://dev.lan:*",
                "vscode-webview://abc",
                "null",
            ],
            Some("https://mcp.example.com/mcp"),
        );
        let (local, open) =
            (wire("127.0.0.1:8080", "127.0.0.1:8080"), wire("0.0.0.0:8080", "127.0.0.1:8080"));
        for (origin_header, wire, allowed) in [
            ("http://localhost:3000", local, true),
            ("https://127.0.0.1", local, true),
            ("http://[::1]:9", local, true),
            ("http://localhost:3000", open, false),
            ("http://localhost.evil.example", local, false),
            ("https://app.example", open, true),
            ("https://APP.example:443", open, true),
            ("http://app.example", open, false),
            ("https://app.example:8443", open, false),
            ("https://app.example.evil.example", open, false),
            ("http://tools.lan:3000", open, true),
            ("http://tools.lan", open, false),
            ("https://dev.lan", open, true),
            ("https://dev.lan:4444", open, true),
            ("http://dev.lan:4444", open, false),
            ("https://mcp.example.com", open, true),
            ("https://mcp.example.com/mcp", open, false),
            ("https://user@mcp.example.com", open, false),
            ("vscode-webview://abc", open, true),
            ("vscode-webview://abd", open, false),
            ("null", open, true),
            ("", open, false),
            ("https://äpp.example", open, false),
        ] {
            let value = HeaderValue::from_bytes(origin_header.as_bytes()).unwrap();
            let headers = HeaderMap::from_iter([(ORIGIN, value)]);
            assert_eq!(origin(&headers, &settings, wire).is_ok(), allowed, "{origin_header}");
        }
        assert_eq!(origin(&HeaderMap::new(), &settings, open), Ok(()));
    }

    #[test]
    fn a_page_without_an_origin_of_its_own_is_refused_unless_listed() {
        let (settings, wire) = (settings(&[], &[], None), wire("127.0.0.1:8080", "127.0.0.1:8080"));
        let headers = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static("null"))]);
        assert_eq!(origin(&headers, &settings, wire), Err(Refusal::Origin("null".to_owned())));
    }
}

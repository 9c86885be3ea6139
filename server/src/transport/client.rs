//! Who sent a request: whoever connected, or, where that is a proxy that the
//! operator trusts, whom it names.
//!
//! A header is believed only as far as each hop is trusted: from its end, every
//! entry was written by the hop before it. Proxies add to the header that they
//! know and pass on what a client made up of the other one, so where a request
//! has both and they disagree, neither counts.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, header::FORWARDED};
use server_core::settings::ServerSettings;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The address that a request came from, as far as it can be believed.
pub(crate) fn address(peer: IpAddr, headers: &HeaderMap, settings: &ServerSettings) -> IpAddr {
    let peer = peer.to_canonical();
    if !settings.trusts(peer) {
        return peer;
    }
    let by = |header: &str, read: fn(&str) -> Vec<Option<IpAddr>>| {
        headers.contains_key(header).then(|| {
            let values = headers.get_all(header).iter();
            let hops = values.flat_map(|value| value.to_str().map_or_else(|_| vec![None], read)).collect();
            first_of(peer, hops, settings)
        })
    };
    let forwarded = by(FORWARDED.as_str(), forwarded);
    let x_forwarded_for = by(X_FORWARDED_FOR, |value| value.split(',').map(hop).collect());
    match (forwarded, x_forwarded_for) {
        (Some(one), Some(other)) if one != other => peer,
        (one, other) => one.or(other).unwrap_or(peer),
    }
}

/// Goes back from the peer for as long as each hop is trusted.
fn first_of(peer: IpAddr, hops: Vec<Option<IpAddr>>, settings: &ServerSettings) -> IpAddr {
    let mut address = peer;
    for hop in hops.into_iter().rev() {
        // What a trusted hop cannot name is at least behind it.
        let Some(hop) = hop.filter(|_| settings.trusts(address)) else { break };
        address = hop;
    }
    address
}

/// An address, with or without a port.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse().map(|with_port: SocketAddr| with_port.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

/// The `for` of each element of a `Forwarded` header (RFC 7239).
fn forwarded(value: &str) -> Vec<Option<IpAddr>> {
    let quoted = |text: &str, separator| {
        let mut inside = false;
        let parts = text.split(move |c: char| {
            inside ^= c == '"';
            c == separator && !inside
        });
        parts.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let of = |element: String| {
        quoted(&element, ';').iter().find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            name.trim().eq_ignore_ascii_case("for").then(|| hop(value.trim().trim_matches('"')))
        })
    };
    quoted(value, ',').into_iter().map(|element| of(element).flatten()).collect()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn nowhere() -> ServerSettings {
        ServerSettings {
            listen: ([127, 0, 0, 1], 0).into(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            public_url: None,
            trusted_proxies: Vec::new(),
            load: Default::default(),
        }
    }

    /// Whom a request from `peer` with these headers is from, where 10.0.0.0/8 and
    /// ::1 are trusted.
    fn check(peer: &str, headers: &[(&'static str, &str)], expected: &str) {
        let trusted = ["10.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap());
        let settings = ServerSettings { trusted_proxies: trusted.into(), ..nowhere() };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let from = address(peer.parse().unwrap(), &map, &settings);
        assert_eq!(from, expected.parse::<IpAddr>().unwrap(), "{peer} {headers:?}");
    }

    #[test]
    fn only_a_trusted_proxy_says_who_the_client_is() {
        let header = [("x-forwarded-for", "203.0.113.9")];
        check("10.1.2.3", &header, "203.0.113.9");
        check("::1", &header, "203.0.113.9");
        check("::ffff:10.1.2.3", &header, "203.0.113.9");
        check("192.0.2.1", &header, "192.0.2.1");
        check("10.1.2.3", &[], "10.1.2.3");
    }

    #[test]
    fn what_a_client_wrote_before_the_first_trusted_hop_does_not_count() {
        for (value, expected) in [
            ("198.51.100.1, 203.0.113.9", "203.0.113.9"),
            ("198.51.100.1, 203.0.113.9, 10.0.0.5", "203.0.113.9"),
            ("10.0.0.7, 203.0.113.9, 10.0.0.5", "203.0.113.9"),
            ("10.0.0.6, 10.0.0.5", "10.0.0.6"),
            ("203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("198.51.100.1, unknown", "10.1.2.3"),
            ("198.51.100.1, unknown, 10.0.0.5", "10.0.0.5"),
            ("", "10.1.2.3"),
        ] {
            check("10.1.2.3", &[("x-forwarded-for", value)], expected);
        }
        let twice = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "203.0.113.9")];
        check("10.1.2.3", &twice, "203.0.113.9");
    }

    #[test]
    fn the_standard_s_own_header_says_the_same() {
        for (value, expected) in [
            ("for=203.0.113.9", "203.0.113.9"),
            ("For=\"[2001:db8::1]:4711\";proto=https", "2001:db8::1"),
            ("for=198.51.100.1, proto=https;for=203.0.113.9;by=10.0.0.5", "203.0.113.9"),
            ("for=\"a, b\", for=203.0.113.9", "203.0.113.9"),
            ("for=203.0.113.9, proto=https", "10.1.2.3"),
            ("for=_hidden", "10.1.2.3"),
        ] {
            check("10.1.2.3", &[("forwarded", value)], expected);
        }
    }

    #[test]
    fn of_two_headers_that_disagree_neither_counts() {
        let one = ("forwarded", "for=203.0.113.9");
        check("10.1.2.3", &[one, ("x-forwarded-for", "203.0.113.9")], "203.0.113.9");
        check("10.1.2.3", &[one, ("x-forwarded-for", "198.51.100.1")], "10.1.2.3");
    }
}

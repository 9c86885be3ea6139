//! Where the server of a configuration is reached, as well as can be told.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use server_core::config::{self, AdminEndpoint, Endpoint};

/// Where it listens if no configuration says.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// A running server goes on with the configuration before, so one that cannot be
/// used, or is no YAML at all, still has to answer this.
pub(super) fn read(path: &Path) -> Endpoint {
    let text = fs::read_to_string(path).unwrap_or_default();
    config::endpoint(&text).unwrap_or_else(|| {
        let listen = value_in(&text, "server", "listen").and_then(|listen| listen.parse().ok());
        let token = value_in(&text, "admin", "token").map(str::to_owned);
        let admin = AdminEndpoint::of(value_in(&text, "admin", "listen"), token);
        Endpoint { listen: listen.unwrap_or(DEFAULT), public_url: None, admin }
    })
}

/// The address to connect to on this machine.
pub(super) fn local(mut listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => listen.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => listen.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    listen
}

/// The value of a key in a section of a text that is no YAML, by its lines.
fn value_in<'a>(text: &'a str, section: &str, key: &str) -> Option<&'a str> {
    let mut in_section = false;
    for line in text.lines() {
        if !line.starts_with([' ', '\t', '#']) && !line.trim().is_empty() {
            in_section = line.strip_prefix(section).is_some_and(|rest| rest.starts_with(':'));
        }
        let code = line.split('#').next().unwrap_or_default();
        let rest = code.split_once(&format!("{key}:")).filter(|_| in_section).map(|(_, rest)| rest.trim());
        if let Some(rest) = rest {
            // Of a text in quotes, all of it: `${NAME}` has a brace of its own.
            let quote = rest.chars().next().filter(|first| "\"'".contains(*first));
            return match quote {
                Some(quote) => rest.get(1..)?.split(quote).next(),
                None if rest.starts_with("${") => rest.split_inclusive('}').next(),
                None => rest.split([',', '}', ' ']).next(),
            };
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_a_text_that_is_no_yaml() {
        for (text, address) in [
            (
                "version: 1\nserver: { listen: \"127.0.0.1:81\", allowed_hosts: [] }\nagents: [",
                Some("127.0.0.1:81"),
            ),
            ("server:\n  # listen: here\n  listen: 0.0.0.0:82 # all\nagents: [", Some("0.0.0.0:82")),
            ("server:\n  allowed_hosts: []\n  listen: '[::1]:83'\nagents: [", Some("[::1]:83")),
            ("admin: { listen: \"127.0.0.1:84\" }\nagents: [", None),
            ("server: {}\nadmin:\n  listen: 127.0.0.1:85\nagents: [", None),
        ] {
            assert_eq!(value_in(text, "server", "listen"), address, "{text}");
        }
        for (text, token) in [
            ("admin: { listen: x, token: \"${A_B}\" }\nagents: [", Some("${A_B}")),
            ("admin:\n  token: ${A_B} # it\nagents: [", Some("${A_B}")),
            ("admin: { token: ${A_B}, listen: x }\nagents: [", Some("${A_B}")),
            ("admin:\n  token: '${file:/run/secrets/x y}'\nagents: [", Some("${file:/run/secrets/x y}")),
            ("agents: { laptop: { token: \"${A_B}\" } }\nadmin: [", None),
        ] {
            assert_eq!(value_in(text, "admin", "token"), token, "{text}");
        }
    }

    #[test]
    fn an_address_that_stands_for_all_is_reached_on_loopback() {
        for (listen, address) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.0.0.7:80", "10.0.0.7:80")]
        {
            assert_eq!(local(listen.parse().unwrap()), address.parse().unwrap());
        }
    }
}

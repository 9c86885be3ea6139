//! Where the server of a configuration is reached, as well as can be told.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use server_core::config::{self, Endpoint};

/// Where it listens if no configuration says.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// A running server goes on with the configuration before, so one that cannot be
/// used, or is no YAML at all, still has to answer this.
pub(super) fn read(path: &Path) -> Endpoint {
    let text = fs::read_to_string(path).unwrap_or_default();
    config::endpoint(&text).unwrap_or_else(|| {
        let listen = listen_in(&text).unwrap_or(DEFAULT);
        Endpoint { listen, public_url: None }
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

/// `server.listen` of a text that is no YAML, by its lines.
fn listen_in(text: &str) -> Option<SocketAddr> {
    let mut in_server = false;
    for line in text.lines() {
        if !line.starts_with([' ', '\t', '#']) && !line.trim().is_empty() {
            in_server = line.starts_with("server:");
        }
        let code = line.split('#').next().unwrap_or_default();
        let value = code.split_once("listen:").filter(|_| in_server).map(|(_, value)| value.trim_start());
        if let Some(value) = value {
            let value = value.trim_start_matches(['"', '\'']);
            let end = value.find([',', '}', '"', '\'', ' ']).unwrap_or(value.len());
            return value.get(..end)?.parse().ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listen_key_is_found_in_a_text_that_is_no_yaml() {
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
            assert_eq!(listen_in(text), address.map(|address| address.parse().unwrap()), "{text}");
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

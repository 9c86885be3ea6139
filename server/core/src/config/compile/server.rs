//! `server`: where agents connect, and under which names.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use url::{Host, Url};

use super::{Compiler, Place};
use crate::{
    config::{
        mask::quoted,
        raw::{RawServer, Texts},
    },
    settings::{LoadSettings, ServerSettings},
};

impl Compiler<'_> {
    pub(super) fn server(&mut self, place: &Place, raw: &RawServer) -> ServerSettings {
        let listen = raw.listen.as_deref().and_then(|text| self.listen(&place.key("listen"), text));
        let url = raw.public_url.as_deref().and_then(|text| self.public_url(&place.key("public_url"), text));
        ServerSettings {
            listen: listen.unwrap_or_else(|| default_server().listen),
            allowed_hosts: self.texts(&place.key("allowed_hosts"), raw.allowed_hosts.as_ref(), Self::host),
            allowed_origins: self.texts(
                &place.key("allowed_origins"),
                raw.allowed_origins.as_ref(),
                Self::origin,
            ),
            public_url: url,
            load: load(raw),
        }
    }

    fn texts(
        &mut self,
        place: &Place,
        texts: Option<&Texts>,
        mut parse: impl FnMut(&mut Self, &Place, &str) -> Option<String>,
    ) -> Vec<String> {
        let items = texts.into_iter().flat_map(Texts::iter);
        items.filter_map(|(item, text)| parse(self, &place.item(item), text)).collect()
    }

    pub(super) fn listen(&mut self, place: &Place, text: &str) -> Option<SocketAddr> {
        let address = text.parse();
        if address.is_err() {
            let message = format!("{} is no IP address with a port", quoted(text));
            let help =
                "write it as in `127.0.0.1:8080`, or `0.0.0.0:8080` for every IPv4 address of this machine";
            self.report.error(place, "invalid_listen", message, Some(help.to_owned()));
        }
        address.ok()
    }

    fn host(&mut self, place: &Place, text: &str) -> Option<String> {
        // As a URL's, a host is checked by the rules that clients follow.
        let url = Url::parse(&format!("http://{text}/")).ok();
        let parts = url.as_ref().and_then(|url| Some((url.host()?, url.port())));
        let host = parts.map(|(host, port)| with_port(&host, port));
        let plain = !text.contains(['/', '@', '?', '#', '\\', '*']) && !text.contains(char::is_whitespace);
        if let Some(host) = host.filter(|_| plain) {
            return Some(host);
        }
        let inside =
            Url::parse(text).ok().and_then(|url| Some(with_port(&url.host()?.to_owned(), url.port())));
        let help = inside.map_or_else(
            || "write a name or an address, with or without a port, as in `mcp.example.lan`".to_owned(),
            |host| format!("write `{host}`"),
        );
        self.report.error(place, "invalid_host", format!("{} is no host name", quoted(text)), Some(help));
        None
    }

    fn origin(&mut self, place: &Place, text: &str) -> Option<String> {
        let url = Url::parse(text).ok().filter(is_web);
        let origin = url.as_ref().map(|url| url.origin().ascii_serialization());
        if url.is_some_and(|url| is_bare(&url)) && !text.ends_with('/') {
            return origin;
        }
        let help = origin.map_or_else(
            || "write scheme and host, and an unusual port, as in `https://inspector.example.lan`".to_owned(),
            |origin| format!("write `{origin}`"),
        );
        self.report.error(place, "invalid_origin", format!("{} is no web origin", quoted(text)), Some(help));
        None
    }

    fn public_url(&mut self, place: &Place, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok().filter(is_web);
        let without = |url: &Url| url.query().is_none() && url.fragment().is_none() && !has_user(url);
        if let Some(url) = url.filter(without) {
            return Some(url);
        }
        let message = "`public_url` must be the `http` or `https` URL of the endpoint".to_owned();
        let help = "write it without user name, query and fragment, as in `https://mcp.example.lan/mcp`";
        self.report.error(place, "invalid_url", message, Some(help.to_owned()));
        None
    }
}

/// What counts without a configuration.
pub(in crate::config) fn default_server() -> ServerSettings {
    ServerSettings {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
        allowed_hosts: Vec::new(),
        allowed_origins: Vec::new(),
        public_url: None,
        load: LoadSettings::default(),
    }
}

fn load(raw: &RawServer) -> LoadSettings {
    let default = LoadSettings::default();
    LoadSettings {
        max_calls: raw.max_calls.unwrap_or(default.max_calls),
        max_connections: raw.max_connections.unwrap_or(default.max_connections),
        max_connections_per_address: raw
            .max_connections_per_address
            .unwrap_or(default.max_connections_per_address),
        client_timeout: raw.client_timeout_seconds.map_or(default.client_timeout, Duration::from_secs),
    }
}

fn with_port<S: AsRef<str>>(host: &Host<S>, port: Option<u16>) -> String {
    let host = match host {
        Host::Domain(name) => name.as_ref().to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => format!("[{address}]"),
    };
    port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

fn is_bare(url: &Url) -> bool {
    url.path() == "/" && url.query().is_none() && url.fragment().is_none() && !has_user(url)
}

fn has_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

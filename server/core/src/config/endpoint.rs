//! Where a server is reached, of a configuration that may have problems
//! elsewhere.

use std::{net::SocketAddr, path::PathBuf};

use url::Url;

use super::{
    STATE_DIR,
    compile::{default_admin_listen, default_server},
    page::Page,
    tree::Kind,
    yaml,
};

/// Where a server listens, and where its clients find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `server.listen`, or its default.
    pub listen: SocketAddr,
    /// `server.public_url`, if there is one.
    pub public_url: Option<Url>,
    /// Where operators find it.
    pub admin: AdminEndpoint,
}

/// The operator's door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminEndpoint {
    /// `admin.listen`, or its default.
    pub listen: SocketAddr,
    /// What `admin.token` refers to its token by, if there is one.
    pub token: Option<String>,
}

impl AdminEndpoint {
    /// From what the keys below `admin` say.
    #[must_use]
    pub fn of(listen: Option<&str>, token: Option<String>) -> Self {
        let listen = listen.and_then(|listen| listen.parse().ok());
        Self { listen: listen.unwrap_or_else(default_admin_listen), token }
    }
}

/// What the keys below `server` and `admin` say, whatever else is wrong with a text. `None`
/// if it is no YAML or `listen` is no address.
#[must_use]
pub fn endpoint(text: &str) -> Option<Endpoint> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let tree = yaml::read(&Page::new(text)).ok()?;
    let value = |section, key| match tree.get(section)?.get(key).map(|node| &node.kind) {
        Some(Kind::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let listen = match value("server", "listen") {
        Some(listen) => listen.parse().ok()?,
        None => default_server().listen,
    };
    let public_url = value("server", "public_url").and_then(|url| url.parse().ok());
    let admin = AdminEndpoint::of(value("admin", "listen").as_deref(), value("admin", "token"));
    Some(Endpoint { listen, public_url, admin })
}

/// `state.dir` of a text, whatever else is wrong with it: seen from the file's
/// folder, its default if the text does not tell.
#[must_use]
pub fn state_dir(text: &str) -> PathBuf {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let tree = yaml::read(&Page::new(text)).ok();
    match tree.as_ref().and_then(|tree| tree.get("state")?.get("dir")).map(|node| &node.kind) {
        Some(Kind::Text(text)) => text.into(),
        _ => STATE_DIR.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_dir_is_known_of_a_configuration_with_problems() {
        for (text, dir) in [
            ("state: { dir: /var/lib/mus }\nagents: 5", "/var/lib/mus"),
            ("state: 5", "state"),
            ("state: { dir: here }\nagents: [", "state"),
        ] {
            assert_eq!(state_dir(text), PathBuf::from(dir), "{text}");
        }
    }

    #[test]
    fn the_endpoint_is_known_of_a_configuration_with_problems() {
        for (text, listen) in [
            ("", Some("127.0.0.1:8080")),
            ("server: {}", Some("127.0.0.1:8080")),
            ("agents: 5", Some("127.0.0.1:8080")),
            ("\"server\": { \"listen\": \"127.0.0.1:81\" }\nagents: 5", Some("127.0.0.1:81")),
            ("{ server: { public_url: \"http://listen:1/\", listen: '[::1]:82' } }", Some("[::1]:82")),
            ("server:\n  listen:\n    &here 0.0.0.0:83", Some("0.0.0.0:83")),
            ("server: { listen: here }", None),
            ("server: { listen: \"127.0.0.1:81\" }\nagents: [", None),
        ] {
            let listen = listen.map(|listen| listen.parse().unwrap());
            assert_eq!(endpoint(text).map(|endpoint| endpoint.listen), listen, "{text}");
        }
    }

    #[test]
    fn the_operator_s_door_is_known_too() {
        for (text, listen, token) in [
            ("", "127.0.0.1:8081", None),
            ("admin: { listen: \"127.0.0.1:81\", token: \"${X}\" }\nagents: 5", "127.0.0.1:81", Some("${X}")),
            ("admin:\n  listen: here\n  token: ${file:x}\n", "127.0.0.1:8081", Some("${file:x}")),
        ] {
            let expected = AdminEndpoint { listen: listen.parse().unwrap(), token: token.map(str::to_owned) };
            assert_eq!(endpoint(text).unwrap().admin, expected, "{text}");
        }
    }
}

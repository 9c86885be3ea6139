//! What is outside of the server: names, and servers that they lead to.

use std::sync::OnceLock;

#[allow(dead_code, reason = "the connector's own tests use the rest")]
#[path = "../../server/src/egress/tests/dns.rs"]
pub(crate) mod dns;
#[allow(dead_code, reason = "the connector's own tests use the rest")]
#[path = "../../server/src/egress/tests/tls_server.rs"]
pub(crate) mod tls_server;
#[allow(dead_code, reason = "the connector's own tests use the rest")]
#[path = "../../server/src/egress/tests/upstream.rs"]
pub(crate) mod upstream;

use dns::Zone;
use upstream::{Upstream, ok};

/// A server that answers in which header a secret came, what stood before it there
/// and its first letter; tests give it one of [`super::LAPTOP`]'s kind.
pub(crate) fn teller() -> &'static Upstream {
    static TELLER: OnceLock<Upstream> = OnceLock::new();
    TELLER.get_or_init(|| {
        Upstream::serve(|received| {
            let told = received.headers.iter().find_map(|(name, value)| {
                let start = value.find("-token-")?;
                let (before, word) = value[..start].rsplit_once(' ').map_or(("", &value[..start]), |it| it);
                Some(format!("{name}: {before} {}", &word[..1]).replace(":  ", ": "))
            });
            ok(told.unwrap_or_else(|| "no secret".to_owned()))
        })
    })
}

/// A DNS server that knows the name `named.test`, and one that knows none.
pub(crate) fn names() -> [String; 2] {
    static NAMES: OnceLock<[String; 2]> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let (named, empty) = (Zone::default(), Zone::default());
        named.set("named.test", &["127.0.0.1"]);
        [named.serve().to_string(), empty.serve().to_string()]
    });
    names.clone()
}

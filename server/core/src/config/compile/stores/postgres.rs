//! Where a server of PostgreSQL is, and how it is spoken to.

use std::net::IpAddr;

use url::Url;

use super::{Compiler, Place};
use crate::{
    config::raw::{RawDatabase, RawTls},
    secret::Secret,
    settings::{Postgres, PostgresHost, Tls},
};

/// Where servers listen.
const PORT: u16 = 5432;

const FORM: &str = "write it as in `postgres://reader@db.example.lan:5432/sales`, \
                    or `postgres:///sales?host=/run/postgresql&user=reader`";

const LITERAL: (&str, &str) = (
    "a password must not stand in the configuration",
    "remove it, and add `password: \"${SALES_PASSWORD}\"`",
);

impl Compiler<'_> {
    pub(super) fn postgres(
        &mut self,
        place: &Place,
        url: &str,
        password: Option<Secret>,
        raw: &RawDatabase,
    ) -> Option<Postgres> {
        let at = place.key("postgres");
        let Address { host, user, database } = match Address::parse(url) {
            Ok(address) => address,
            Err((message, help)) => {
                self.report.error(&at, "invalid_url", message.to_owned(), Some(help.to_owned()));
                return None;
            }
        };
        let tls = self.tls(place, &host, raw)?;
        Some(Postgres { host, user, password, database, tls })
    }

    fn tls(&mut self, place: &Place, host: &PostgresHost, raw: &RawDatabase) -> Option<Tls> {
        let is_here = is_this_machine(host);
        let ca = self.path(&place.key("ca"), raw.ca.as_deref());
        let wanted = raw.tls.unwrap_or(if is_here && ca.is_none() { RawTls::Off } else { RawTls::Verify });
        match (wanted, host) {
            (RawTls::Verify, PostgresHost::Socket { .. }) => {
                let message = "nothing is encrypted on a socket of this machine".to_owned();
                let help = Some("remove `tls` and `ca`".to_owned());
                let key = if raw.tls.is_some() { "tls" } else { "ca" };
                self.report.error(&place.key(key), "no_tls", message, help);
                return None;
            }
            (RawTls::Verify, PostgresHost::Network { .. }) => return Some(Tls::Verify { ca }),
            (RawTls::Off, _) => {}
        }
        if !is_here {
            let message = "the password, the queries and their answers can be read on the way".to_owned();
            let help = Some("remove `tls: off`".to_owned());
            self.report.warning(&place.key("tls"), "no_tls", message, help);
        }
        if ca.is_some() {
            let message = "`ca` means nothing with `tls: off`".to_owned();
            let help = Some("remove one of the two".to_owned());
            self.report.warning(&place.key("ca"), "meaningless", message, help);
        }
        Some(Tls::Off)
    }
}

fn is_this_machine(host: &PostgresHost) -> bool {
    match host {
        PostgresHost::Socket { .. } => true,
        PostgresHost::Network { host, .. } => {
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
    }
}

struct Address {
    host: PostgresHost,
    user: String,
    database: String,
}

impl Address {
    /// The parts of a URL; or what is wrong with it, and what to do.
    fn parse(text: &str) -> Result<Self, (&'static str, &'static str)> {
        let no_url = ("this is no URL of a PostgreSQL server", FORM);
        let url = text.trim().parse::<Url>().map_err(|_| no_url)?;
        if !["postgres", "postgresql"].contains(&url.scheme()) || url.fragment().is_some() {
            return Err(no_url);
        }
        if url.password().is_some() {
            return Err(LITERAL);
        }
        let options = Options::of(&url)?;
        let user = decoded(url.username());
        let user = if user.is_empty() { options.user.unwrap_or_default() } else { user };
        let database = decoded(url.path().trim_start_matches('/'));
        if user.is_empty() {
            return Err(("the URL names no role", FORM));
        }
        if database.is_empty() || database.contains('/') {
            return Err(("the URL names no database", FORM));
        }
        let port = url.port().unwrap_or(PORT);
        let host = match (url.host_str().filter(|host| !host.is_empty()), options.folder) {
            (None, Some(folder)) => PostgresHost::Socket { folder: folder.into(), port: options.port },
            (Some(host), None) => {
                // An IPv6 address stands in brackets.
                let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
                PostgresHost::Network { host, port }
            }
            (None, None) => return Err(("the URL names no host", FORM)),
            (Some(_), Some(_)) => return Err(("the URL names a host and a socket", FORM)),
        };
        Ok(Self { host, user, database })
    }
}

/// What stands behind the `?` of a URL: all of a server behind a socket.
struct Options {
    folder: Option<String>,
    user: Option<String>,
    port: u16,
}

impl Options {
    fn of(url: &Url) -> Result<Self, (&'static str, &'static str)> {
        let mut options = Self { folder: None, user: None, port: PORT };
        for (key, value) in url.query_pairs() {
            match (key.as_ref(), value.parse()) {
                ("host", _) if value.starts_with('/') => options.folder = Some(value.into_owned()),
                ("user", _) => options.user = Some(value.into_owned()),
                ("port", Ok(port)) => options.port = port,
                ("password", _) => return Err(LITERAL),
                _ => return Err(("the URL has an option that is not known here", FORM)),
            }
        }
        Ok(options)
    }
}

/// Without the `%XX` of a URL.
fn decoded(text: &str) -> String {
    // A form's `+` is a space, a URL's is itself.
    let query = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(query.as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_server_a_role_and_a_database() {
        for (url, host, user, database) in [
            ("postgres://r@db.lan/sales", "db.lan:5432", "r", "sales"),
            ("postgresql://r@DB.lan:6543/sales", "db.lan:6543", "r", "sales"),
            ("postgres://r%40x@[::1]/a%2Bb", "[::1]:5432", "r@x", "a+b"),
            ("postgres://r@10.0.0.7/a+b", "10.0.0.7:5432", "r", "a+b"),
            (
                "postgres:///sales?host=/run/postgresql&user=r&port=5433",
                "/run/postgresql/.s.PGSQL.5433",
                "r",
                "sales",
            ),
            (
                "postgres:///sales?user=r&host=%2Frun%2Fpostgresql",
                "/run/postgresql/.s.PGSQL.5432",
                "r",
                "sales",
            ),
        ] {
            let address = Address::parse(url).unwrap_or_else(|(message, _)| panic!("{url}: {message}"));
            let parts = (address.host.to_string(), address.user.as_str(), address.database.as_str());
            assert_eq!(parts, (host.to_owned(), user, database), "{url}");
        }
    }

    #[test]
    fn what_else_a_url_says_is_refused() {
        for (url, complaint) in [
            ("", "this is no URL of a PostgreSQL server"),
            ("db.lan", "this is no URL of a PostgreSQL server"),
            ("mysql://r@db.lan/sales", "this is no URL of a PostgreSQL server"),
            ("postgres://r@db.lan/sales#x", "this is no URL of a PostgreSQL server"),
            ("postgres://r:secret@db.lan/sales", "a password must not stand in the configuration"),
            ("postgres://db.lan/sales", "the URL names no role"),
            ("postgres://r@db.lan", "the URL names no database"),
            ("postgres://r@db.lan/", "the URL names no database"),
            ("postgres://r@db.lan/a/b", "the URL names no database"),
            ("postgres:///sales?user=r", "the URL names no host"),
            ("postgres://r@db.lan/s?host=/run", "the URL names a host and a socket"),
            ("postgres:///s?host=/run&user=r&password=x", "a password must not stand in the configuration"),
            ("postgres://r@db.lan/s?options=-c%20x", "the URL has an option that is not known here"),
            ("postgres:///s?user=r&host=db.lan", "the URL has an option that is not known here"),
            ("postgres:///s?user=r&host=/run&port=99999", "the URL has an option that is not known here"),
        ] {
            let refused = Address::parse(url).map(|address| address.host.to_string());
            assert_eq!(refused.map_err(|(message, _)| message), Err(complaint), "{url}");
        }
    }
}

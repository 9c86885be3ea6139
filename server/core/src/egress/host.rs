//! Names of hosts, in the one form in which they are compared.

use std::{fmt, str::FromStr};

/// The longest name, and the longest part of one, that DNS knows.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A host's name in its normal form: lower case, ASCII, without the dot at the
/// end, and no spelling of an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

/// Text that is no host's name in normal form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHost {
    /// It is spelt otherwise.
    #[error("`{0}` must be written as `{1}`")]
    NotNormal(String, String),
    /// There is a dot too many.
    #[error("`{0}` has an empty part between dots")]
    EmptyLabel(String),
    /// It is too long for DNS.
    #[error("`{0}` is too long: a name has up to 253 characters, and up to 63 between dots")]
    TooLong(String),
    /// It holds something that names do not.
    #[error("`{0}` is no host's name")]
    NoName(String),
}

impl HostName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name is below `domain`, and not the domain itself.
    #[must_use]
    pub fn is_below(&self, domain: &Self) -> bool {
        self.0.strip_suffix(domain.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
    }
}

impl FromStr for HostName {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let of = |kind: fn(String) -> InvalidHost| Err(kind(text.to_owned()));
        let normal = match url::Host::parse(text) {
            Ok(url::Host::Domain(name)) => name,
            // `127.1`, `0x7f.0.0.1` and their like.
            Ok(address) => return Err(InvalidHost::NotNormal(text.to_owned(), address.to_string())),
            Err(_) => return of(InvalidHost::NoName),
        };
        let normal = normal.strip_suffix('.').unwrap_or(&normal);
        if normal.split('.').any(str::is_empty) {
            return of(InvalidHost::EmptyLabel);
        }
        if normal.len() > MAX_NAME || normal.split('.').any(|label| label.len() > MAX_LABEL) {
            return of(InvalidHost::TooLong);
        }
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        if !normal.bytes().all(allowed) {
            return of(InvalidHost::NoName);
        }
        if normal != text {
            return Err(InvalidHost::NotNormal(text.to_owned(), normal.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

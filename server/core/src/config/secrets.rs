//! Tokens: how the configuration refers to them, and which ones will do.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Environment;
use crate::secret::{Secret, TokenDigest};

/// No token is shorter.
const MIN_CHARACTERS: usize = 32;

const DIGEST_PREFIX: &str = "sha256:";

/// How a configuration refers to a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// `${NAME}`.
    Variable(String),
    /// `${file:/path}`.
    File(PathBuf),
    /// `sha256:…`.
    Digest(TokenDigest),
}

/// Text that refers to no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InvalidReference {
    /// It may be the token itself.
    Literal,
    /// `${…}` around what is no name of a variable.
    Name,
    /// `sha256:` before what is no digest.
    Digest,
}

impl Reference {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidReference> {
        if let Some(digest) = text.strip_prefix(DIGEST_PREFIX) {
            return TokenDigest::from_hex(digest).map(Self::Digest).ok_or(InvalidReference::Digest);
        }
        let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let inner = inner.ok_or(InvalidReference::Literal)?;
        match inner.strip_prefix("file:") {
            Some(path) if !path.is_empty() => Ok(Self::File(path.into())),
            None if is_variable(inner) => Ok(Self::Variable(inner.to_owned())),
            _ => Err(InvalidReference::Name),
        }
    }

    /// Whether the text says where a secret is, and nothing of the secret.
    pub(super) fn names_a_source(text: &str) -> bool {
        matches!(Self::parse(text), Ok(Self::Variable(_) | Self::File(_)))
    }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A value that is no token. The message does not quote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// There is nothing.
    #[error("it is empty")]
    Empty,
    /// Somebody might guess it.
    #[error("a token needs at least 32 characters, and this one has fewer")]
    TooShort,
    /// It does not fit into an HTTP header.
    #[error("a token may hold visible ASCII characters only, and no spaces")]
    NotVisibleAscii,
    /// `sha256:` and something else than a digest.
    #[error("`sha256:` must be followed by 64 hexadecimal digits")]
    NoDigest,
}

impl InvalidToken {
    /// How to get a token that will do.
    #[must_use]
    pub fn help(&self) -> &'static str {
        "make one with `mcp-universal-server token new`"
    }
}

/// The digest of a token, or of what `sha256:` and the digest of one stand for.
pub(super) fn token(value: &str) -> Result<TokenDigest, InvalidToken> {
    if let Some(digest) = value.strip_prefix(DIGEST_PREFIX) {
        return TokenDigest::from_hex(digest).ok_or(InvalidToken::NoDigest);
    }
    match value {
        "" => Err(InvalidToken::Empty),
        _ if !value.bytes().all(|byte| byte.is_ascii_graphic()) => Err(InvalidToken::NotVisibleAscii),
        _ if value.len() < MIN_CHARACTERS => Err(InvalidToken::TooShort),
        _ => Ok(TokenDigest::of(value)),
    }
}

/// Why a reference leads to no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unresolved {
    /// No such variable.
    Unset,
    /// The file cannot be read.
    Unreadable(String),
    /// There is a value, and it will not do.
    Invalid(InvalidToken),
}

/// The token that a reference leads to, seen from `folder`. Line breaks at the
/// end of a file do not count.
pub(super) fn resolve(
    reference: &Reference,
    folder: &Path,
    environment: &dyn Environment,
) -> Result<TokenDigest, Unresolved> {
    let value = match reference {
        Reference::Digest(token) => return Ok(*token),
        Reference::Variable(name) => environment.variable(name).ok_or(Unresolved::Unset)?,
        Reference::File(path) => content(&folder.join(path), environment).map_err(Unresolved::Unreadable)?,
    };
    token(&value).map_err(Unresolved::Invalid)
}

fn content(path: &Path, environment: &dyn Environment) -> Result<String, String> {
    Ok(environment.file(path)?.trim_end_matches(['\r', '\n']).to_owned())
}

/// Why a reference gives no secret that could be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSecret {
    /// It is no reference.
    #[error("it is no reference such as `${{ADMIN_TOKEN}}`")]
    NoReference,
    /// It is the digest of one.
    #[error("the configuration has its SHA-256 only")]
    Digest,
    /// No such variable, or nothing in it.
    #[error("the variable `{0}` is not set")]
    Unset(String),
    /// The file cannot be read.
    #[error("the file `{}` cannot be read: {error}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: String,
    },
}

/// The secret itself that a reference leads to, seen from `folder`, for whoever
/// is to send it.
///
/// # Errors
///
/// Why there is none.
pub fn secret(text: &str, folder: &Path, environment: &dyn Environment) -> Result<Secret, NoSecret> {
    let value = match Reference::parse(text) {
        Err(_) => Err(NoSecret::NoReference),
        Ok(Reference::Digest(_)) => Err(NoSecret::Digest),
        Ok(Reference::Variable(name)) => {
            let value = environment.variable(&name).filter(|value| !value.is_empty());
            value.ok_or(NoSecret::Unset(name))
        }
        Ok(Reference::File(path)) => {
            let path = folder.join(path);
            content(&path, environment).map_err(|error| NoSecret::Unreadable { path, error })
        }
    };
    // A variable or a file may hold a digest as well.
    value.and_then(|value| match value.starts_with(DIGEST_PREFIX) {
        true => Err(NoSecret::Digest),
        false => Ok(Secret::new(value)),
    })
}

/// SHA-256 in hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;

    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_variable_a_file_or_a_digest() {
        let digest = "A0".repeat(32);
        for (text, expected) in [
            ("${LAPTOP_TOKEN}", Ok(Reference::Variable("LAPTOP_TOKEN".into()))),
            ("${_x1}", Ok(Reference::Variable("_x1".into()))),
            ("${file:/run/secrets/x}", Ok(Reference::File("/run/secrets/x".into()))),
            ("${file:}", Err(InvalidReference::Name)),
            ("${}", Err(InvalidReference::Name)),
            ("${1A}", Err(InvalidReference::Name)),
            ("${A-B}", Err(InvalidReference::Name)),
            ("$LAPTOP_TOKEN", Err(InvalidReference::Literal)),
            ("x${LAPTOP_TOKEN}", Err(InvalidReference::Literal)),
            ("", Err(InvalidReference::Literal)),
            ("sha256:a0", Err(InvalidReference::Digest)),
            (&format!("sha256:{digest}"), Ok(Reference::Digest(TokenDigest::from_hex(&digest).unwrap()))),
        ] {
            assert_eq!(Reference::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_token_needs_32_characters_of_visible_ascii() {
        for (value, expected) in [
            ("", InvalidToken::Empty),
            (&"x".repeat(31), InvalidToken::TooShort),
            (&format!("{}\n", "x".repeat(40)), InvalidToken::NotVisibleAscii),
            (&"x y ".repeat(10), InvalidToken::NotVisibleAscii),
            (&"é".repeat(40), InvalidToken::NotVisibleAscii),
            ("sha256:12", InvalidToken::NoDigest),
        ] {
            assert_eq!(token(value), Err(expected));
        }
    }

    #[test]
    fn a_token_and_its_digest_are_the_same() {
        let token = "x".repeat(32);
        let digest = format!("sha256:{}", hexadecimal(token.as_bytes()).to_uppercase());
        assert_eq!(super::token(&token), super::token(&digest));
        assert_eq!(super::token(&token).unwrap(), TokenDigest::of(&token));
    }
}

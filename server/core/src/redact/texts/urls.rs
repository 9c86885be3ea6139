//! Passwords in URLs.

use memchr::memmem;

use super::{Add, named::is_reference, values};

pub(super) const URL_PASSWORD: &str = "url_password";

/// What stands for a password where none is meant.
const MEANINGLESS: [&str; 12] = [
    "",
    "pass",
    "passwd",
    "password",
    "pw",
    "pwd",
    "secret",
    "token",
    "x-access-token",
    "x-oauth-basic",
    "xxx",
    "...",
];

/// Tells the password of every URL that has one, and a user that is a token.
pub(super) fn find(text: &str, add: &mut Add<'_>) {
    for at in memmem::find_iter(text.as_bytes(), b"://") {
        let start = at + 3;
        let rest = text.get(start..).unwrap_or_default();
        let end =
            rest.find(|c: char| c.is_whitespace() || "/?#\"'<>`\\,;|^".contains(c)).unwrap_or(rest.len());
        let Some((user_info, _)) = rest.get(..end).and_then(|authority| authority.rsplit_once('@')) else {
            continue;
        };
        match user_info.split_once(':') {
            Some((user, password)) if is_password(password) => {
                let start = start + user.len() + 1;
                add(start..start + password.len(), URL_PASSWORD);
            }
            None if user_info.len() >= 20 && values::is_opaque(user_info) => {
                add(start..start + user_info.len(), URL_PASSWORD);
            }
            _ => {}
        }
    }
}

fn is_password(text: &str) -> bool {
    !MEANINGLESS.contains(&text.to_lowercase().as_str()) && !is_reference(text) && !text.starts_with('*')
}

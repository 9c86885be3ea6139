//! Headers that a caller may send, and those that it gets to see.

use http::{HeaderMap, HeaderName};

/// How many headers a request may have, and how many bytes of them.
const MAX_HEADERS: usize = 64;
const MAX_BYTES: usize = 16 << 10;

/// What says who asks, where the request goes or how the connection is used: the
/// server's to say.
const OURS: [&str; 22] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "origin",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "www-authenticate",
    "x-auth-token",
    "x-csrf-token",
    "x-real-ip",
];

/// The same, by how they begin or end.
const OURS_FROM: [&str; 3] = ["proxy-", "sec-", "x-forwarded-"];
const OURS_TO: [&str; 4] = ["-api-key", "-key", "-secret", "-token"];

/// What is about the connection, or would be a session.
const NOT_PASSED_ON: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "set-cookie",
    "set-cookie2",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The headers of a caller's that are sent. Credentials are among those that are
/// not: they are attached by the server, for hosts that may have them.
pub(super) fn sendable(headers: HeaderMap) -> HeaderMap {
    let (mut sent, mut last, mut bytes) = (HeaderMap::new(), None, 0);
    for (name, value) in headers {
        // Of a name that comes again, only the first item has it.
        last = name.or(last);
        let Some(name) = last.clone().filter(|name| !is_ours(name)) else { continue };
        bytes += name.as_str().len() + value.len();
        if sent.len() < MAX_HEADERS && bytes <= MAX_BYTES {
            sent.append(name, value);
        }
    }
    sent
}

fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str();
    OURS.contains(&name)
        || OURS_FROM.iter().any(|prefix| name.starts_with(prefix))
        || OURS_TO.iter().any(|suffix| name.ends_with(suffix))
}

/// The headers of an answer that a caller gets.
pub(super) fn received(mut headers: HeaderMap) -> HeaderMap {
    for name in NOT_PASSED_ON {
        headers.remove(name);
    }
    headers
}

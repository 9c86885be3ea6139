//! The bearer token of a request.

use http::{HeaderMap, header::AUTHORIZATION};

/// Why a request may not enter. The message is for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAccess {
    /// It brought no token; one in the URL is not looked for.
    #[error("send `Authorization: Bearer <token>`")]
    NoToken,
    /// It brought something else, or more than one.
    #[error("the header `Authorization` must be `Bearer <token>`, once")]
    Malformed,
    /// No agent has the token.
    #[error("the token is not valid")]
    UnknownToken,
}

impl NoAccess {
    /// A stable name for it, for the log.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::Malformed => "malformed",
            Self::UnknownToken => "unknown_token",
        }
    }
}

/// The token that the headers bear.
pub(crate) fn token(headers: &HeaderMap) -> Result<&str, NoAccess> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(NoAccess::NoToken)?;
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|value| value.trim_ascii().split_once(' '))
        .ok_or(NoAccess::Malformed)?;
    let token = token.trim_ascii_start();
    let single = values.next().is_none() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if single && scheme.eq_ignore_ascii_case("bearer") { Ok(token) } else { Err(NoAccess::Malformed) }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_token_comes_in_one_bearer_header() {
        for (values, expected) in [
            (&["Bearer abc"][..], Ok("abc")),
            (&["bearer abc"], Ok("abc")),
            (&["BEARER   a-b._~+/=9 "], Ok("a-b._~+/=9")),
            (&[], Err(NoAccess::NoToken)),
            (&[""], Err(NoAccess::Malformed)),
            (&["Bearer"], Err(NoAccess::Malformed)),
            (&["Bearer "], Err(NoAccess::Malformed)),
            (&["abc"], Err(NoAccess::Malformed)),
            (&["Basic abc"], Err(NoAccess::Malformed)),
            (&["Bearer abc def"], Err(NoAccess::Malformed)),
            (&["Bearer äbc"], Err(NoAccess::Malformed)),
            (&["Bearer abc", "Bearer abc"], Err(NoAccess::Malformed)),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            assert_eq!(token(&headers), expected, "{values:?}");
        }
    }
}

//! Requests to other servers, which the host makes.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

/// A request that the host makes, if the agent's rules allow it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// How.
    pub method: HttpMethod,
    /// An `http` or `https` URL, without user name and password.
    pub url: String,
    /// Headers. Credentials, cookies and what is about the connection are left out
    /// by the host: it attaches `secret`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<HttpBody>,
    /// The name of a secret that the operator granted. The host attaches it, if
    /// the URL's host may have it; nobody else sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// How many bytes of the answer are wanted, once they are unpacked. The host has
    /// a bound of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// How long to wait for the whole answer. The call's own deadline comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// How a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// Reads.
    Get,
    /// Reads only what is said about it.
    Head,
    /// Sends something.
    Post,
    /// Puts something in place.
    Put,
    /// Changes something.
    Patch,
    /// Removes something.
    Delete,
}

impl HttpMethod {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// What is sent or was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpBody {
    /// Text.
    Text(String),
    /// Anything else, in base64.
    Base64(String),
}

impl HttpBody {
    /// As text, if that is what it is.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Base64(BASE64_STANDARD.encode(error.as_bytes())),
        }
    }

    /// The bytes. `None`: it is no base64.
    #[must_use]
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text.into_bytes()),
            Self::Base64(text) => BASE64_STANDARD.decode(text).ok(),
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpResponse {
    /// Its status. Redirects have been followed.
    pub status: u16,
    /// Which URL it is the answer of.
    pub url: String,
    /// Its headers, in lower case, without cookies.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Its body, unpacked.
    pub body: HttpBody,
    /// The body is only the beginning of what the server would have sent.
    #[serde(default)]
    pub truncated: bool,
}

//! Requests to other servers, made by the host.

use std::{borrow::Cow, time::Duration};

use plugin_contract::op::{self, HttpBody, HttpMethod};
use serde::{Serialize, de::DeserializeOwned};

use crate::CallError;

/// A request for the host to make with [`Call::http`](crate::Call::http), from a
/// tool that [needs](crate::Tool::needs) `network:outbound`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
#[must_use = "hand it to `Call::http`"]
pub struct HttpRequest(pub(crate) op::HttpRequest);

/// An answer, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct HttpResponse(pub(crate) op::HttpResponse);

impl HttpRequest {
    /// A request.
    pub fn new(method: HttpMethod, url: impl Into<String>) -> Self {
        Self(op::HttpRequest {
            method,
            url: url.into(),
            headers: Vec::new(),
            body: None,
            secret: None,
            max_bytes: None,
            timeout_ms: None,
        })
    }

    /// A request that reads.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(HttpMethod::Get, url)
    }

    /// A request that sends.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new(HttpMethod::Post, url)
    }

    /// Adds a header. The host leaves out credentials, cookies and what is about
    /// the connection: use [`secret`](Self::secret).
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.headers.push((name.into(), value.into()));
        self
    }

    /// Sends a text. Say what it is with the header `content-type`.
    pub fn text(mut self, body: impl Into<String>) -> Self {
        self.0.body = Some(HttpBody::Text(body.into()));
        self
    }

    /// Sends bytes.
    pub fn bytes(mut self, body: Vec<u8>) -> Self {
        self.0.body = Some(HttpBody::new(body));
        self
    }

    /// Sends JSON, and says so.
    pub fn json(self, body: &impl Serialize) -> Result<Self, CallError> {
        Ok(self.header("content-type", "application/json").text(serde_json::to_string(body)?))
    }

    /// Has the host attach a secret that the operator granted under that name, if
    /// the URL's host may have it.
    pub fn secret(mut self, name: impl Into<String>) -> Self {
        self.0.secret = Some(name.into());
        self
    }

    /// How many bytes of the answer are wanted; the rest is cut off. The host has a
    /// bound of its own.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.0.max_bytes = Some(bytes);
        self
    }

    /// How long to wait for the whole answer, within the call's own deadline.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout_ms = Some(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        self
    }
}

impl HttpResponse {
    /// An answer without headers and body, for tests.
    pub fn new(status: u16, url: impl Into<String>) -> Self {
        let (headers, body) = (Vec::new(), HttpBody::Text(String::new()));
        Self(op::HttpResponse { status, url: url.into(), headers, body, truncated: false })
    }

    /// The same with a header, for tests.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.headers.push((name.into(), value.into()));
        self
    }

    /// The same with a body, for tests.
    #[must_use]
    pub fn with_body(mut self, body: HttpBody, truncated: bool) -> Self {
        (self.0.body, self.0.truncated) = (body, truncated);
        self
    }

    /// The status. Redirects have been followed.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// Which URL it is the answer of.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// A header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &HttpBody {
        &self.0.body
    }

    /// The body's bytes.
    #[must_use]
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match &self.0.body {
            HttpBody::Text(text) => text.as_bytes().into(),
            packed @ HttpBody::Base64(_) => packed.clone().into_bytes().unwrap_or_default().into(),
        }
    }

    /// The body as text, which it must be.
    pub fn text(&self) -> Result<&str, CallError> {
        match &self.0.body {
            HttpBody::Text(text) => Ok(text),
            HttpBody::Base64(_) => Err(CallError::failed(format!("{} answered no text", self.url()))),
        }
    }

    /// The body as JSON, which it must be and whole.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        if self.is_truncated() {
            return Err(CallError::failed(format!("{} answered more than was asked for", self.url())));
        }
        Ok(serde_json::from_slice(&self.bytes())?)
    }

    /// Whether the body is only the beginning of what the server would have sent.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.0.truncated
    }
}

//! A request, and what becomes of it at each redirect.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::Full;
use server_core::egress::{Attachment, Host, Refusal, Scheme, Target};

use super::{EgressError, Failure, headers, is_safe};

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Where to.
    pub target: Target,
    /// Its headers. Those that are the server's to set are left out.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// A secret for the one destination that it is bound to.
    pub attachment: Option<Attachment>,
    /// How long it may take, and how much may come back.
    pub bounds: Bounds,
}

/// How long a request may take, and how much may come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Until the answer begins, redirects included.
    pub head: Duration,
    /// Between two pieces of the answer.
    pub idle: Duration,
    /// Until the answer has ended, from its beginning.
    pub whole: Duration,
    /// Bytes of the answer, once they are unpacked.
    pub body_bytes: u64,
    /// How many redirects are followed.
    pub redirects: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            idle: Duration::from_secs(15),
            whole: Duration::from_secs(60),
            body_bytes: 4 << 20,
            redirects: 3,
        }
    }
}

impl Request {
    /// A request without headers and body, within the usual bounds.
    #[must_use]
    pub fn new(method: Method, target: Target) -> Self {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Self { method, target, headers, body, attachment: None, bounds: Bounds::default() }
    }
}

/// One request on the way to an answer.
#[derive(Clone)]
pub(super) struct Hop {
    method: Method,
    pub(super) target: Target,
    headers: HeaderMap,
    body: Bytes,
    attachment: Option<Attachment>,
}

impl Hop {
    pub(super) fn first(request: Request) -> Self {
        let Request { method, target, headers, body, attachment, .. } = request;
        Self { method, target, headers: headers::sendable(headers), body, attachment }
    }

    /// The request that a redirect asks for. `None`: it would take what was sent to
    /// one host to another one, and is left to whoever asked.
    pub(super) fn next(
        &self,
        status: StatusCode,
        location: &HeaderValue,
    ) -> Result<Option<Self>, EgressError> {
        let refused = |refusal| EgressError::Refused(vec![refusal]);
        let unreadable = || refused(Refusal::Url(server_core::egress::InvalidUrl::Unreadable));
        let location = location.to_str().map_err(|_| unreadable())?;
        let target = self.target.redirect(location).map_err(|error| refused(Refusal::Url(error)))?;
        let (from, to) = (self.target.destination(), target.destination());
        if from.scheme == Scheme::Https && to.scheme == Scheme::Http {
            return Err(refused(Refusal::Downgrade(from.host.clone())));
        }
        let repeats = matches!(status.as_u16(), 307 | 308) || is_safe(&self.method);
        if from == to {
            return Ok(Some(if repeats {
                Self { target, ..self.clone() }
            } else {
                Self { method: Method::GET, target, body: Bytes::new(), ..self.clone() }
            }));
        }
        if repeats && !is_safe(&self.method) {
            return Ok(None);
        }
        let method = if self.method == Method::HEAD { Method::HEAD } else { Method::GET };
        // Whatever the caller had to say was for the other one.
        Ok(Some(Self { method, target, headers: HeaderMap::new(), body: Bytes::new(), attachment: None }))
    }

    pub(super) fn to_http(&self) -> Result<http::Request<Full<Bytes>>, Failure> {
        let unsendable = |what: &str| Failure::Request(what.to_owned());
        let to = self.target.destination();
        let mut request = http::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() =
            self.target.path_and_query().parse().map_err(|_| unsendable("its path cannot be written"))?;
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        let default = if to.scheme == Scheme::Https { 443 } else { 80 };
        let host = match &to.host {
            host if to.port == default => host.to_string(),
            host => format!("{host}:{}", to.port),
        };
        let host = HeaderValue::from_str(&host).map_err(|_| unsendable("its host cannot be written"))?;
        headers.insert(header::HOST, host);
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        if let Some(attachment) = self.attachment.as_ref().filter(|attachment| attachment.to == *to) {
            let name = attachment.header.parse::<header::HeaderName>();
            let value = HeaderValue::from_str(attachment.value.expose());
            let (Ok(name), Ok(mut value)) = (name, value) else {
                return Err(unsendable("its secret does not fit into a header"));
            };
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(request)
    }
}

/// What the server calls itself.
const AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// How a name goes to TLS.
pub(super) fn server_name(host: &Host) -> String {
    match host {
        Host::Name(name) => name.to_string(),
        Host::Address(address) => address.to_string(),
    }
}

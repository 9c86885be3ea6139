//! Requests that plugins make through the host.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use plugin_contract::op::{ErrorCode, HttpBody, HttpRequest, HttpResponse, OpError};
use server_core::{
    egress::{Refusal, Scope, Target},
    id::SecretName,
};

use super::calls::Work;
use crate::egress::{Bounds, Connector, EgressError, Fetched, Request};

/// The most that a plugin gets of one answer.
const MAX_BYTES: u64 = 8 << 20;

/// The most that it sends.
const MAX_SENT: usize = 8 << 20;

/// Makes a request on a plugin's thread.
pub(super) fn request(
    work: &Work,
    connector: &Connector,
    request: HttpRequest,
) -> Result<HttpResponse, OpError> {
    let refuse = |refusals: Vec<Refusal>| work.notes.refuse(refusals.into_iter().map(Into::into).collect());
    let scope = Scope::of(&work.permit).map_err(|reasons| work.notes.refuse(reasons))?;
    let target = Target::parse(&request.url).map_err(|error| refuse(vec![Refusal::Url(error)]))?;
    let secret = request.secret.as_deref().map(str::parse::<SecretName>).transpose();
    let secret = secret.map_err(|error| invalid(error.to_string()))?;
    let attachment = match &secret {
        None => None,
        // Without a right to the destination, the secret is of no matter.
        Some(name) => {
            let to = target.destination();
            let admitted = scope.admit(to).err().into_iter().flatten();
            let attached = scope.attach(name, to);
            let against: Vec<_> =
                admitted.chain(attached.as_ref().err().into_iter().flatten().cloned()).collect();
            if !against.is_empty() {
                return Err(refuse(against));
            }
            attached.ok()
        }
    };
    let mut bounds = Bounds::default();
    bounds.body_bytes = request.max_bytes.map_or(bounds.body_bytes, |bytes| bytes.min(MAX_BYTES));
    if let Some(timeout) = request.timeout_ms.map(Duration::from_millis) {
        (bounds.head, bounds.whole) = (bounds.head.min(timeout), bounds.whole.min(timeout));
    }
    let request = Request {
        headers: headers(&request.headers)?,
        body: body(request.body)?.into(),
        attachment,
        bounds,
        ..Request::new(method(request.method.as_str())?, target)
    };
    match work.wait_for(connector.fetch(scope, request))? {
        Ok(fetched) => Ok(answer(work, fetched)),
        Err(EgressError::Refused(refusals)) => Err(refuse(refusals)),
        Err(EgressError::Failed(failure)) => Err(OpError::new(ErrorCode::Failed, failure.to_string())),
    }
}

fn answer(work: &Work, fetched: Fetched) -> HttpResponse {
    for destination in &fetched.reached {
        work.notes.reached(&destination.to_string());
    }
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    HttpResponse {
        status: fetched.status.as_u16(),
        url: fetched.target.url().to_string(),
        headers: fetched.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: HttpBody::new(fetched.body),
        truncated: fetched.truncated,
    }
}

fn headers(given: &[(String, String)]) -> Result<HeaderMap, OpError> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let name =
            name.parse::<HeaderName>().map_err(|_| invalid("a header has no name that can be sent"))?;
        let value = HeaderValue::from_str(value)
            .map_err(|_| invalid(format!("the header `{name}` has no value that can be sent")))?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn body(given: Option<HttpBody>) -> Result<Vec<u8>, OpError> {
    let bytes = given.map_or(Some(Vec::new()), HttpBody::into_bytes);
    let bytes = bytes.ok_or_else(|| invalid("the body is no base64"))?;
    if bytes.len() > MAX_SENT {
        return Err(invalid(format!("the body has more than {MAX_SENT} bytes")));
    }
    Ok(bytes)
}

fn method(name: &str) -> Result<Method, OpError> {
    name.parse().map_err(|_| invalid(format!("`{name}` is no method")))
}

fn invalid(message: impl Into<String>) -> OpError {
    OpError::new(ErrorCode::InvalidInput, message)
}

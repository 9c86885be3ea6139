//! A request whose answer is wanted whole.

use http::{HeaderMap, HeaderValue, StatusCode};
use server_core::{
    egress::{Destination, Scope, Target},
    secret::Secret,
};

use super::{Connector, EgressError, Request, Response};

/// Stands for a secret that a server sent back.
const HIDDEN: &[u8] = b"[secret]";

/// An answer, whole or cut off.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Which URL it is the answer of.
    pub target: Target,
    /// Where requests went.
    pub reached: Vec<Destination>,
    /// Its body, or the beginning of it.
    pub body: Vec<u8>,
    /// Whether there was more.
    pub truncated: bool,
}

impl Connector {
    /// Sends a request and reads its answer, as much of it as the bounds allow. The
    /// secret that went with the request is not in it, also where the server sends
    /// it back.
    ///
    /// # Errors
    ///
    /// Every reason why it must not go out, or what went wrong.
    pub async fn fetch(&self, scope: Scope<'_>, request: Request) -> Result<Fetched, EgressError> {
        let secret = request.attachment.as_ref().map(|attachment| attachment.secret.clone());
        let Response { status, mut headers, target, reached, body } = self.send(scope, request).await?;
        let (mut body, truncated) = body.collect().await?;
        if let Some(secret) = &secret {
            body = without(body, secret);
            for value in headers.values_mut() {
                if contains(value.as_bytes(), secret) {
                    *value = HeaderValue::from_static("[secret]");
                }
            }
        }
        Ok(Fetched { status, headers, target, reached, body, truncated })
    }
}

fn contains(bytes: &[u8], secret: &Secret) -> bool {
    let secret = secret.expose().as_bytes();
    !secret.is_empty() && bytes.windows(secret.len()).any(|window| window == secret)
}

fn without(bytes: Vec<u8>, secret: &Secret) -> Vec<u8> {
    if !contains(&bytes, secret) {
        return bytes;
    }
    let secret = secret.expose().as_bytes();
    let (mut clean, mut rest) = (Vec::with_capacity(bytes.len()), bytes.as_slice());
    while let Some((first, others)) = rest.split_first() {
        match rest.strip_prefix(secret) {
            Some(after) => {
                clean.extend_from_slice(HIDDEN);
                rest = after;
            }
            None => {
                clean.push(*first);
                rest = others;
            }
        }
    }
    clean
}

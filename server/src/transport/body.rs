//! Reading a request's body, within limits of size and time.

use std::time::Duration;

use axum::body::{Body, Bytes};
use bytes::BytesMut;
use http::{
    HeaderMap,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::{BodyExt, Limited};
use tokio::time::timeout;

use super::{
    bodies::{Full, Share},
    refusal::Refusal,
};

/// How large a message may be.
pub(super) const LIMIT: usize = 4 * 1024 * 1024;

/// How much of the body of a refused request is read and thrown away, and how
/// long that may take. Without it, a client that is still sending would see a
/// broken connection in place of the answer.
const DISCARD: usize = 256 * 1024;
const DISCARD_TOO_LARGE: usize = 4 * LIMIT;
const DISCARD_PATIENCE: Duration = Duration::from_secs(5);

/// The body, announced as JSON and read whole, if it arrives in time and there is
/// room for it.
pub(super) async fn read(
    headers: &HeaderMap,
    body: &mut Body,
    share: Share,
    patience: Duration,
) -> Result<Bytes, Refusal> {
    if !is_json(headers) {
        return Err(Refusal::MediaType);
    }
    if announced(headers).is_some_and(|length| length > LIMIT) {
        return Err(Refusal::TooLarge { limit: LIMIT });
    }
    timeout(patience, collect(body, share)).await.unwrap_or(Err(Refusal::Slow))
}

async fn collect(body: &mut Body, mut share: Share) -> Result<Bytes, Refusal> {
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::Body)?;
        let Some(data) = frame.data_ref() else { continue };
        if collected.len() + data.len() > LIMIT {
            return Err(Refusal::TooLarge { limit: LIMIT });
        }
        share.grow(data.len()).map_err(|Full| Refusal::NoRoom)?;
        collected.extend_from_slice(data);
    }
    Ok(collected.freeze())
}

/// Reads on after a refusal.
pub(super) async fn discard(body: Body, refusal: &Refusal) {
    let limit = match refusal {
        Refusal::TooLarge { .. } | Refusal::NoRoom => DISCARD_TOO_LARGE,
        // There is nothing to wait for, or too many wait.
        Refusal::Slow | Refusal::Body | Refusal::Crowded(_) => return,
        _ => DISCARD,
    };
    let mut body = Limited::new(body, limit);
    let read_on = async { while let Some(Ok(_)) = body.frame().await {} };
    // However it ends, what follows is the refusal.
    let _ = timeout(DISCARD_PATIENCE, read_on).await;
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::HeaderValue;

    use super::{super::bodies::Bodies, *};

    const PATIENCE: Duration = Duration::from_secs(30);

    async fn read(headers: &HeaderMap, body: &mut Body) -> Result<Bytes, Refusal> {
        let share = Arc::<Bodies>::default().begin("laptop".parse().unwrap());
        super::read(headers, body, share, PATIENCE).await
    }

    fn headers(content_type: &str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_bytes(content_type.as_bytes()).unwrap())])
    }

    #[tokio::test]
    async fn only_what_is_announced_as_json_is_read() {
        for (content_type, read_it) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("", false),
            ("text/plain", false),
            ("application/json-patch+json", false),
            ("text/plain; application/json", false),
        ] {
            let expected = if read_it { Ok(Bytes::from("{}")) } else { Err(Refusal::MediaType) };
            assert_eq!(read(&headers(content_type), &mut Body::from("{}")).await, expected, "{content_type}");
        }
        assert_eq!(read(&HeaderMap::new(), &mut Body::from("{}")).await, Err(Refusal::MediaType));
    }

    #[tokio::test]
    async fn the_limit_counts_what_arrives_and_what_is_announced() {
        let json = headers("application/json");
        assert_eq!(read(&json, &mut Body::from(vec![b' '; LIMIT])).await.unwrap().len(), LIMIT);
        let too_large = Err(Refusal::TooLarge { limit: LIMIT });
        assert_eq!(read(&json, &mut Body::from(vec![b' '; LIMIT + 1])).await, too_large);
        let mut announced = json;
        announced.insert(CONTENT_LENGTH, (LIMIT + 1).into());
        assert_eq!(read(&announced, &mut Body::empty()).await, too_large);
    }
}

//! Answers that begin before there is one. Where there are no sessions, rmcp sends
//! the headers of a response with its first message; clients and proxies give up a
//! request of which they have seen nothing for a minute.

use std::{convert::Infallible, pin::Pin, time::Duration};

use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
};
use futures::stream;
use http::{HeaderValue, header};
use http_body_util::BodyExt;
use rmcp::model::RequestId;
use tokio::time::timeout;

use super::refusal::Refusal;

/// What an event stream says when it has nothing to say.
const COMMENT: &[u8] = b": the call still runs\n\n";

type Answer = Pin<Box<dyn Future<Output = Result<Response, Refusal>> + Send>>;

/// Waits for an answer. Of one that is not there after `pace` the headers leave,
/// and then a comment every `pace` until it is. Whoever drops the response drops
/// the answer.
pub(super) async fn begin(
    answer: impl Future<Output = Result<Response, Refusal>> + Send + 'static,
    id: RequestId,
    pace: Duration,
) -> Result<Response, Refusal> {
    let mut answer: Answer = Box::pin(answer);
    match timeout(pace, &mut answer).await {
        Ok(answer) => answer,
        Err(_) => Ok(events(answer, id, pace)),
    }
}

enum Stage {
    /// With the next comment to send.
    Waiting(Answer, &'static [u8]),
    Streaming(Body),
    Over,
}

fn events(answer: Answer, id: RequestId, pace: Duration) -> Response {
    let stages = stream::unfold(Stage::Waiting(answer, COMMENT), move |stage| next(stage, id.clone(), pace));
    let mut response = Response::new(Body::from_stream(stages));
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn next(mut stage: Stage, id: RequestId, pace: Duration) -> Option<(Result<Bytes, Infallible>, Stage)> {
    loop {
        stage = match stage {
            // The first leaves at once, with the headers.
            Stage::Waiting(answer, comment) if !comment.is_empty() => {
                return Some((Ok(Bytes::from_static(comment)), Stage::Waiting(answer, b"")));
            }
            Stage::Waiting(mut answer, _) => match timeout(pace, &mut answer).await {
                Err(_) => Stage::Waiting(answer, COMMENT),
                Ok(Ok(response)) if is_stream(&response) => Stage::Streaming(response.into_body()),
                Ok(response) => {
                    let response = response.unwrap_or_else(|refusal| refusal.late(id).into_response());
                    let body = response.into_body().collect().await;
                    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
                    let event = [b"event: message\ndata: ", &*body, b"\n\n"].concat();
                    return Some((Ok(event.into()), Stage::Over));
                }
            },
            Stage::Streaming(mut body) => match body.frame().await?.ok()?.into_data() {
                Ok(data) => return Some((Ok(data), Stage::Streaming(body))),
                Err(_) => Stage::Streaming(body),
            },
            Stage::Over => return None,
        };
    }
}

fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

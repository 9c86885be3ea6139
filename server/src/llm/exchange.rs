//! A request to a provider and its streamed answer, whatever the interface.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::{Timestamp, fmt::rfc2822};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;
use server_core::{
    egress::{Attachment, Refusal, Scope, Target},
    llm::{
        ApiKey,
        provider::{Listener, ProviderError, Question, Reply},
    },
    secret::Secret,
};

use super::events::Events;
use crate::egress::{Bounds, Connector, EgressError, Failure, Request, Response};

/// How long a provider may be silent while it answers.
const IDLE: Duration = Duration::from_secs(60);

/// How much is read of an answer, and of one that says what went wrong.
const MOST: u64 = 8 << 20;
const MOST_OF_ERROR: u64 = 64 << 10;

/// How much of what a provider says went wrong is passed on.
const MOST_SAID: usize = 400;

/// So many characters of a key in a word make it one.
const TELLING: usize = 6;

/// How a provider's interface is spoken.
pub(super) struct Speech<'a> {
    /// Below the base URL.
    pub(super) path: &'a str,
    /// Where the key goes, and what stands before it there.
    pub(super) key: (&'static str, &'static str),
    /// What else it wants to have in the head.
    pub(super) headers: &'a [(&'static str, &'static str)],
    pub(super) body: Value,
}

/// Makes sense of the events of a stream.
pub(super) trait Reading {
    /// One more event.
    fn event(&mut self, data: &str, listener: &dyn Listener) -> Result<(), ProviderError>;

    /// The reply, if the stream came to its end.
    fn reply(self) -> Option<Reply>;
}

/// Adds a field to a request's body, where there is something to say.
pub(super) fn set(body: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let (Value::Object(body), Some(value)) = (body, value) {
        body.insert(name.to_owned(), value.into());
    }
}

/// What is written in no way that can be understood, such as a negative number of
/// tokens, was not told: an answer is not lost for that.
pub(super) fn told<'de, D, T>(value: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(serde_json::from_value(Value::deserialize(value)?).ok())
}

/// Asks, and reads the answer as it comes.
pub(super) async fn exchange(
    connector: &Connector,
    question: &Question<'_>,
    listener: &dyn Listener,
    speech: Speech<'_>,
    mut reading: impl Reading,
) -> Result<Reply, ProviderError> {
    let mut response = send(connector, question, listener, speech).await?;
    let mut events = Events::default();
    while let Some(piece) = response.body.chunk().await.map_err(cut_off)? {
        let ended = events.take(&piece).map_err(|_| malformed("an event has no end"))?;
        ended.iter().try_for_each(|data| reading.event(data, listener))?;
    }
    if let Some(data) = events.finish() {
        reading.event(&data, listener)?;
    }
    reading.reply().ok_or_else(|| ProviderError::CutOff("it ended in the middle".to_owned()))
}

async fn send(
    connector: &Connector,
    question: &Question<'_>,
    listener: &dyn Listener,
    speech: Speech<'_>,
) -> Result<Response, ProviderError> {
    let scope = Scope::for_agent(question.permit).map_err(ProviderError::Refused)?;
    let url = format!("{}/{}", question.provider.base_url.as_str().trim_end_matches('/'), speech.path);
    let refused =
        |refusals: Vec<Refusal>| ProviderError::Refused(refusals.into_iter().map(Into::into).collect());
    let target = Target::parse(&url).map_err(|error| refused(vec![Refusal::Url(error)]))?;
    connector.admit(scope, target.destination()).map_err(refused)?;
    let destination = target.destination().clone();
    let key = match &question.provider.key {
        ApiKey::Is(key) => Some(key),
        ApiKey::None | ApiKey::Missing { .. } => None,
    };
    let (header, prefix) = speech.key;
    let request = Request {
        headers: headers(speech.headers),
        body: speech.body.to_string().into(),
        attachment: key.map(|key| Attachment::new(destination.clone(), header, prefix, key.clone())),
        bounds: Bounds {
            head: question.timeout,
            idle: IDLE.min(question.timeout),
            whole: question.timeout,
            body_bytes: MOST,
            // An API does not move, and a prompt goes nowhere else.
            redirects: 0,
        },
        ..Request::new(Method::POST, target)
    };
    listener.sent(&destination.to_string());
    let response = connector.send(scope, request).await.map_err(|error| match error {
        EgressError::Refused(refusals) => refused(refusals),
        EgressError::Failed(failure) => failed(failure),
    })?;
    if response.status.is_success() { Ok(response) } else { Err(status(response, key).await) }
}

fn headers(given: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
    for (name, value) in given {
        headers.insert(*name, HeaderValue::from_static(value));
    }
    headers
}

/// What went wrong before there was an answer.
fn failed(failure: Failure) -> ProviderError {
    match failure {
        Failure::TooSlow(_) => ProviderError::TimedOut,
        Failure::NoSuchHost(_)
        | Failure::Lookup { .. }
        | Failure::Connect { .. }
        | Failure::Tls { .. }
        | Failure::Request(_) => ProviderError::Unreachable(failure.to_string()),
        failure => ProviderError::CutOff(failure.to_string()),
    }
}

fn cut_off(error: EgressError) -> ProviderError {
    ProviderError::CutOff(error.to_string())
}

pub(super) fn malformed(what: &str) -> ProviderError {
    ProviderError::Malformed(what.to_owned())
}

async fn status(response: Response, key: Option<&Secret>) -> ProviderError {
    let (status, retry_after) = (response.status, retry_after(&response.headers, Timestamp::now()));
    let message = match status {
        // What it says of a key has a part of the key in it.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "it does not take the server's API key".to_owned()
        }
        status if status.is_redirection() => "it is somewhere else: correct `base_url`".to_owned(),
        _ => {
            let mut body = response.body;
            let mut read = Vec::new();
            while let Ok(Some(piece)) = body.chunk().await {
                read.extend_from_slice(&piece);
                if read.len() as u64 > MOST_OF_ERROR {
                    break;
                }
            }
            said(&read, key)
        }
    };
    ProviderError::Status { status: status.as_u16(), message, retry_after }
}

/// What an answer says went wrong, without what may be a key.
fn said(body: &[u8], key: Option<&Secret>) -> String {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let message = json.as_ref().and_then(|json| message(json.get("error")?));
    let message = message.unwrap_or("no reason given");
    readable(message, key)
}

/// The message of an error: a text, or an object with one.
pub(super) fn message(error: &Value) -> Option<&str> {
    error.as_str().or_else(|| error.get("message")?.as_str())
}

/// A provider's words on one line, without what may be a key.
pub(super) fn readable(message: &str, key: Option<&Secret>) -> String {
    let beginning = key.and_then(|key| key.expose().get(..TELLING));
    let words = message.split_whitespace().map(|word| match beginning {
        Some(beginning) if word.contains(beginning) => "…",
        _ => word,
    });
    let mut text = words.collect::<Vec<_>>().join(" ");
    text.retain(|c| !c.is_control());
    if text.len() > MOST_SAID {
        text.truncate(text.floor_char_boundary(MOST_SAID));
        text.push('…');
    }
    text
}

/// When a provider wants to be asked again: milliseconds, seconds or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |name: &str, unit: f64| {
        let value: f64 = text(name)?.parse().ok()?;
        Duration::try_from_secs_f64(value * unit).ok()
    };
    number("retry-after-ms", 0.001).or_else(|| number("retry-after", 1.0)).or_else(|| {
        let at = rfc2822::parse(text("retry-after")?).ok()?.timestamp();
        Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_says_went_wrong_is_passed_on_readable_and_without_its_key() {
        let key = Secret::new("sk-proj-abcdefghijklmnop");
        for (body, expected) in [
            (r#"{"error":{"message":"model not\n found","type":"x"}}"#, "model not found"),
            (r#"{"error":"out of memory"}"#, "out of memory"),
            (r#"{"error":{"message":"Bad key sk-proj-ab***op, sorry"}}"#, "Bad key … sorry"),
            (r#"{"detail":"x"}"#, "no reason given"),
            ("<html>", "no reason given"),
        ] {
            assert_eq!(said(body.as_bytes(), Some(&key)), expected, "{body}");
        }
        assert_eq!(readable(&"x".repeat(1000), None).len(), 400 + '…'.len_utf8());
    }

    #[test]
    fn a_provider_says_when_to_ask_again_in_milliseconds_seconds_or_as_a_date() {
        let now = "2026-11-25T12:00:00Z".parse().unwrap();
        for (name, value, expected) in [
            ("retry-after-ms", "1500", Some(1500)),
            ("retry-after", "7", Some(7000)),
            ("retry-after", "0.5", Some(500)),
            ("retry-after", "Wed, 25 Nov 2026 12:00:30 GMT", Some(30_000)),
            ("retry-after", "Wed, 25 Nov 2026 11:00:00 GMT", Some(0)),
            ("retry-after", "-1", None),
            ("retry-after", "soon", None),
            ("retry-after", "1e300", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_millis), "{value}");
        }
    }
}

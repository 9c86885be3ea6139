//! `POST /reload` and `POST /rollback`: they answer when it is done, or is not
//! going to be.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_TYPE, ETAG, IF_MATCH},
};
use http_body_util::{BodyExt, Limited};
use tokio::time::timeout;
use url::form_urlencoded;

use super::{Shared, problem::Problem};
use crate::{
    reload::{Ask, Outcome, Report},
    transport::names::Wire,
};

/// How much is read of a body before it is refused, and how long that may take.
const BODY: usize = 4096;
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn reload(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let by = by(&request);
    let asked = match asked(&request) {
        Ok(ask) => without_body(request.into_body()).await.map(|()| ask),
        Err(problem) => Err(problem),
    };
    match (asked, shared.parts.get()) {
        (Ok(ask), Some(parts)) => respond(&parts.control.reload(Ask { by, ..ask }).await),
        (Ok(_), None) => Problem::INTERNAL.into_response(),
        (Err(problem), _) => problem.into_response(),
    }
}

pub(super) async fn rollback(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let by = by(&request);
    let to = match generation(&request) {
        Ok(to) => without_body(request.into_body()).await.map(|()| to),
        Err(problem) => Err(problem),
    };
    match (to, shared.parts.get()) {
        (Ok(to), Some(parts)) => respond(&parts.control.rollback(to, by).await),
        (Ok(_), None) => Problem::INTERNAL.into_response(),
        (Err(problem), _) => problem.into_response(),
    }
}

/// Who orders it, as far as that can be told: all have the same token.
fn by(request: &Request) -> Option<String> {
    let wire = request.extensions().get::<Wire>()?;
    Some(format!("the admin token, from {}", wire.peer.ip().to_canonical()))
}

fn respond(report: &Report) -> Response {
    let Ok(body) = serde_json::to_string(report) else { return Problem::INTERNAL.into_response() };
    let headers =
        [(CONTENT_TYPE, "application/json".to_owned()), (ETAG, format!("\"{}\"", report.config_sha256))];
    (status(report), headers, body).into_response()
}

fn status(report: &Report) -> StatusCode {
    match report.result {
        Outcome::Applied | Outcome::Unchanged => StatusCode::OK,
        Outcome::Mismatch => StatusCode::PRECONDITION_FAILED,
        Outcome::Held => StatusCode::CONFLICT,
        // The configuration is wrong, or the server cannot follow it now.
        Outcome::Refused if report.problems.is_empty() => StatusCode::CONFLICT,
        Outcome::Refused => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn asked(request: &Request) -> Result<Ask, Problem> {
    let mut ask = Ask { if_match: if_match(request.headers()), ..Ask::default() };
    for (name, value) in form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()) {
        match (name.as_ref(), value.as_ref()) {
            ("dry_run", "1" | "true") => ask.dry_run = true,
            ("dry_run", "0" | "false") => ask.dry_run = false,
            ("confirm", sha256) if is_sha256(sha256) => ask.confirm = Some(sha256.to_ascii_lowercase()),
            ("dry_run", _) => return Err(wrong("dry_run", "1 or 0")),
            ("confirm", _) => return Err(wrong("confirm", "a SHA-256, 64 hexadecimal digits")),
            _ => return Err(unknown(&name, "`dry_run` and `confirm`")),
        }
    }
    Ok(ask)
}

fn generation(request: &Request) -> Result<Option<u64>, Problem> {
    let mut to = None;
    for (name, value) in form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()) {
        if name != "to" {
            return Err(unknown(&name, "`to`"));
        }
        to = Some(value.parse().map_err(|_| wrong("to", "a generation, as /status tells them"))?);
    }
    Ok(to)
}

/// The configuration that must be in force, by its SHA-256. A `*` is any.
fn if_match(headers: &HeaderMap) -> Option<String> {
    let value = String::from_utf8_lossy(headers.get(IF_MATCH)?.as_bytes()).trim().to_ascii_lowercase();
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(&value);
    (value != "*").then(|| value.to_owned())
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn wrong(name: &str, wanted: &str) -> Problem {
    Problem::parameter(format!("the parameter `{name}` must be {wanted}"))
}

fn unknown(name: &str, known: &str) -> Problem {
    let name: String = name.chars().take(64).collect();
    Problem::parameter(format!("there is no parameter `{name}` here, but {known}"))
}

/// Whoever sends a body means it to count, and it would not.
pub(super) async fn without_body(body: Body) -> Result<(), Problem> {
    let read = timeout(PATIENCE, Limited::new(body, BODY).collect()).await;
    let is_empty = read.is_ok_and(|read| read.is_ok_and(|body| body.to_bytes().is_empty()));
    if is_empty { Ok(()) } else { Err(Problem::BODY) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA256: &str = "9d2bca0b19ea00000000000000000000000000000000000000000000000000aa";

    fn request(uri: &str, if_match: Option<&str>) -> Request {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = uri.parse().unwrap();
        if let Some(value) = if_match {
            request.headers_mut().insert(IF_MATCH, value.parse().unwrap());
        }
        request
    }

    #[test]
    fn a_reload_is_asked_for_as_the_url_and_if_match_say() {
        let confirm = format!("/reload?dry_run=1&confirm={SHA256}");
        let quoted = format!("\"{SHA256}\"");
        let sha256 = || Some(SHA256.to_owned());
        for (uri, if_match, expected) in [
            ("/reload", None, Ask::default()),
            ("/reload?", Some("*"), Ask::default()),
            ("/reload?dry_run=0", Some(SHA256), Ask { if_match: sha256(), ..Ask::default() }),
            (
                "/reload?dry_run=true",
                Some(&quoted),
                Ask { dry_run: true, if_match: sha256(), ..Ask::default() },
            ),
            (
                &confirm,
                Some(&SHA256.to_uppercase()),
                Ask { dry_run: true, if_match: sha256(), confirm: sha256(), by: None },
            ),
        ] {
            assert_eq!(asked(&request(uri, if_match)), Ok(expected), "{uri} {if_match:?}");
        }
        for (uri, message) in [
            ("/reload?dryrun=1", "there is no parameter `dryrun` here, but `dry_run` and `confirm`"),
            ("/reload?dry_run", "the parameter `dry_run` must be 1 or 0"),
            ("/reload?confirm=yes", "the parameter `confirm` must be a SHA-256, 64 hexadecimal digits"),
        ] {
            assert_eq!(asked(&request(uri, None)), Err(Problem::parameter(message.to_owned())), "{uri}");
        }
    }

    #[test]
    fn a_rollback_may_name_its_generation() {
        for (uri, expected) in [("/rollback", Ok(None)), ("/rollback?to=3", Ok(Some(3)))] {
            assert_eq!(generation(&request(uri, None)), expected);
        }
        for (uri, message) in [
            ("/rollback?to=-1", "the parameter `to` must be a generation, as /status tells them"),
            ("/rollback?generation=1", "there is no parameter `generation` here, but `to`"),
        ] {
            assert_eq!(generation(&request(uri, None)), Err(Problem::parameter(message.to_owned())));
        }
    }

    #[tokio::test]
    async fn a_body_is_not_taken() {
        assert_eq!(without_body(Body::empty()).await, Ok(()));
        assert_eq!(without_body(Body::from("version: 1")).await, Err(Problem::BODY));
        assert_eq!(without_body(Body::from(vec![b' '; 2 * BODY])).await, Err(Problem::BODY));
    }
}

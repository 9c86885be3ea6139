//! What is wrong with a request, for the person who sent it.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header::CONTENT_TYPE};
use serde_json::json;

use crate::budget::Unavailable;

/// A request that cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    error: &'static str,
    message: Cow<'static, str>,
}

impl Problem {
    pub(super) const NOT_FOUND: Self = Self::fixed(
        StatusCode::NOT_FOUND,
        "not_found",
        "there are GET /metrics, /status and /budgets, and POST /explain, /reload, /rollback, /budgets/release and /budgets/set here",
    );
    pub(super) const METHOD: Self = Self::fixed(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "/metrics, /status and /budgets take GET, the others take POST",
    );
    pub(super) const WEB_PAGE: Self = Self::fixed(
        StatusCode::FORBIDDEN,
        "origin_not_allowed",
        "this door is for programs, and the header `Origin` says that a web page is asking",
    );
    pub(super) const BODY: Self = Self::fixed(
        StatusCode::BAD_REQUEST,
        "body_not_taken",
        "this takes no body: the configuration is read from the server's own files",
    );
    pub(super) const INTERNAL: Self =
        Self::fixed(StatusCode::INTERNAL_SERVER_ERROR, "internal", "internal error");

    const fn fixed(status: StatusCode, error: &'static str, message: &'static str) -> Self {
        Self { status, error, message: Cow::Borrowed(message) }
    }

    /// Of what is asked about something that is not there.
    pub(super) fn nothing(error: &'static str, message: String) -> Self {
        Self { status: StatusCode::NOT_FOUND, error, message: message.into() }
    }

    /// Of what the body asks.
    pub(super) fn question(message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error: "bad_question", message: message.into() }
    }

    /// The books of budgets cannot be read or written.
    pub(super) fn books(why: &Unavailable) -> Self {
        let message = format!("the budgets cannot be read or written: {why}").into();
        Self { status: StatusCode::SERVICE_UNAVAILABLE, error: "budgets_unavailable", message }
    }

    /// Of what follows `?`.
    pub(super) fn parameter(message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error: "bad_parameter", message: message.into() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "message": self.message }).to_string();
        (self.status, [(CONTENT_TYPE, "application/json")], body).into_response()
    }
}

//! Requests that never reach MCP, and the one place where that becomes HTTP.
//! Bodies are short JSON, because clients show them to people as they are.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use rmcp::model::{ErrorCode, ErrorData, JsonRpcError, RequestId};
use serde_json::json;
use server_core::id::AgentId;

use super::{bearer::NoAccess, message::Malformed, sessions};
use crate::mcp::{REFUSED, STOPPING};

/// Why a request goes no further.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refusal {
    /// Nothing lives at the path.
    NotFound,
    /// The path is one of OAuth's.
    NoOAuth,
    /// The path takes other methods.
    Method { allow: &'static str },
    /// No host, several, or something that is none.
    NoHost,
    /// The host is not one of the server's.
    Host(String),
    /// A web page from elsewhere.
    Origin(String),
    /// No valid token.
    Unauthorized(NoAccess),
    /// The same, with too many others waiting to hear it.
    Crowded(NoAccess),
    /// The body is not announced as JSON.
    MediaType,
    /// The body is too large.
    TooLarge { limit: usize },
    /// The body did not arrive.
    Body,
    /// The body did not arrive in time.
    Slow,
    /// Large bodies that are arriving take all the room there is for them.
    NoRoom,
    /// The body is no message.
    Malformed(Malformed),
    /// Another request in flight bears the id.
    IdInUse(RequestId),
    /// The agent has no session that could give way.
    AllBusy { id: RequestId, agent: AgentId },
    /// The message belongs to a session and names none.
    NoSession,
    /// No such session, or another agent's.
    UnknownSession,
    /// The server is about to stop.
    Draining,
    /// Its client cancelled it.
    Cancelled(RequestId),
    /// What is refused after the response has begun.
    Late(RequestId, &'static str),
    /// What rmcp refused in plain words.
    Protocol { status: StatusCode, message: String },
    /// A fault of the server's own.
    Internal,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound => {
                plain(StatusCode::NOT_FOUND, "not_found", "there is nothing here; MCP is at `/mcp`")
            }
            Self::NoOAuth => {
                let message = "there is no OAuth here: send `Authorization: Bearer <token>`, with a token from the operator";
                plain(StatusCode::NOT_FOUND, "not_found", message)
            }
            Self::Method { allow } => {
                let message = format!("this takes {allow} only");
                let response = plain(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &message);
                with(response, header::ALLOW, allow)
            }
            Self::NoHost => plain(StatusCode::BAD_REQUEST, "bad_host", "the request must name one host"),
            Self::Host(host) => {
                let message = format!("host `{host}` is not allowed: add it to `server.allowed_hosts`");
                plain(StatusCode::FORBIDDEN, "host_not_allowed", &message)
            }
            Self::Origin(origin) => {
                let message = format!("origin `{origin}` is not allowed: add it to `server.allowed_origins`");
                plain(StatusCode::FORBIDDEN, "origin_not_allowed", &message)
            }
            Self::Unauthorized(why) => {
                let response = plain(StatusCode::UNAUTHORIZED, "unauthorized", &why.to_string());
                with(response, header::WWW_AUTHENTICATE, "Bearer")
            }
            Self::Crowded(why) => with(Self::Unauthorized(why).into_response(), header::CONNECTION, "close"),
            Self::MediaType => plain(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "media_type",
                "the content type must be `application/json`",
            ),
            Self::TooLarge { limit } => {
                let message = format!("the body has more than {limit} bytes");
                json_rpc(StatusCode::PAYLOAD_TOO_LARGE, None, ErrorCode::INVALID_REQUEST, message)
            }
            Self::Body => plain(StatusCode::BAD_REQUEST, "bad_body", "the body did not arrive whole"),
            Self::Slow => plain(StatusCode::REQUEST_TIMEOUT, "timeout", "the body did not arrive in time"),
            Self::NoRoom => {
                let message = "large messages of this agent, or of all together, are arriving already and take all the room there is: try again when they are there";
                let response = plain(StatusCode::SERVICE_UNAVAILABLE, "server_overloaded", message);
                with(response, header::RETRY_AFTER, "1")
            }
            Self::Malformed(Malformed { code, message }) => {
                json_rpc(StatusCode::BAD_REQUEST, None, code, message)
            }
            Self::IdInUse(id) => {
                let message = "the id is in use by a request in flight".to_owned();
                json_rpc(StatusCode::BAD_REQUEST, Some(id), ErrorCode::INVALID_REQUEST, message)
            }
            Self::AllBusy { id, agent } => {
                let limit = sessions::PER_AGENT;
                let message = format!(
                    "agent `{agent}` has {limit} sessions and all are busy: end one, or wait for a call"
                );
                json_rpc(StatusCode::OK, Some(id), REFUSED, message)
            }
            Self::NoSession => {
                plain(StatusCode::BAD_REQUEST, "no_session", "the header `Mcp-Session-Id` is missing")
            }
            Self::UnknownSession => plain(
                StatusCode::NOT_FOUND,
                "unknown_session",
                "there is no such session: send `initialize` for another",
            ),
            Self::Draining => {
                let response = plain(StatusCode::SERVICE_UNAVAILABLE, "stopping", STOPPING);
                with(response, header::CONNECTION, "close")
            }
            Self::Cancelled(id) => {
                let message = "the request was cancelled".to_owned();
                json_rpc(StatusCode::OK, Some(id), ErrorCode::INTERNAL_ERROR, message)
            }
            Self::Late(id, message) => {
                json_rpc(StatusCode::OK, Some(id), ErrorCode::INTERNAL_ERROR, message.to_owned())
            }
            Self::Protocol { status, message } => plain(status, "refused", &message),
            Self::Internal => plain(StatusCode::INTERNAL_SERVER_ERROR, "internal", "internal error"),
        }
    }
}

impl Refusal {
    /// The same for a client that has seen the headers of a response already.
    pub(super) fn late(self, id: RequestId) -> Self {
        match self {
            Self::Cancelled(id) => Self::Cancelled(id),
            Self::Draining => Self::Late(id, STOPPING),
            _ => Self::Late(id, "internal error"),
        }
    }
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

fn plain(status: StatusCode, error: &str, message: &str) -> Response {
    respond(status, json!({ "error": error, "message": message }).to_string())
}

/// A JSON-RPC error. Without an id where none could be read.
fn json_rpc(status: StatusCode, id: Option<RequestId>, code: ErrorCode, message: String) -> Response {
    let error = JsonRpcError::new(id, ErrorData::new(code, message, None));
    let mut error = json!(error);
    if let Some(object) = error.as_object_mut() {
        object.entry("id").or_insert_with(Default::default);
    }
    respond(status, error.to_string())
}

fn respond(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    with(response, header::CONTENT_TYPE, "application/json")
}

fn with(mut response: Response, name: header::HeaderName, value: &'static str) -> Response {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

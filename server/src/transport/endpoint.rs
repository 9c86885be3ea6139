//! `/mcp`: everything that is asked of a request before rmcp may have it, in
//! order, and what is made of rmcp's reply.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
    request,
};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use server_core::snapshot::Snapshot;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::error;

use super::{
    Shared, bearer, body,
    cancels::Cancellable,
    client,
    connections::{Busy, Guest},
    early,
    held::Held,
    message::{Malformed, Message},
    names::{self, Wire},
    refusal::Refusal,
    sessions::{AllBusy, NoEntry, Visit},
    throttle::Crowded,
};
use crate::mcp::{self, Caller};

const SESSION: &str = "mcp-session-id";
const LAST_EVENT: &str = "last-event-id";
const REVISION: &str = "mcp-protocol-version";

/// The first revision without sessions.
const STATELESS: &str = "2026-07-28";

/// A request under way. It goes along with the request into its handler, and
/// with the response to the client, and is over when both are.
struct Flight {
    /// Keeps the server from stopping.
    _call: TaskTrackerToken,
    /// Keeps its connection from giving way to others.
    _busy: Option<Busy>,
    visit: Option<Visit>,
}

impl Flight {
    fn session_is_over(&self) -> bool {
        self.visit.as_ref().is_some_and(Visit::is_over)
    }
}

type Request = http::Request<Body>;
type RmcpResponse = http::Response<BoxBody<Bytes, Infallible>>;

pub(super) async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, mut body) = request.into_parts();
    match enter(&shared, parts, &mut body).await {
        Ok(response) => response,
        Err(refusal) => {
            body::discard(body, &refusal).await;
            refusal.into_response()
        }
    }
}

async fn enter(
    shared: &Arc<Shared>,
    mut parts: request::Parts,
    body: &mut Body,
) -> Result<Response, Refusal> {
    let wire = *parts.extensions.get::<Wire>().ok_or(Refusal::Internal)?;
    let snapshot = shared.gateway.live().load();
    let server = &snapshot.settings.server;
    names::host(&parts.uri, &parts.headers, server, wire)?;
    names::origin(&parts.headers, server, wire)?;
    let caller = authenticate(shared, &snapshot, &parts, wire).await?;
    drop(snapshot);
    if let Some(guest) = parts.extensions.get::<Arc<Guest>>() {
        guest.is_known_as(caller.principal.agent.as_str());
    }
    // From here on nobody needs the token, so nobody can leak it.
    parts.headers.remove(AUTHORIZATION);
    parts.extensions.insert(caller.clone());
    match parts.method {
        Method::POST => post(shared, caller, parts, body).await,
        Method::GET => stream(shared, &caller, parts).await,
        Method::DELETE => delete(shared, &caller, &parts),
        _ => Err(Refusal::Method { allow: "POST, GET, DELETE" }),
    }
}

async fn authenticate(
    shared: &Shared,
    snapshot: &Snapshot,
    parts: &request::Parts,
    wire: Wire,
) -> Result<Caller, Refusal> {
    let address = client::address(wire.peer.ip(), &parts.headers, &snapshot.settings.server);
    let why = match bearer::token(&parts.headers) {
        Ok(token) => match snapshot.authenticate(token) {
            Some(caller) => return Ok(Caller { address: Some(address), ..caller }),
            None => bearer::NoAccess::UnknownToken,
        },
        Err(why) => why,
    };
    Err(match shared.throttle.failed(address, parts.uri.path(), why).await {
        Ok(()) => Refusal::Unauthorized(why),
        Err(Crowded) => Refusal::Crowded(why),
    })
}

async fn post(
    shared: &Arc<Shared>,
    caller: Caller,
    mut parts: request::Parts,
    body: &mut Body,
) -> Result<Response, Refusal> {
    let patience = shared.gateway.live().load().settings.server.load.client_timeout;
    let share = shared.bodies.begin(caller.principal.agent.clone());
    let body = body::read(&parts.headers, body, share, patience).await?;
    // It may have taken its time, and who had the token may have it no more.
    let caller = caller.anew(&shared.gateway.live().load());
    let caller = caller.ok_or(Refusal::Unauthorized(bearer::NoAccess::UnknownToken))?;
    parts.extensions.insert(caller.clone());
    let message = Message::read(&body)?;
    // What is under way may still be cancelled, and its questions be answered.
    if message.id().is_some() && shared.readiness.draining() {
        return Err(Refusal::Draining);
    }
    let visit = match session(&mut parts.headers) {
        Some(session) => Some(visit(shared, &caller, &session?, &message)?),
        None => None,
    };
    if !is_stateless(&parts.headers) {
        return respond(shared.clone(), caller, parts, body, message, visit, None).await;
    }
    match &message {
        Message::Request { id, .. } => {
            let (id, pace) = (id.clone(), shared.pace);
            let cancellable = shared.cancels.enter(caller.token, id.clone());
            let answer = respond(shared.clone(), caller, parts, body, message, None, Some(cancellable));
            early::begin(answer, id, pace).await
        }
        Message::OneWay { cancels } => {
            if let Some(id) = cancels {
                shared.cancels.cancel(caller.token, id);
            }
            respond(shared.clone(), caller, parts, body, message, None, None).await
        }
    }
}

/// Has rmcp answer, and makes HTTP of how that ends.
async fn respond(
    shared: Arc<Shared>,
    caller: Caller,
    mut parts: request::Parts,
    body: Bytes,
    message: Message,
    visit: Option<Visit>,
    cancellable: Option<Cancellable>,
) -> Result<Response, Refusal> {
    // In a session the answer has begun already, and has its own end.
    let cut = || visit.is_none().then(|| shared.cut.clone());
    let ended = cancellable.as_ref().map(|cancellable| cancellable.token().clone()).or_else(cut);
    let flight = Arc::new(Flight { _call: shared.calls.token(), _busy: busy(&parts), visit });
    parts.extensions.insert(flight.clone());
    // Boxed at once: it is large, and whatever wraps it would be several times so.
    let handled = Box::pin(shared.rmcp.handle(http::Request::from_parts(parts, Full::new(body.clone()))));
    let handled = mcp::on_behalf_of(caller.principal.clone(), handled);
    let id = message.id().cloned();
    let handled = async {
        match message {
            Message::Request { id, initialize: true } => {
                let busy = |AllBusy| Refusal::AllBusy { id, agent: caller.principal.agent.clone() };
                shared.sessions.opening(&caller, handled).await.map_err(busy)
            }
            Message::Request { .. } | Message::OneWay { .. } => Ok(handled.await),
        }
    };
    let response = match &ended {
        None => handled.await,
        Some(ended) => match ended.run_until_cancelled(handled).await {
            Some(response) => response,
            None if shared.cut.is_cancelled() => return Err(Refusal::Draining),
            None => return Err(id.map_or(Refusal::Internal, Refusal::Cancelled)),
        },
    }?;
    // In a session the answer has begun already: what closes the session ends it.
    if flight.visit.is_none() && caller.is_nobody(&shared.gateway.live().load()) {
        return Err(Refusal::Unauthorized(bearer::NoAccess::UnknownToken));
    }
    match refused(response).await {
        // Cancelled by its id is the request until it is answered: a task that it
        // becomes goes on with the flight, and the id is the client's again.
        Ok(response) => {
            let cancelled = cancellable.as_ref().map(|cancellable| cancellable.token().clone());
            Ok(response.map(|body| Body::new(Held::new(body, (flight, cancellable)).until(cancelled))))
        }
        // The type was checked, so it is the body that rmcp cannot read.
        Err(Refusal::Protocol { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, .. }) => {
            Err(Malformed::deep(&body).into())
        }
        Err(Refusal::Internal) if shared.readiness.draining() => Err(Refusal::Draining),
        Err(_) if flight.session_is_over() => Err(Refusal::UnknownSession),
        Err(refusal) => Err(refusal),
    }
}

/// The stream on which a session hears of what it did not ask for.
async fn stream(shared: &Shared, caller: &Caller, mut parts: request::Parts) -> Result<Response, Refusal> {
    let Some(session) = session(&mut parts.headers) else {
        return Err(if is_stateless(&parts.headers) {
            Refusal::Method { allow: "POST" }
        } else {
            Refusal::NoSession
        });
    };
    if shared.readiness.draining() {
        return Err(Refusal::Draining);
    }
    let session = session?;
    let visit = if resumes_a_call(&parts.headers) {
        shared.sessions.enter(&session, &caller.principal, None)
    } else {
        shared.sessions.listen(&session, caller).await
    };
    let visit = visit.map_err(|_| Refusal::UnknownSession)?;
    // Looked up after entering: a snapshot that comes later finds the visit.
    if !caller.stands(&shared.gateway.live().load()) {
        return Err(Refusal::UnknownSession);
    }
    let ended = visit.ended().clone();
    let busy = busy(&parts);
    let response = shared.rmcp.handle(http::Request::from_parts(parts, Full::<Bytes>::default())).await;
    let response = refused(response).await?;
    Ok(response.map(|body| Body::new(Held::new(body, (visit, busy)).until(Some(ended)))))
}

fn delete(shared: &Shared, caller: &Caller, parts: &request::Parts) -> Result<Response, Refusal> {
    if is_stateless(&parts.headers) {
        return Err(Refusal::Method { allow: "POST" });
    }
    let session = parts.headers.get(SESSION).ok_or(Refusal::NoSession)?;
    let session = session.to_str().map_err(|_| Refusal::UnknownSession)?;
    if shared.sessions.close(session, &caller.principal) {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(Refusal::UnknownSession)
    }
}

fn busy(parts: &request::Parts) -> Option<Busy> {
    parts.extensions.get::<Arc<Guest>>().map(Guest::busy)
}

/// The session that the headers name, in the revisions that have sessions.
/// Later ones ignore the header, and so must whoever comes after.
fn session(headers: &mut HeaderMap) -> Option<Result<String, Refusal>> {
    if is_stateless(headers) {
        headers.remove(SESSION);
        headers.remove(LAST_EVENT);
        return None;
    }
    let session = headers.get(SESSION)?.to_str();
    Some(session.map(ToOwned::to_owned).map_err(|_| Refusal::UnknownSession))
}

/// Whether a GET asks for the rest of a call's answer, of which rmcp lets there
/// be one for each call, and none that lasts longer than it. It writes the ids
/// of a call's events as `index/call`.
fn resumes_a_call(headers: &HeaderMap) -> bool {
    headers.get(LAST_EVENT).is_some_and(|event| event.as_bytes().contains(&b'/'))
}

fn is_stateless(headers: &HeaderMap) -> bool {
    headers
        .get(REVISION)
        .and_then(|revision| revision.to_str().ok())
        .is_some_and(|revision| revision >= STATELESS)
}

fn visit(shared: &Shared, caller: &Caller, session: &str, message: &Message) -> Result<Visit, Refusal> {
    shared.sessions.enter(session, &caller.principal, message.id()).map_err(|no_entry| {
        match (no_entry, message) {
            (NoEntry::IdInUse, Message::Request { id, .. }) => Refusal::IdInUse(id.clone()),
            (NoEntry::IdInUse | NoEntry::Unknown, _) => Refusal::UnknownSession,
        }
    })
}

/// Takes rmcp's refusals in plain words out of its replies.
async fn refused(response: RmcpResponse) -> Result<RmcpResponse, Refusal> {
    let status = response.status();
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|value| value == "application/json");
    if !(status.is_client_error() || status.is_server_error()) || is_json {
        return Ok(response);
    }
    let Ok(body) = response.into_body().collect().await;
    let words = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    Err(match status {
        StatusCode::NOT_FOUND => Refusal::UnknownSession,
        StatusCode::METHOD_NOT_ALLOWED => Refusal::Method { allow: "POST" },
        StatusCode::BAD_REQUEST if words.ends_with("Session ID is required") => Refusal::NoSession,
        _ if status.is_server_error() => {
            error!(target: "mcp", status = status.as_u16(), reason = words, "a request could not be served");
            Refusal::Internal
        }
        _ => Refusal::Protocol { status, message: words },
    })
}

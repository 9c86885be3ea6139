//! `/healthz` and `/readyz`, for whoever runs the server.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::CONTENT_TYPE};
use serde_json::json;

use super::Shared;
use crate::readiness::LastReload;

/// The process answers.
pub(super) async fn health() -> &'static str {
    "ok"
}

/// It takes calls; and which configuration is in force.
pub(super) async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let audit = shared.gateway.audit().available();
    let ready = audit.is_ok() && !shared.readiness.draining();
    let snapshot = shared.gateway.live().load();
    let (result, problems) = match shared.readiness.last_reload() {
        LastReload::None => ("none", 0),
        LastReload::Applied => ("applied", 0),
        LastReload::Held => ("held", 0),
        LastReload::Refused { problems } => ("refused", problems),
    };
    let body = json!({
        "ready": ready,
        "generation": snapshot.generation,
        "config_sha256": snapshot.config_sha256,
        "last_reload": { "result": result, "problems": problems },
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

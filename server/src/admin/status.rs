//! `GET /status`: all there is to know of the running server, but for what only
//! an agent may know.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::header::{CONTENT_TYPE, ETAG};
use serde_json::{Map, Value, json};
use server_core::{gateway::LimitsInUse, registry::Plugin, snapshot::Snapshot};

use super::Shared;

pub(super) async fn answer(State(shared): State<Arc<Shared>>) -> Response {
    let snapshot = shared.sources.live.load();
    let etag = format!("\"{}\"", snapshot.config_sha256);
    let headers = [(CONTENT_TYPE, "application/json".to_owned()), (ETAG, etag)];
    (headers, shared.status(&snapshot).to_string()).into_response()
}

impl Shared {
    fn status(&self, snapshot: &Snapshot) -> Value {
        let sources = &self.sources;
        let state = sources.reloads.now();
        let addresses = self.parts.get().map(|parts| (parts.addresses)()).unwrap_or_default();
        let listeners = addresses.into_iter().map(|(key, address)| (key.to_owned(), json!(address)));
        let loaded: Vec<_> = snapshot.registry.plugins().map(|plugin| described(plugin)).collect();
        let retired = (sources.retired)();
        let audit = sources.gateway.audit().status();
        let budgets = self.budgets(snapshot).unwrap_or_else(|why| json!({ "trouble": why.0 }));
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": self.begun.elapsed().as_secs(),
            "ready": audit.available && !sources.readiness.draining(),
            "audit": audit,
            "generation": snapshot.generation,
            "config": {
                "files": state.sources.iter().map(|source| &source.path).collect::<Vec<_>>(),
                "sha256": snapshot.config_sha256,
                "source": state.source,
                "since": state.since,
                "stale_bind_mount": state.stale_bind_mount,
            },
            "reloads": state.attempts,
            "rollback_to": state.kept,
            "plugins": { "loaded": loaded, "refused": state.plugins_refused },
            "retired": retired,
            "budgets": budgets,
            "secrets": snapshot.settings.secrets,
            "listeners": Map::from_iter(listeners),
            "sessions": (sources.sessions)(),
            "in_flight": sources.gateway.in_flight(),
            "limits": sources.gateway.limits_in_use().iter().map(limits).collect::<Vec<_>>(),
        })
    }
}

fn limits(limits: &LimitsInUse) -> Value {
    let LimitsInUse { agent, running, concurrency, rate_left, rate } = limits;
    json!({
        "agent": agent,
        "running": running,
        "concurrency": concurrency,
        "rate_left": rate_left,
        "rate_limit": rate.to_string(),
    })
}

fn described(plugin: &Plugin) -> Value {
    let Plugin { manifest, provenance, isolation, .. } = plugin;
    json!({
        "name": manifest.name,
        "version": manifest.version,
        "release": manifest.release,
        "isolation": isolation.as_str(),
        "workers": plugin.instance.workers(),
        "tools": manifest.tools.len(),
        "signer": provenance.signer,
        "key_id": provenance.key_id,
        "sha256": provenance.sha256,
        "folder": provenance.folder,
    })
}

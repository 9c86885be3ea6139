//! `GET /metrics`, for Prometheus.

use std::{collections::BTreeMap, fmt, sync::Arc};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap,
    header::{ACCEPT, CONTENT_TYPE},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    registry::Registry,
};

use super::{Shared, problem::Problem};
use server_core::audit::{AuditStatus, LastCheckpoint};

use crate::{
    egress::Sent,
    readiness::{LastReload, Readiness},
    reload::State as Reloads,
};

mod limits;
mod money;
mod plugins;
mod writer;

use writer::Writer;

const OPENMETRICS: &str = "application/openmetrics-text";

pub(super) async fn answer(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(shared)));
    let mut text = String::new();
    if text::encode(&mut text, &registry).is_err() {
        return Problem::INTERNAL.into_response();
    }
    let mut accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    if accepts.any(|value| value.contains(OPENMETRICS)) {
        let kind = format!("{OPENMETRICS}; version=1.0.0; charset=utf-8");
        return ([(CONTENT_TYPE, kind)], text).into_response();
    }
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], older(&text)).into_response()
}

/// The older text format, in which a counter is explained under its whole name.
fn older(text: &str) -> String {
    let is_counter = |name: &str| text.contains(&format!("\n# TYPE {name} counter\n"));
    let mut older = String::with_capacity(text.len());
    for line in text.lines().filter(|line| *line != "# EOF") {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(word), Some(name), Some(rest)) if is_counter(name) => {
                older.extend(["# ", word, " ", name, "_total ", rest, "\n"]);
            }
            _ => older.extend([line, "\n"]),
        }
    }
    older
}

/// What there is to measure at the moment when somebody looks.
#[derive(Debug)]
struct Scrape(Arc<Shared>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let sources = &self.0.sources;
        let snapshot = sources.live.load();
        let mut to = Writer(&mut encoder);
        to.info("server_info", "The running server", &[("version", env!("CARGO_PKG_VERSION"))])?;
        to.gauge("server_uptime_seconds", "How long it has been running", self.0.begun.elapsed().as_secs())?;
        let audited = sources.gateway.audit().status();
        let ready = audited.available && !sources.readiness.draining();
        to.gauge("server_ready", "Whether it takes calls", u64::from(ready))?;
        to.gauge(
            "config_generation",
            "The configuration in force, counted from the start",
            snapshot.generation.0,
        )?;
        let sha256 = [("sha256", snapshot.config_sha256.as_str())];
        to.info("config_info", "The configuration in force", &sha256)?;
        let attempts = sources.reloads.now();
        reloads(&mut to, &attempts, &sources.readiness)?;
        to.histogram("config_reload_seconds", "How long attempts to reload took", sources.reloads.seconds())?;
        audit(&mut to, &audited)?;
        plugins::write(&mut to, &snapshot, &attempts, (sources.retired)())?;
        limits::write(&mut to, &sources.gateway)?;
        money::write(&mut to, &snapshot.settings, &sources.models, self.0.balances(&snapshot))?;
        egress(&mut to, &sources.connector.tally().now(&snapshot.settings))?;
        to.gauges(
            "mcp_sessions_open",
            "Sessions of the older protocol revisions",
            (sources.sessions)()
                .into_iter()
                .map(|(agent, count)| ([("agent", agent.to_string())], count as u64)),
        )?;
        to.gauges(
            "mcp_calls_in_flight",
            "Requests under way that call, read, get or list something",
            sources
                .gateway
                .in_flight()
                .into_iter()
                .map(|(agent, count)| ([("agent", agent.to_string())], u64::from(count))),
        )?;
        sources.calls.encode(&mut encoder)
    }
}

fn reloads(to: &mut Writer<'_, '_>, state: &Reloads, readiness: &Readiness) -> fmt::Result {
    let good = matches!(readiness.last_reload(), LastReload::None | LastReload::Applied);
    let help = "Whether what the files held when they were read last is in force";
    to.gauge("config_last_reload_successful", help, u64::from(good))?;
    if let Some(at) = readiness.last_success().or(state.since) {
        let help = "When the files were read last and what they held came into force or was";
        to.gauge("config_last_reload_success_timestamp_seconds", help, at.as_second())?;
    }
    let help =
        "Whether config.yaml is a bind mount of a file that has been replaced, so that edits cannot be seen";
    to.gauge("config_file_stale_bind_mount", help, u64::from(state.stale_bind_mount))?;
    to.counters(
        "config_reload",
        "Attempts to reload, by what made them and what came of them",
        state.counts.iter().map(|((trigger, result), count)| {
            ([("trigger", trigger.as_str()), ("result", result.as_str())], *count)
        }),
    )?;
    let help = "Failures of the kernel's file events; changes are polled too";
    to.counter("config_watch_errors", help, state.watch_errors)
}

fn egress(to: &mut Writer<'_, '_>, sent: &BTreeMap<Sent, u64>) -> fmt::Result {
    let help = "Requests that went out or were to, by the agent's rule that allows them, by how they ended and, of what was refused, by each reason";
    let labels = |sent: &Sent| {
        let rule = sent.rule.as_ref().map(ToString::to_string).unwrap_or_default();
        [
            ("agent", sent.agent.to_string()),
            ("rule", rule),
            ("outcome", sent.outcome.to_owned()),
            ("reason", sent.reason.to_owned()),
        ]
    };
    to.counters("egress_requests", help, sent.iter().map(|(sent, count)| (labels(sent), *count)))
}

fn audit(to: &mut Writer<'_, '_>, status: &AuditStatus) -> fmt::Result {
    let help = "Whether the audit can be written, so that calls run";
    to.gauge("audit_available", help, u64::from(status.available))?;
    to.gauge("audit_seq", "The last record of the audit", status.seq)?;
    let help = "For how long the oldest record waits that the disk may not have yet";
    to.gauge("audit_lag_seconds", help, status.lag.as_secs_f64())?;
    to.gauge("audit_waiting_records", "Records that wait to be written", status.waiting as u64)?;
    let by_event = status.records.iter().map(|(event, count)| ([("event", *event)], *count));
    to.counters("audit_records", "Records written to the audit", by_event)?;
    to.counter("audit_failures", "How often the audit could not be written any more", status.failures)?;
    to.counter("audit_lost_records", "Records for which there was no room at all", status.lost)?;
    to.counter("audit_written_bytes", "Bytes written to the audit", status.bytes)?;
    if let Some(LastCheckpoint { at, .. }) = status.checkpoint {
        let help = "When the audit was signed last; it is every minute, whatever happens";
        to.gauge("audit_last_checkpoint_timestamp_seconds", help, at.as_second())?;
    }
    to.counter("audit_syncs", "How often the disk was waited for", status.syncs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_format_explains_counters_under_their_whole_name() {
        let text = "# HELP up Whether.\n# TYPE up gauge\nup 1\n# HELP calls All # of them.\n# TYPE calls counter\ncalls_total{a=\"# x y z\"} 2\n# EOF\n";
        let expected = "# HELP up Whether.\n# TYPE up gauge\nup 1\n# HELP calls_total All # of them.\n# TYPE calls_total counter\ncalls_total{a=\"# x y z\"} 2\n";
        assert_eq!(older(text), expected);
    }
}

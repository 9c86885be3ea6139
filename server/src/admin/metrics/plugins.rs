//! Plugins, who signed them, and their worker processes.

use std::fmt;

use jiff::{ToSpan, tz::TimeZone};
use server_core::{settings::Settings, snapshot::Snapshot, workers::WorkersStatus};

use super::Writer;
use crate::{admin::Retired, reload::State};

pub(super) fn write(
    to: &mut Writer<'_, '_>,
    snapshot: &Snapshot,
    state: &State,
    retired: Retired,
) -> fmt::Result {
    let plugins: Vec<_> = snapshot.registry.plugins().collect();
    let info = plugins.iter().map(|plugin| {
        let labels = [
            ("plugin", plugin.manifest.name.to_string()),
            ("version", plugin.manifest.version.to_string()),
            ("isolation", plugin.isolation.as_str().to_owned()),
            ("signer", plugin.provenance.signer.to_string()),
        ];
        (labels, 1_u64)
    });
    to.gauges("plugin_info", "The plugins that are loaded", info)?;
    to.gauge("plugin_loaded_plugins", "How many plugins are loaded", plugins.len() as u64)?;
    let help = "How many plugins are not loaded, or not as their files have them";
    to.gauge("plugin_refused_plugins", help, state.plugins_refused.len() as u64)?;
    let help = "Libraries of plugins that nothing uses any more and that stay in memory";
    to.gauge("plugin_retired_libraries", help, retired.libraries as u64)?;
    to.gauge("plugin_retired_bytes", "The size of those libraries", retired.bytes)?;
    keys(to, &snapshot.settings)?;
    let workers: Vec<_> = plugins
        .iter()
        .filter_map(|plugin| Some((plugin.manifest.name.to_string(), plugin.instance.workers()?)))
        .collect();
    workers_of(to, &workers)
}

fn keys(to: &mut Writer<'_, '_>, settings: &Settings) -> fmt::Result {
    let keys = settings.plugins.trusted_keys.iter().filter(|(_, key)| !key.revoked);
    let ends = keys.filter_map(|(name, key)| {
        let after = key.not_after?.checked_add(1.day()).ok()?.to_zoned(TimeZone::UTC).ok()?;
        Some(([("key", name.to_string())], after.timestamp().as_second()))
    });
    let help = "When a signing key expires, and what it has signed is no longer loaded";
    to.gauges("plugin_key_expiry_timestamp_seconds", help, ends)
}

fn workers_of(to: &mut Writer<'_, '_>, all: &[(String, WorkersStatus)]) -> fmt::Result {
    let states = all.iter().flat_map(|(plugin, workers)| {
        let idle = workers.processes.saturating_sub(workers.busy);
        [("busy", workers.busy), ("idle", idle)]
            .map(|(state, count)| ([("plugin", plugin.clone()), ("state", state.to_owned())], count as u64))
    });
    to.gauges("plugin_worker_processes", "Worker processes, by whether they have a call", states)?;
    let one = |value: fn(&WorkersStatus) -> u64| {
        all.iter().map(move |(plugin, workers)| ([("plugin", plugin.clone())], value(workers)))
    };
    let help = "Worker processes that ended or were ended; others come in their place";
    to.counters("plugin_worker_losses", help, one(|workers| workers.lost))?;
    let help = "How long a plugin is left alone yet, because it lost too many worker processes";
    let left = one(|workers| workers.quarantined_seconds.unwrap_or_default());
    to.gauges("plugin_worker_quarantine_seconds", help, left)
}

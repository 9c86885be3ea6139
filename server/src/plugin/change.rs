//! What a load changes, plugin by plugin.

use std::sync::Arc;

use plugin_contract::PluginName;
use server_core::registry::{Plugin, Registry};
use tracing::info;

use super::load::AllRunning;

/// What becomes of one plugin.
#[derive(Clone, Debug)]
pub enum Change {
    /// It is new.
    Loaded(Arc<Plugin>),
    /// Another instance of it takes the calls from now on.
    Replaced {
        /// Ends with the calls that it has.
        from: Arc<Plugin>,
        /// Of another release, or with another configuration.
        to: Arc<Plugin>,
    },
    /// The instance that ran goes on.
    WentOn(Arc<Plugin>),
    /// It ends with the calls that it has.
    Removed(Arc<Plugin>),
}

impl Change {
    /// The plugin, as it is now or was last.
    #[must_use]
    pub fn plugin(&self) -> &Arc<Plugin> {
        match self {
            Self::Loaded(plugin) | Self::WentOn(plugin) | Self::Removed(plugin) => plugin,
            Self::Replaced { to, .. } => to,
        }
    }

    /// Lets what gave way end with the calls that it has.
    pub(super) fn retire(&self) {
        match self {
            Self::Replaced { from: plugin, .. } | Self::Removed(plugin) => plugin.instance.retire(),
            Self::Loaded(_) | Self::WentOn(_) => {}
        }
    }

    /// Writes it to the log. That a plugin goes on is no news.
    pub fn log(&self) {
        let Plugin { manifest, provenance, isolation, instance, .. } = &**self.plugin();
        // How far the kernel keeps it in its place, where it has processes of its own.
        let confinement = instance.workers().map(|workers| workers.confinement);
        let landlock = confinement.as_ref().and_then(|it| it.landlock);
        let uid = confinement.as_ref().map(|it| it.uid);
        let seccomp = confinement.map(|it| it.seccomp);
        match self {
            Self::Loaded(_) => info!(
                target: "plugin",
                plugin = %manifest.name,
                version = %manifest.version,
                release = manifest.release,
                signer = %provenance.signer,
                key_id = provenance.key_id,
                sha256 = provenance.sha256,
                isolation = isolation.as_str(),
                landlock,
                seccomp,
                uid,
                "plugin loaded"
            ),
            Self::Replaced { from, .. } => info!(
                target: "plugin",
                plugin = %manifest.name,
                from_version = %from.manifest.version,
                from_release = from.manifest.release,
                from_sha256 = from.provenance.sha256,
                version = %manifest.version,
                release = manifest.release,
                signer = %provenance.signer,
                key_id = provenance.key_id,
                sha256 = provenance.sha256,
                isolation = isolation.as_str(),
                landlock,
                seccomp,
                uid,
                "plugin replaced"
            ),
            Self::WentOn(_) => {}
            Self::Removed(_) => info!(
                target: "plugin",
                plugin = %manifest.name,
                version = %manifest.version,
                release = manifest.release,
                sha256 = provenance.sha256,
                "plugin removed"
            ),
        }
    }
}

/// What `after` changes, in the order of names.
pub(super) fn between(before: &AllRunning, after: &Registry) -> Vec<Change> {
    let mut changes: Vec<_> = after
        .plugins()
        .map(|to| match before.get(&to.manifest.name).map(|it| it.plugin.clone()) {
            None => Change::Loaded(to.clone()),
            Some(from) if Arc::ptr_eq(&from.instance, &to.instance) => Change::WentOn(to.clone()),
            Some(from) => Change::Replaced { from, to: to.clone() },
        })
        .collect();
    let gone = |name: &PluginName| after.plugins().all(|plugin| plugin.manifest.name != *name);
    let removed = before.iter().filter(|(name, _)| gone(name));
    changes.extend(removed.map(|(_, it)| Change::Removed(it.plugin.clone())));
    changes.sort_by(|one, other| one.plugin().manifest.name.cmp(&other.plugin().manifest.name));
    changes
}

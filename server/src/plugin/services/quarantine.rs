//! Plugins that are left alone because they lost too many workers.

use std::{fmt, time::Duration};

use plugin_contract::PluginName;
use server_core::id::AgentId;

/// A plugin gets no calls for a while, or none of one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// Which plugin.
    pub plugin: PluginName,
    /// The only agent whose calls it does not get.
    pub agent: Option<AgentId>,
    /// How many workers it lost in a short time.
    pub lost: usize,
    /// Why it lost the last one.
    pub reason: String,
    /// How long.
    pub length: Duration,
}

/// Whoever is told.
pub(super) struct Witness(pub(super) Box<dyn Fn(&Quarantine) + Send + Sync>);

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").finish_non_exhaustive()
    }
}

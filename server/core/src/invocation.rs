//! A permitted operation on its way to a plugin.

use std::{sync::Arc, time::Duration};

use crate::{conversation::Conversation, gateway::Notes, limits::counters::Slot, policy::Permit};

/// One operation for a plugin to run.
#[derive(Debug)]
pub struct Invocation {
    /// Who may do what; the host's services judge by it too.
    pub permit: Arc<Permit>,
    /// The operation, one of [`plugin_contract::op::plugin`].
    pub op: &'static str,
    /// Its payload, JSON.
    pub input: Vec<u8>,
    /// The client, as far as the code may reach it meanwhile.
    pub conversation: Arc<dyn Conversation>,
    /// How long it may take.
    pub timeout: Duration,
    /// How long its answer may be.
    pub max_response_bytes: u64,
    /// The plugin promised not to block, so no thread of its own is needed.
    pub inline: bool,
    /// Counts as running until dropped: keep it until the plugin's code has
    /// returned.
    pub slot: Slot,
    /// What the host's services note of it.
    pub notes: Arc<Notes>,
}

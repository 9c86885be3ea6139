//! Who calls.

use crate::id::{AgentId, TenantId};

/// An authenticated caller. Only [`crate::snapshot::Snapshot::authenticate`]
/// makes one, from a bearer token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The agent.
    pub agent: AgentId,
    /// Its tenant.
    pub tenant: TenantId,
}

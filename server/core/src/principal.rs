//! Who calls.

use std::net::IpAddr;

use crate::{
    id::{AgentId, TenantId},
    secret::TokenDigest,
    snapshot::Snapshot,
};

/// An authenticated caller. Only [`crate::snapshot::Snapshot`] makes one, from a
/// bearer token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The agent.
    pub agent: AgentId,
    /// Its tenant.
    pub tenant: TenantId,
}

/// A principal, and the token that it came with: calls, sessions and streams
/// are to end with the token that opened them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// What it may do is judged by this alone.
    pub principal: Principal,
    /// Known by its digest.
    pub token: TokenDigest,
    /// Where it called from, as far as that is known. Only for the record.
    pub address: Option<IpAddr>,
}

impl Caller {
    /// Whether it would still be let in, as the same.
    #[must_use]
    pub fn stands(&self, snapshot: &Snapshot) -> bool {
        snapshot.knows(&self.token, &self.principal)
    }

    /// Whoever has its token now, if anybody does.
    #[must_use]
    pub fn anew(self, snapshot: &Snapshot) -> Option<Self> {
        Some(Self { principal: snapshot.bearer(&self.token)?, ..self })
    }

    /// Whether nobody has its token any more.
    #[must_use]
    pub fn is_nobody(&self, snapshot: &Snapshot) -> bool {
        snapshot.holder(&self.token).is_none()
    }
}

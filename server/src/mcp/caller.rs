//! Who sent a request.

use server_core::{principal::Principal, secret::TokenDigest, snapshot::Snapshot};

/// A principal, and the token that it came with: sessions and streams are to
/// end with the token that opened them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// What it may do is judged by this alone.
    pub principal: Principal,
    /// Known by its digest.
    pub token: TokenDigest,
}

impl Caller {
    /// Whether it would still be let in, as the same.
    #[must_use]
    pub fn stands(&self, snapshot: &Snapshot) -> bool {
        snapshot.knows(&self.token, &self.principal)
    }
}

/// The id of the session that a request is about to open.
#[derive(Clone, Debug)]
pub struct OpenedSession(pub std::sync::Arc<str>);

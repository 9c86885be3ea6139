//! How the audit is kept.

use std::time::Duration;

use crate::secret::SigningKey;

/// How the audit is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSettings {
    /// What it takes for a record to count as kept.
    pub durability: Durability,
    /// What its checkpoints are signed with. `None`: a key that the server makes.
    pub key: Option<SigningKey>,
    /// How large a segment grows before the next one begins.
    pub segment_bytes: u64,
    /// How long a segment grows before the next one begins.
    pub segment_age: Duration,
    /// How long a segment is kept.
    pub keep_age: Duration,
    /// How many bytes all segments together have before the oldest goes.
    pub keep_bytes: u64,
}

/// What it takes for a record to count as kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The operating system has it: it outlives the server's end, however that
    /// comes, but for a moment not the machine's.
    #[default]
    Os,
    /// The disk has it.
    Strict,
}

impl Durability {
    /// The name used in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Os => "os",
            Self::Strict => "strict",
        }
    }
}

impl Default for AuditSettings {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            durability: Durability::default(),
            key: None,
            segment_bytes: 64 << 20,
            segment_age: Duration::from_secs(DAY),
            keep_age: Duration::from_secs(400 * DAY),
            keep_bytes: 8 << 30,
        }
    }
}

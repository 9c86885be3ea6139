//! Names of the things a configuration speaks of.

use std::fmt;

use plugin_contract::name;
use serde::Serialize;

const RULE: &str = "use 1 to 64 of A-Z, a-z, 0-9, `-`, `_` and `.`, beginning with a letter or digit";

fn is_valid(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

name!(
    /// Who calls: one Claude Code installation, say, or one automation.
    AgentId,
    "agent name",
    is_valid,
    RULE
);
name!(
    /// The group an agent belongs to, whose rights are the ceiling of its own.
    TenantId,
    "tenant name",
    is_valid,
    RULE
);
name!(
    /// A trusted signing key, by the name the operator gave it.
    KeyName,
    "key name",
    is_valid,
    RULE
);
name!(
    /// A named set of grants for agents to share.
    ProfileName,
    "profile name",
    is_valid,
    RULE
);

name!(
    /// A folder whose files can be read, by the name the operator gave it.
    RootName,
    "root name",
    is_valid,
    RULE
);
name!(
    /// A database that can be queried, by the name the operator gave it.
    DatabaseName,
    "database name",
    is_valid,
    RULE
);
name!(
    /// A secret that the server attaches to requests, by the name the operator gave
    /// it.
    SecretName,
    "secret name",
    is_valid,
    RULE
);

/// Which compiled configuration: 1 for the first since the start, one more for
/// each that replaced another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which call, counted from 1 at each start of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct CallId(pub u64);

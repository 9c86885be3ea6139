//! What a tool may ask the host to do on its behalf.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A right to use one of the host's services. The set is closed: a manifest or
/// a configuration that names another one is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Capability {
    /// `network:outbound`: requests to the hosts the agent's egress rules list.
    NetworkOutbound,
    /// `llm:query`: prompts to the models the agent is granted.
    LlmQuery,
    /// `fs:read`: files below the roots the agent is granted.
    FsRead,
    /// `db:read`: queries on the connections the agent is granted.
    DbRead,
}

impl Capability {
    /// Every capability there is.
    pub const ALL: [Self; 4] = [Self::NetworkOutbound, Self::LlmQuery, Self::FsRead, Self::DbRead];

    /// The name used in manifests and configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NetworkOutbound => "network:outbound",
            Self::LlmQuery => "llm:query",
            Self::FsRead => "fs:read",
            Self::DbRead => "db:read",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A capability that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown capability `{0}`, known are `network:outbound`, `llm:query`, `fs:read` and `db:read`")]
pub struct UnknownCapability(pub String);

impl FromStr for Capability {
    type Err = UnknownCapability;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|capability| capability.as_str() == text)
            .ok_or_else(|| UnknownCapability(text.to_owned()))
    }
}

impl TryFrom<String> for Capability {
    type Error = UnknownCapability;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Capability> for String {
    fn from(capability: Capability) -> Self {
        capability.as_str().to_owned()
    }
}

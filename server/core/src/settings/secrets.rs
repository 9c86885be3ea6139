//! Where the secrets of a configuration come from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A secret of the configuration and where it comes from, without the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretUse {
    /// Where the configuration refers to it, as in `agents.laptop.token`.
    pub place: String,
    /// Where it is.
    pub source: SecretSource,
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum SecretSource {
    /// In a variable of the server's environment, which only a restart changes.
    Environment {
        /// Which.
        variable: String,
    },
    /// In a variable of `.env`.
    Dotenv {
        /// Which.
        variable: String,
    },
    /// In a variable that is not set.
    Unset {
        /// Which.
        variable: String,
    },
    /// In a file.
    File {
        /// Which.
        path: PathBuf,
    },
}

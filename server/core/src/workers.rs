//! How the worker processes of a plugin are, for the operator.

use serde::{Deserialize, Serialize};

/// How a worker process is confined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// The version of Landlock that keeps it from files, and from version 4 on from
    /// more. `None`: the kernel has none.
    pub landlock: Option<i32>,
    /// System calls that it does not need are refused.
    pub seccomp: bool,
    /// The user that it runs as.
    pub uid: u32,
}

/// The worker processes of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkersStatus {
    /// How many there are.
    pub processes: usize,
    /// How many calls they have.
    pub calls: usize,
    /// How they are confined.
    #[serde(flatten)]
    pub confinement: Confinement,
    /// How many were lost since the plugin was loaded.
    pub lost: u64,
    /// Why the last one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_loss: Option<String>,
    /// How long the plugin is left alone, because too many were lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantined_seconds: Option<u64>,
}

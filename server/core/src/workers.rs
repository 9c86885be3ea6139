//! How the worker processes of a plugin are, for the operator.

use std::{collections::BTreeMap, fmt};

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_loss: Option<String>,
    /// How long the plugin is left alone, because too many were lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined_seconds: Option<u64>,
    /// How many seconds it gets no calls of these agents, because too many were lost
    /// with theirs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quarantined_agents: BTreeMap<String, u64>,
}

impl fmt::Display for WorkersStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Confinement { landlock, seccomp, uid } = &self.confinement;
        let landlock = landlock.map_or("no Landlock".to_owned(), |version| format!("Landlock {version}"));
        let seccomp = if *seccomp { "seccomp" } else { "no seccomp" };
        write!(f, "{} there ({landlock}, {seccomp}, user {uid})", self.processes)?;
        if let (1.., Some(reason)) = (self.lost, &self.last_loss) {
            write!(f, ", {} lost, the last because {reason}", self.lost)?;
        }
        if let Some(seconds) = self.quarantined_seconds {
            write!(f, ", in quarantine for {seconds} s")?;
        }
        let mut agents = self.quarantined_agents.iter();
        agents
            .try_for_each(|(agent, seconds)| write!(f, ", in quarantine for agent `{agent}` for {seconds} s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_told_in_a_line() {
        let confinement = Confinement { landlock: Some(7), seccomp: true, uid: 1000 };
        let fine = WorkersStatus {
            processes: 1,
            calls: 0,
            confinement,
            lost: 0,
            last_loss: None,
            quarantined_seconds: None,
            quarantined_agents: BTreeMap::new(),
        };
        assert_eq!(fine.to_string(), "1 there (Landlock 7, seccomp, user 1000)");
        let bad = WorkersStatus {
            processes: 0,
            confinement: Confinement { landlock: None, ..fine.confinement.clone() },
            lost: 5,
            last_loss: Some("its process ended (exit code 7)".to_owned()),
            quarantined_seconds: Some(42),
            quarantined_agents: [("laptop".to_owned(), 7)].into(),
            ..fine
        };
        assert_eq!(
            bad.to_string(),
            "0 there (no Landlock, seccomp, user 1000), 5 lost, the last because its process ended (exit code 7), in quarantine for 42 s, in quarantine for agent `laptop` for 7 s"
        );
    }
}

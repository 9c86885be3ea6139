//! Runs the checks, and sums them.

use report::Report;

use crate::Failure;

mod clients;
mod dist;
mod docker;
mod report;
mod system;
mod toolchain;
mod totals;

/// What can be checked apart from the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// What needs nothing but the Rust toolchain.
    Toolchain,
    /// What needs the clients that people use, from their registries.
    Clients,
    /// What needs editors, rsync, PostgreSQL, proxies, Prometheus, systemd, and the right to mount.
    System,
    /// What needs a container engine.
    Docker,
}

impl Part {
    /// The part that this flag asks for.
    pub(crate) fn of_flag(flag: &str) -> Option<Self> {
        match flag {
            "--clients" => Some(Self::Clients),
            "--system" => Some(Self::System),
            "--docker" => Some(Self::Docker),
            _ => None,
        }
    }

    fn run(self, report: &mut Report) -> Result<(), Failure> {
        match self {
            Self::Toolchain => toolchain::run(report),
            Self::Clients => clients::run(report),
            Self::Docker => docker::run(report),
            Self::System => system::run(report).and_then(|()| dist::run(report)),
        }
    }
}

/// Runs these parts, also after one that failed.
pub(crate) fn run(parts: &[Part]) -> Result<(), Failure> {
    let mut report = Report::default();
    for part in parts {
        part.run(&mut report)?;
    }
    report.print()?;
    if report.totals.failed == 0 { Ok(()) } else { Err("not every check passed".to_owned()) }
}

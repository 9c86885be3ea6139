//! The image and the compose file, in the engine that `DOCKER_HOST` names.

use std::process::Command;

use super::{report::Report, totals::Totals};
use crate::{Failure, cargo::root};

const SCRIPT: &str = "tests/docker.sh";

/// Runs the script, which says last why it failed.
pub(super) fn run(report: &mut Report) -> Result<(), Failure> {
    report.check("docker", &format!("bash {SCRIPT}"), || {
        let status = Command::new("bash").arg(SCRIPT).current_dir(root()?).status();
        let status = status.map_err(|error| format!("cannot run bash: {error}"))?;
        Ok(Totals::of_check(status.success()))
    })?;
    Ok(())
}

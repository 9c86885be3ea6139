//! The end-to-end tests that need more of the machine than a toolchain. They are
//! marked as ignored, and lie in modules named `system`.

use super::{report::Report, toolchain::tests};
use crate::{Failure, cargo::cargo};

const ARGUMENTS: &[&str] =
    &["test", "--package", "mcp-universal-server", "--test", "e2e", "--", "--ignored", "::system::"];

/// Runs all of them.
pub(super) fn run(report: &mut Report) -> Result<(), Failure> {
    report.check("system", &format!("cargo {}", ARGUMENTS.join(" ")), || tests(cargo()?.args(ARGUMENTS)))?;
    Ok(())
}

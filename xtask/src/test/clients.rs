//! Runs the clients that people use, and the official conformance suite, against
//! the real server.

use std::{path::Path, process::Command, time::Duration};

use installation::Installation;
use server::Server;

use super::{report::Report, totals::Totals};
use crate::{Failure, cargo::Profile, stage};

mod installation;
mod script;
mod server;

/// A script of `tests/clients` that plays a client, and ends with how many of its
/// checks passed and failed.
struct Step {
    name: &'static str,
    script: &'static str,
    seconds: u64,
}

const STEPS: &[Step] = &[
    Step { name: "conformance suite", script: "conformance.mjs", seconds: 300 },
    Step { name: "Inspector", script: "inspector.mjs", seconds: 300 },
    Step { name: "Python SDK", script: "python_sdk.py", seconds: 300 },
    Step { name: "TypeScript SDKs", script: "typescript_sdk.mjs", seconds: 300 },
    Step { name: "Claude Code", script: "claude_code.mjs", seconds: 300 },
];

/// Runs all of them, also after one that failed, each against a server of its own.
pub(super) fn run(report: &mut Report) -> Result<(), Failure> {
    let server = stage::run(Profile::Dev)?;
    let mut installation = None;
    report.check("clients", "npm ci, pip install", || {
        installation = Some(Installation::complete()?);
        Ok(Totals::of_check(true))
    })?;
    let Some(installation) = installation else {
        return Ok(());
    };
    for step in STEPS {
        report.check(step.name, step.script, || step.run(&installation, &server))?;
    }
    Ok(())
}

impl Step {
    fn run(&self, installation: &Installation, server: &Path) -> Result<Totals, Failure> {
        let server = Server::start(server, &installation.folder.join("config.yaml"))?;
        let mut command: Command = installation.interpreter(self.script);
        command
            .arg(self.script)
            .current_dir(&installation.folder)
            .env("TEST_URL", server.url())
            .env("TEST_FOLDER", server.folder())
            .envs(server::TOKENS);
        script::run(command, Duration::from_secs(self.seconds))
    }
}

//! Runs the clients that people use, and the official conformance suite, against
//! the real server.

use std::time::Duration;

use fixture::Fixture;
use installation::Installation;
use server::Server;

use super::{report::Report, totals::Totals};
use crate::{
    Failure,
    cargo::{self, Profile},
    stage,
};

mod fixture;
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
    let mut ready = None;
    report.check("installation", "the fixture, npm ci, pip install", || {
        let fixture = Fixture::complete(&cargo::root()?.join("tests/clients/config.yaml"))?;
        ready = Some((fixture, Installation::complete()?));
        Ok(Totals::of_check(true))
    })?;
    let Some((fixture, installation)) = ready else {
        return Ok(());
    };
    for step in STEPS {
        report.check(step.name, step.script, || {
            let server = Server::start(&server, &fixture.config)?;
            step.run(&installation, &server)
        })?;
    }
    Ok(())
}

impl Step {
    fn run(&self, installation: &Installation, server: &Server) -> Result<Totals, Failure> {
        let mut command = installation.interpreter(self.script);
        command
            .arg(self.script)
            .current_dir(&installation.folder)
            .env("TEST_URL", server.url())
            .env("TEST_FOLDER", server.folder())
            .envs(server::TOKENS)
            .env("NO_PROXY", "127.0.0.1");
        script::run(command, Duration::from_secs(self.seconds))
    }
}

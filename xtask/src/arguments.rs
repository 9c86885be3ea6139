//! What `cargo xtask` was asked to do.

use std::path::PathBuf;

use crate::{
    Failure,
    bench::{Bench, Name},
    cargo::Profile,
    test::Part,
};

pub(crate) const HELP: &str = "\
Builds, signs, runs, tests and measures the project.

cargo xtask stage [--release]
    Builds the server and the bundled plugins, and signs the plugins into
    `bundled-plugins` beside the server's executable with a key that is then
    thrown away. Does nothing where nothing changed.

cargo xtask serve [--release] [-- ARGUMENTS]
    Stages, writes the tokens that config.yaml asks for into `.env` if they are
    set nowhere, starts the server on the checkout's config.yaml, and prints the
    `claude mcp add` line once it is ready. ARGUMENTS go to the server.

cargo xtask dist [--dev]
    Builds with optimisation, unless --dev says otherwise, and packs one file
    under `target/dist` that is an installation: the server, the bundled plugins
    signed as by `stage`, configuration, manual pages, shell completions, and
    what `deploy/` has for systemd and proxies.

cargo xtask test [--clients] [--system] [--docker]
    Runs every check that needs nothing but the Rust toolchain: format, lints,
    unit, end-to-end and documentation tests, documentation. The last line sums
    the tests; a check other than a test counts as one.
    --clients runs these instead: the conformance suite and the clients that
    people use, installed under `target/` from npm and PyPI.
    --system runs these instead: the end-to-end tests that need vim, nano, rsync,
    `script`, root's right to mount, nginx, Caddy, curl, openssl and systemd's own
    programs; docs/write-a-plugin.md, whose plugin is built from crates.io; and the
    tarball of `dist`, unpacked and run. What is missing is a failure.
    --docker runs this instead: tests/docker.sh, which builds the image and tries
    it and docker-compose.yml out, in the engine that DOCKER_HOST names.

cargo xtask soak [--rounds N] [--seed N]
    Edits configurations by chance while a server runs on them, and holds the
    server against a model: 1000 edits, or N, and other ones every time unless a
    seed is given. For every ten edits, a server under load is killed, which must
    lose no record of its audit, and for every five a process that keeps the books
    of budgets, which must lose no charge.

cargo xtask bench [calls | plugins | redaction | reload] [--seconds N] [--smoke]
    Builds with optimisation and measures, beside what the server is built on or
    beside itself at rest: `calls` what a tool call costs, `redaction` how much of
    what is secret or personal is found in a corpus that Python's Faker fills, and
    how fast, `reload` what reloads cost those who call meanwhile, N seconds of
    them, 30 by default. Fails where a target is missed. --smoke takes the build without optimisation and few of
    everything: it shows that all is answered and found as it should be, and
    judges no speed.

--release builds with optimisation, which takes longer.";

/// One thing to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Help,
    Stage(Profile),
    /// With what the server is to be told besides.
    Serve(Profile, Vec<String>),
    /// `serve`'s own second half, for the server at this path; not for people.
    Announce(PathBuf),
    Dist(Profile),
    Bench(Bench),
    /// What of the checks to run.
    Test(Vec<Part>),
    /// How many edits, and which.
    Soak {
        rounds: u64,
        seed: Option<u64>,
    },
}

/// Reads the arguments that follow the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Task, Failure> {
    let mut arguments = arguments.into_iter();
    let Some(name) = arguments.next() else {
        return Ok(Task::Help);
    };
    match name.as_str() {
        "-h" | "--help" | "help" => Ok(Task::Help),
        "announce" => match (arguments.next(), arguments.next()) {
            (Some(server), None) => Ok(Task::Announce(server.into())),
            _ => Err(unknown("announce")),
        },
        "stage" => {
            let (profile, rest) = profile(arguments)?;
            nothing_more(rest).map(|()| Task::Stage(profile))
        }
        "serve" => profile(arguments).map(|(profile, rest)| Task::Serve(profile, rest)),
        "dist" => match arguments.next().as_deref() {
            None => Ok(Task::Dist(Profile::Release)),
            Some("--dev") => nothing_more(arguments).map(|()| Task::Dist(Profile::Dev)),
            Some(other) => Err(unknown(other)),
        },
        "bench" => bench(arguments).map(Task::Bench),
        "test" => parts(arguments).map(Task::Test),
        "soak" => soak(arguments),
        other => Err(unknown(other)),
    }
}

/// The profile asked for, and what follows `--`.
fn profile(mut arguments: impl Iterator<Item = String>) -> Result<(Profile, Vec<String>), Failure> {
    let mut profile = Profile::Dev;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--release" => profile = Profile::Release,
            "--" => return Ok((profile, arguments.collect())),
            other => return Err(unknown(other)),
        }
    }
    Ok((profile, Vec::new()))
}

fn bench(mut arguments: impl Iterator<Item = String>) -> Result<Bench, Failure> {
    let mut bench = Bench::default();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "calls" if bench.only.is_none() => bench.only = Some(Name::Calls),
            "plugins" if bench.only.is_none() => bench.only = Some(Name::Plugins),
            "redaction" if bench.only.is_none() => bench.only = Some(Name::Redaction),
            "reload" if bench.only.is_none() => bench.only = Some(Name::Reload),
            "--smoke" => bench.smoke = true,
            "--seconds" => {
                let seconds = arguments.next().unwrap_or_default();
                bench.seconds = match seconds.parse() {
                    Ok(seconds @ 1..=3600) => seconds,
                    _ => return Err("`--seconds` takes a number from 1 to 3600".to_owned()),
                };
            }
            other => return Err(unknown(other)),
        }
    }
    Ok(bench)
}

/// The parts that the flags ask for; without any, what everybody can run.
fn parts(flags: impl Iterator<Item = String>) -> Result<Vec<Part>, Failure> {
    let parts = flags
        .map(|flag| Part::of_flag(&flag).ok_or_else(|| unknown(&flag)))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(if parts.is_empty() { vec![Part::Toolchain] } else { parts })
}

fn soak(mut arguments: impl Iterator<Item = String>) -> Result<Task, Failure> {
    let (mut rounds, mut seed) = (1000, None);
    while let Some(flag) = arguments.next() {
        let number = arguments.next().and_then(|text| text.parse().ok());
        match (flag.as_str(), number) {
            ("--rounds", Some(number)) => rounds = number,
            ("--seed", Some(number)) => seed = Some(number),
            ("--rounds" | "--seed", None) => return Err(format!("`{flag}` needs a number after it")),
            _ => return Err(unknown(&flag)),
        }
    }
    Ok(Task::Soak { rounds, seed })
}

fn nothing_more(arguments: impl IntoIterator<Item = String>) -> Result<(), Failure> {
    arguments.into_iter().next().map_or(Ok(()), |argument| Err(unknown(&argument)))
}

fn unknown(argument: &str) -> Failure {
    format!("`{argument}` is not understood here; see `cargo xtask --help`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Result<Task, &str>) {
        let parsed = parse(line.split_whitespace().map(str::to_owned));
        assert_eq!(parsed, expected.map_err(str::to_owned), "{line}");
    }

    #[test]
    fn every_task_that_the_readme_has_is_one() {
        let readme = include_str!("../../README.md");
        // In blocks and in sentences.
        let named = readme.split("cargo xtask ").skip(1).map(|rest| {
            let end = rest.find(['`', '\n', ',']).unwrap_or(rest.len());
            rest.get(..end).unwrap_or_default()
        });
        let mut seen = 0;
        for line in named {
            let parsed = parse(line.split_whitespace().map(str::to_owned));
            assert!(parsed.is_ok(), "cargo xtask {line}: {parsed:?}");
            seen += 1;
        }
        assert!(seen > 8, "{seen}");
    }

    #[test]
    fn each_task_has_its_words() {
        check("", Ok(Task::Help));
        check("--help", Ok(Task::Help));
        check("stage", Ok(Task::Stage(Profile::Dev)));
        check("stage --release", Ok(Task::Stage(Profile::Release)));
        check("serve", Ok(Task::Serve(Profile::Dev, vec![])));
        check(
            "serve --release -- --verbose x",
            Ok(Task::Serve(Profile::Release, vec!["--verbose".to_owned(), "x".to_owned()])),
        );
        check("announce target/server", Ok(Task::Announce("target/server".into())));
        check("dist", Ok(Task::Dist(Profile::Release)));
        check("dist --dev", Ok(Task::Dist(Profile::Dev)));
        check("bench", Ok(Task::Bench(Bench::default())));
        check(
            "bench calls --smoke",
            Ok(Task::Bench(Bench { only: Some(Name::Calls), smoke: true, seconds: 30 })),
        );
        check("bench redaction", Ok(Task::Bench(Bench { only: Some(Name::Redaction), ..Bench::default() })));
        check(
            "bench --seconds 5 reload",
            Ok(Task::Bench(Bench { only: Some(Name::Reload), smoke: false, seconds: 5 })),
        );
        check("test", Ok(Task::Test(vec![Part::Toolchain])));
        check("test --clients", Ok(Task::Test(vec![Part::Clients])));
        check("test --system --clients", Ok(Task::Test(vec![Part::System, Part::Clients])));
        check("test --docker", Ok(Task::Test(vec![Part::Docker])));
        check("soak", Ok(Task::Soak { rounds: 1000, seed: None }));
        check("soak --seed 7 --rounds 60", Ok(Task::Soak { rounds: 60, seed: Some(7) }));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        check("tests", Err("`tests` is not understood here; see `cargo xtask --help`"));
        check("test clients", Err("`clients` is not understood here; see `cargo xtask --help`"));
        check("test --clients --fast", Err("`--fast` is not understood here; see `cargo xtask --help`"));
        check("soak --rounds many", Err("`--rounds` needs a number after it"));
        check("soak --fast", Err("`--fast` is not understood here; see `cargo xtask --help`"));
        check("dist --release", Err("`--release` is not understood here; see `cargo xtask --help`"));
        check("stage --fast", Err("`--fast` is not understood here; see `cargo xtask --help`"));
        check("bench calls reload", Err("`reload` is not understood here; see `cargo xtask --help`"));
        check("bench --seconds 0", Err("`--seconds` takes a number from 1 to 3600"));
        check("stage -- more", Err("`more` is not understood here; see `cargo xtask --help`"));
    }
}

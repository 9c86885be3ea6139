//! Builds, signs, runs, tests and measures the project: `cargo xtask`.

use std::{
    env,
    io::{self, Write},
    process::ExitCode,
};

use arguments::Task;

mod arguments;
mod bench;
mod cargo;
mod dist;
mod serve;
mod soak;
mod stage;
mod test;

/// What went wrong, for a person.
type Failure = String;

fn main() -> ExitCode {
    let task = match arguments::parse(env::args().skip(1)) {
        Ok(task) => task,
        Err(wrong) => return fail(&wrong, 64),
    };
    let done = match task {
        Task::Help => writeln!(io::stdout(), "{}", arguments::HELP).map_err(|error| error.to_string()),
        Task::Stage(profile) => stage::run(profile).map(|_| ()),
        Task::Serve(profile, arguments) => serve::run(profile, &arguments),
        Task::Announce(server) => serve::announce::run(&server),
        Task::Dist(profile) => dist::run(profile),
        Task::Bench(bench) => bench::run(&bench),
        Task::Test(parts) => test::run(&parts),
        Task::Soak { rounds, seed } => soak::run(rounds, seed),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure, 1),
    }
}

fn fail(failure: &str, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "error: {failure}");
    ExitCode::from(code)
}

//! Measures the server, beside what it is built on: `cargo xtask bench` builds
//! everything and runs this. What the machine does besides hits all that is
//! measured in turn, so ratios mean something where times do not.

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

mod caller;
mod calls;
mod connection;
mod load;
mod numbers;
mod plugins;
mod program;
mod redaction;
mod reload;
mod report;
mod server;

/// What went wrong, for a person.
type Failure = String;

/// What `cargo xtask bench` says.
struct Order {
    name: String,
    /// Few of everything, and no verdicts.
    smoke: bool,
    /// How long to reload under load.
    seconds: u32,
    server: PathBuf,
    plugin: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "error: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    if let [name, mode, tuned, scored] = &arguments[..]
        && name == "redaction"
    {
        return redaction::run(tuned.as_ref(), scored.as_ref(), mode == "smoke");
    }
    let order = order(arguments).ok_or("this program is run by `cargo xtask bench`")?;
    match order.name.as_str() {
        "calls" => calls::run(&order).await,
        "plugins" => plugins::run(&order).await,
        _ => reload::run(&order).await,
    }
}

fn order(arguments: Vec<String>) -> Option<Order> {
    let [name, smoke, seconds, server, plugin] = arguments.try_into().ok()?;
    Some(Order {
        name,
        smoke: smoke == "smoke",
        seconds: seconds.parse().ok()?,
        server: server.into(),
        plugin: plugin.into(),
    })
}

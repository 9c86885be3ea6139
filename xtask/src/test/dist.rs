//! The tarball is a working installation: unpacked somewhere else, it is run as its
//! README says.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use super::{report::Report, totals::Totals};
use crate::{
    Failure,
    cargo::{Profile, text},
    dist,
};

/// Packs, unpacks and runs it.
pub(super) fn run(report: &mut Report) -> Result<(), Failure> {
    report.check("tarball", "cargo xtask dist, unpacked and run", || {
        works().map(|()| Totals::of_check(true))
    })?;
    Ok(())
}

fn works() -> Result<(), Failure> {
    let failed = |error: std::io::Error| error.to_string();
    let folder = tempfile::tempdir().map_err(failed)?;
    let tarball = dist::make(Profile::Dev, folder.path())?;
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).map_err(failed)?;
    succeed(Command::new("tar").arg("-xzf").arg(&tarball).arg("-C").arg(&elsewhere))?;
    let home = only_folder(&elsewhere)?;
    // Nothing of the checkout may be needed.
    let program = || {
        let mut command = Command::new(home.join("mcp-universal-server"));
        command.current_dir(&home).env_clear().stdin(Stdio::null());
        command
    };
    for file in ["man/man1/mcp-universal-server-explain.1", "completions/bash/mcp-universal-server"] {
        fs::metadata(home.join(file)).map_err(|error| format!("{file}: {error}"))?;
    }
    let token = succeed(program().args(["token", "new", "--json"]))?;
    let token = serde_json::from_str::<Value>(&token).unwrap_or_default();
    let token = text(&token, "/token").ok_or("no token")?.to_owned();
    fs::write(home.join(".env"), format!("LAPTOP_TOKEN={token}\nREVIEWER_TOKEN={token}x\n"))
        .map_err(failed)?;
    let config = fs::read_to_string(home.join("config.yaml")).map_err(failed)?;
    fs::write(home.join("config.yaml"), config.replace("127.0.0.1:8080", "127.0.0.1:0")).map_err(failed)?;
    succeed(program().arg("check"))?;
    let mut server = program().arg("serve").stdout(Stdio::piped()).spawn().map_err(failed)?;
    let ready = ready(&mut server).and_then(|url| {
        succeed(program().args(["healthcheck", "--url", &url]))?;
        let explained = program()
            .args(["explain", "--offline", "--agent", "laptop", "--tool", "core.sum", "--json"])
            .output()
            .map_err(failed)?;
        let said = String::from_utf8_lossy(&explained.stdout).into_owned();
        if said.contains("\"allowed\": true") { Ok(()) } else { Err(format!("explain says {said}")) }
    });
    let killed = server.kill().and_then(|()| server.wait());
    ready.and(killed.map(drop).map_err(failed))
}

/// Where it listens, with every bundled plugin.
fn ready(server: &mut Child) -> Result<String, Failure> {
    let lines = server.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines);
    let mut said = Vec::new();
    for line in lines.map_while(Result::ok) {
        let json = serde_json::from_str::<Value>(&line).unwrap_or_default();
        if text(&json, "/message").is_some_and(|message| message.contains("refused")) {
            return Err(line);
        }
        if text(&json, "/message") == Some("listening") {
            let address = text(&json, "/address").ok_or("no address")?;
            return Ok(format!("http://{address}"));
        }
        said.push(line);
    }
    Err(format!("it ended at once: {}", said.join("\n")))
}

fn only_folder(folder: &Path) -> Result<PathBuf, Failure> {
    let mut entries = fs::read_dir(folder).map_err(|error| error.to_string())?.map_while(Result::ok);
    match (entries.next(), entries.next()) {
        (Some(only), None) => Ok(only.path()),
        _ => Err("the tarball should hold one folder".to_owned()),
    }
}

/// What a command prints that must succeed.
fn succeed(command: &mut Command) -> Result<String, Failure> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(format!("{command:?}: {}{}", text(&output.stdout), text(&output.stderr)))
}

//! The process that stands behind the server's output.

// What clippy.toml allows in tests is then allowed in all of this file.
#![cfg(test)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
};

const LISTENING: &str =
    r#"{"level":"INFO","message":"listening","address":"127.0.0.1:4321","target":"server"}"#;

/// Starts it for a checkout with this config.yaml and a server that is ready when
/// it is asked for the second time.
fn start(checkout: &Path, config: &str) -> Child {
    fs::write(checkout.join("config.yaml"), config).unwrap();
    fs::write(checkout.join(".env"), "LAPTOP_TOKEN=mus_fresh\n").unwrap();
    let server = checkout.join("server");
    let script =
        "#!/bin/sh\ncd \"$(dirname \"$0\")\" && echo \"$*\" >> asked && test \"$(wc -l < asked)\" -ge 2\n";
    fs::write(&server, script).unwrap();
    fs::set_permissions(&server, fs::Permissions::from_mode(0o755)).unwrap();
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("announce")
        .arg(server)
        .env("CARGO_MANIFEST_DIR", checkout.join("xtask"))
        .env_remove("LAPTOP_TOKEN")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn the_line_to_paste_follows_once_the_server_is_ready() {
    let checkout = tempfile::tempdir().unwrap();
    let mut child = start(checkout.path(), "agents: { laptop: { token: \"${LAPTOP_TOKEN}\" } }\n");
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);

    writeln!(input, "starting\n{LISTENING}").unwrap();
    assert_eq!(output.next().unwrap(), "starting");
    assert_eq!(output.next().unwrap(), LISTENING);
    assert_eq!(
        output.next().unwrap(),
        r#"claude mcp add --transport http mus http://127.0.0.1:4321/mcp --header "Authorization: Bearer mus_fresh""#
    );
    let asked = fs::read_to_string(checkout.path().join("asked")).unwrap();
    assert_eq!(asked, "healthcheck --url http://127.0.0.1:4321\n".repeat(2));

    writeln!(input, "{LISTENING}").unwrap();
    drop(input);
    assert_eq!(output.collect::<Vec<_>>(), [LISTENING]);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_configuration_without_the_token_gets_a_hint_instead() {
    let checkout = tempfile::tempdir().unwrap();
    let mut child = start(checkout.path(), "agents: { mine: { token: \"sha256:00\" } }\n");
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{LISTENING}").unwrap();

    let mut hint = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut hint).unwrap();
    assert_eq!(
        hint,
        "The server is ready at http://127.0.0.1:4321/mcp. Its config.yaml does not use ${LAPTOP_TOKEN}: \
         `mcp-universal-server token new` makes a line to connect with.\n"
    );
    drop(input);
    let mut output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert_eq!(output, format!("{LISTENING}\n"));
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_server_that_ends_before_it_listens_is_not_announced() {
    let checkout = tempfile::tempdir().unwrap();
    let mut child = start(checkout.path(), "agents: {}\n");
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "starting").unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "starting\n");
    assert!(output.status.success());
}

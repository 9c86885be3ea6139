//! `plugin keygen|sign|verify|inspect`, as authors and operators type them.

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
};

use mcp_universal_server::plugin::signing_key::NewKeys;
use plugin_contract::Capability;
use serde_json::{Value, json};

use crate::support::{bundled, program};

use super::{no_plugin, workbench::Workbench};

pub(super) fn plugin<A: AsRef<OsStr>>(
    folder: &Path,
    arguments: impl IntoIterator<Item = A>,
    stdin: &str,
) -> Output {
    told(program().arg("plugin").args(arguments).current_dir(folder), stdin)
}

/// Runs a command, and writes to it what it reads.
pub(super) fn told(command: &mut Command, stdin: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // One that reads nothing may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

/// Exit code, stdout and stderr of a command.
pub(super) fn said(output: &Output) -> (i32, &str, &str) {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

pub(super) fn core() -> String {
    bundled::library("plugin-core").display().to_string()
}

#[test]
fn a_team_makes_a_key_signs_and_an_operator_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let output = plugin(folder, ["keygen", "acme", "--no-password"], "");
    let (code, stdout, stderr) = said(&output);
    assert_eq!((code, stderr), (0, ""));
    let public = fs::read_to_string(folder.join("acme.pub")).unwrap();
    let (comment, key) = public.trim_end().split_once('\n').unwrap();
    let id = comment.strip_prefix("untrusted comment: minisign public key ").unwrap();
    assert_eq!(
        stdout,
        format!(
            "acme.key  signs plugins: keep it secret and safe\nacme.pub  key {id}, for servers to trust\n\n\
             In config.yaml, under `plugins.trusted_keys`, with what its owner may sign:\n  \
             acme: {{ minisign: \"{key}\", plugins: [\"acme\", \"acme-*\"] }}\n"
        )
    );
    let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("acme.key"), mode("acme.pub")), (0o600, 0o644));

    let output = plugin(folder, ["sign", &core(), "--key", "acme.key", "--out", "dist"], "");
    let signed = format!("dist/core: core 0.1.0, release 1000, signed with key {id}\n");
    assert_eq!(said(&output), (0, signed.as_str(), ""));
    assert_eq!((mode("dist"), mode("dist/core"), mode("dist/core/plugin.json")), (0o755, 0o755, 0o644));

    let output = plugin(folder, ["verify", "dist/core", "--public-key", "acme.pub"], "");
    let verified = format!(
        "core 0.1.0, release 1000: its library is the one that was signed\n  with key `acme`, {id}: core 0.1.0 release=1000\n"
    );
    assert_eq!(said(&output), (0, verified.as_str(), ""));

    // A folder is signed where it is.
    fs::remove_file(folder.join("dist/core/plugin.json.minisig")).unwrap();
    let output = plugin(folder, ["sign", "dist/core", "--key", "acme.key", "--json"], "");
    let signed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        signed,
        json!({
            "name": "core", "version": "0.1.0", "release": 1000, "key_id": id,
            "folder": folder.canonicalize().unwrap().join("dist/core"),
        })
    );
    let output = plugin(folder, ["verify", "dist/core", "--public-key", "acme.pub"], "");
    assert_eq!(said(&output), (0, verified.as_str(), ""));
}

#[test]
fn a_key_is_never_overwritten_nor_left_unprotected_by_accident() {
    let folder = tempfile::tempdir().unwrap();
    let output = plugin(folder.path(), ["keygen", "acme"], "");
    let no_terminal =
        "error: there is no terminal to read a password from: run it in one, or give --no-password\n";
    assert_eq!(said(&output), (64, "", no_terminal));
    fs::write(folder.path().join("acme.pub"), "precious").unwrap();
    let output = plugin(folder.path(), ["keygen", "acme", "--no-password"], "");
    let there = "error: acme.pub is there already: remove it if nothing that it signed is in use, or choose another name\n";
    assert_eq!(said(&output), (1, "", there));
    assert!(!folder.path().join("acme.key").exists());
}

#[test]
fn a_machine_gives_the_keys_password_on_stdin() {
    let folder = tempfile::tempdir().unwrap();
    let keys = NewKeys::generate(Some("correct horse".to_owned())).unwrap();
    fs::write(folder.path().join("acme.key"), &keys.secret).unwrap();
    let sign = ["sign".to_owned(), core(), "--key".to_owned(), "acme.key".to_owned()];
    let output = plugin(folder.path(), &sign, "battery staple\n");
    assert_eq!(said(&output), (1, "", "error: acme.key: the password is wrong\n"));
    let output = plugin(folder.path(), &sign, "correct horse\n");
    let signed = format!("./core: core 0.1.0, release 1000, signed with key {}\n", keys.key_id);
    assert_eq!(said(&output), (0, signed.as_str(), ""));
}

#[test]
fn a_machine_has_the_keys_password_in_a_file_or_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("password"), "correct horse\nand another line\n").unwrap();
    let output = plugin(folder, ["keygen", "acme", "--password-file", "password"], "");
    assert_eq!(output.status.code(), Some(0));
    let key = fs::read_to_string(folder.join("acme.key")).unwrap();
    assert!(key.starts_with("untrusted comment: minisign encrypted secret key "), "{key}");
    let sign = ["plugin", "sign", &core(), "--key", "acme.key", "--json"].map(str::to_owned);
    for (variable, file, signs) in [
        (None, Some("password"), true),
        (Some("correct horse"), None, true),
        (Some("battery staple"), None, false),
        // What the command line names goes first.
        (Some("battery staple"), Some("password"), true),
    ] {
        let mut command = program();
        command.args(&sign).current_dir(folder).stdin(Stdio::null());
        command.envs(variable.map(|it| ("MCP_SIGNING_PASSWORD", it)));
        command.args(file.into_iter().flat_map(|it| ["--password-file", it]));
        let output = command.output().unwrap();
        let (code, _, stderr) = said(&output);
        let wrong = "error: acme.key: the password is wrong\n";
        assert_eq!((code, stderr), if signs { (0, "") } else { (1, wrong) }, "{variable:?} {file:?}");
    }
    let output = plugin(folder, ["keygen", "other", "--password-file", "missing"], "");
    assert_eq!(said(&output), (1, "", "error: missing: No such file or directory (os error 2)\n"));
    fs::write(folder.join("empty"), "\n").unwrap();
    let output = plugin(folder, ["keygen", "other", "--password-file", "empty"], "");
    let empty = "error: an empty password protects nothing: give --no-password if you want none\n";
    assert_eq!(said(&output), (64, "", empty));
    assert!(!folder.join("other.key").exists());
}

#[test]
fn what_no_server_could_load_is_not_signed() {
    let folder = tempfile::tempdir().unwrap();
    let keys = NewKeys::generate(None).unwrap();
    fs::write(folder.path().join("acme.key"), &keys.secret).unwrap();
    fs::write(folder.path().join("script.so"), "#!/bin/sh\n").unwrap();
    fs::write(folder.path().join("derive.so"), no_plugin()).unwrap();
    for (library, message) in [
        (
            "script.so",
            "error: script.so: it is no shared library for 64-bit Linux; build it with `crate-type = [\"cdylib\"]` and sign the `.so` that comes out\n",
        ),
        (
            "derive.so",
            "error: derive.so: it is a library without a plugin in it; export one with `plugin_api::export!`\n",
        ),
        ("missing.so", "error: missing.so: No such file or directory (os error 2)\n"),
    ] {
        let output = plugin(folder.path(), ["sign", library, "--key", "acme.key"], "");
        assert_eq!(said(&output), (1, "", message));
    }
}

#[test]
fn the_servers_own_command_is_not_for_people() {
    let folder = tempfile::tempdir().unwrap();
    let output = plugin(folder.path(), ["trial"], "");
    let refused = "error: the server tries plugins with this command; it is of no use to anybody else\n";
    assert_eq!(said(&output), (64, "", refused));
    let output = plugin(folder.path(), ["--help"], "");
    let (code, help, _) = said(&output);
    assert_eq!((code, help.contains("verify"), help.contains("trial")), (0, true, false), "{help}");
}

#[test]
fn verify_says_what_the_server_of_a_configuration_would() {
    let bench = Workbench::new();
    let config = |trusted: &str, entry: &str| {
        let text = format!(
            "version: 1\nplugins:\n  trusted_keys:\n    acme: {{ minisign: \"{}\", {trusted} }}\n  entries:\n    core: {{ {entry} }}\ntenants: {{}}\nagents: {{}}\n",
            bench.keys.public_line
        );
        fs::write(bench.path().join("config.yaml"), text).unwrap();
    };
    let verify = || plugin(bench.path(), ["verify", "plugins.d/core"], "");
    let id = &bench.keys.key_id;
    let folder = bench.folder().canonicalize().unwrap();
    let folder = folder.display();
    let verified = format!(
        "core 0.1.0, release 1000: its library is the one that was signed\n  with key `acme`, {id}: core 0.1.0 release=1000\n"
    );

    config("plugins: [core], in_process: true", "isolation: in_process");
    assert_eq!(said(&verify()), (0, verified.as_str(), ""));

    // What would be loaded, and not let do all it is for.
    let package = bench.package();
    let mut needy = package.clone();
    needy.manifest.capabilities = [Capability::NetworkOutbound].into();
    needy.manifest.tools[0].capabilities = [Capability::NetworkOutbound].into();
    bench.sign(&needy);
    config("plugins: [core], capabilities: [\"network:outbound\"]", "isolation: process");
    let output = verify();
    let (code, stdout, stderr) = said(&output);
    assert_eq!((code, stderr), (0, ""));
    let note = "note: calls of `core.echo` would be denied: plugin `core` is not granted `network:outbound`; add it to `plugins.entries.core.capabilities`";
    assert_eq!(stdout.lines().last(), Some(note), "{stdout}");
    bench.sign(&package);
    let verified = verified.replace(": core 0.1.0 release=1000", ": by hand");

    config("plugins: [core], in_process: true", "enabled: false");
    let disabled = format!(
        "error: plugin refused: {folder}: plugin `core` is disabled; remove `plugins.entries.core.enabled: false`\n"
    );
    assert_eq!(said(&verify()), (1, verified.as_str(), disabled.as_str()));

    config("plugins: [weather]", "isolation: in_process");
    let out_of_scope = format!(
        "error: plugin refused: {folder}/plugin.json: key `acme` may not sign a plugin named `core`; add a pattern that covers `core` to `plugins.trusted_keys.acme.plugins`, if its owner may\n\
         plugin refused: {folder}: plugin `core` is to run in the server's process, and key `acme` may not sign for that; set `plugins.trusted_keys.acme.in_process: true` if you trust its owner like the server itself\n"
    );
    assert_eq!(said(&verify()), (1, "", out_of_scope.as_str()));
    let output = plugin(bench.path(), ["verify", "plugins.d/core", "--json"], "");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), &said["refusals"][0]["code"]),
        (Some(1), &json!("plugin_out_of_scope"))
    );
}

#[test]
fn nobody_waits_for_a_pipe_or_fills_the_memory() {
    let bench = Workbench::new();
    let pipe = |path: &Path| {
        let _ = fs::remove_file(path);
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    let library = bench.folder().join("libplugin_core.so");
    let problems = || {
        let output = plugin(bench.path(), ["inspect", "plugins.d/core", "--json"], "");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["problems"].clone()
    };
    pipe(&library);
    assert_eq!(problems(), json!(["plugins.d/core/libplugin_core.so: it is no regular file"]));
    fs::remove_file(&library).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &library).unwrap();
    let link = "plugins.d/core/libplugin_core.so: it is a symbolic link, which is not followed";
    assert_eq!(problems(), json!([link]));
    fs::remove_file(&library).unwrap();
    fs::File::create(&library).unwrap().set_len(60 << 30).unwrap();
    let large = "plugins.d/core/libplugin_core.so: it is larger than 536870912 bytes";
    assert_eq!(problems(), json!([large]));

    pipe(&bench.folder().join("plugin.json"));
    let output = plugin(bench.path(), ["inspect", "plugins.d/core"], "");
    assert_eq!(said(&output), (1, "", "error: plugins.d/core/plugin.json: it is no regular file\n"));
    pipe(&bench.path().join("pipe.key"));
    for (key, error) in [
        ("pipe.key", "pipe.key: it cannot be read: it is no regular file"),
        ("/dev/zero", "/dev/zero: it cannot be read: it is no regular file"),
    ] {
        let output = plugin(bench.path(), ["sign", &core(), "--key", key], "");
        assert_eq!(said(&output), (1, "", format!("error: {error}\n").as_str()));
    }
    let output = plugin(bench.path(), ["sign", "/dev/zero", "--key", "acme.key"], "");
    assert_eq!(said(&output), (1, "", "error: /dev/zero: it is no regular file\n"));
}

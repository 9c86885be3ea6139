//! Keys and signatures of the program `minisign`, which plugin teams may have already.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

mod compilers;

use super::{
    commands::{core, plugin, said, told},
    workbench::Workbench,
};
use crate::support::{PROGRAM, eventually};

const PASSWORD: &str = "correct horse battery staple";

/// Runs `minisign`, which reads passwords from standard input where there is no terminal.
fn minisign(folder: &Path, arguments: &[&str], stdin: &str) -> String {
    let output = told(Command::new("minisign").args(arguments).current_dir(folder), stdin);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "minisign {arguments:?}: {text}");
    text
}

fn run(folder: &Path, arguments: &[&str], stdin: &str) -> String {
    let output = plugin(folder, arguments, stdin);
    let (code, stdout, stderr) = said(&output);
    assert_eq!((code, stderr), (0, ""), "plugin {arguments:?}: {stdout}");
    stdout.to_owned()
}

#[test]
#[ignore = "needs minisign"]
fn minisign_takes_our_keys_and_signatures() {
    for password in [None, Some(PASSWORD)] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let typed = password.map_or(String::new(), |it| format!("{it}\n"));
        fs::write(folder.join("password"), &typed).unwrap();
        let protection: &[&str] =
            if password.is_some() { &["--password-file", "password"] } else { &["--no-password"] };
        run(folder, &[&["keygen", "acme"], protection].concat(), "");
        run(folder, &["sign", &core(), "--key", "acme.key", "--out", "dist"], &typed);
        let verify = ["-V", "-p", "acme.pub", "-m", "dist/core/plugin.json"];
        let told = minisign(folder, &verify, "");
        assert!(told.contains("Trusted comment: core 0.1.0 release=1000"), "{told}");
        // Our secret key is one of theirs.
        minisign(folder, &["-S", "-s", "acme.key", "-m", "password"], &typed);
        minisign(folder, &["-V", "-p", "acme.pub", "-m", "password"], "");
        let public = minisign(folder, &["-R", "-s", "acme.key", "-p", "again.pub"], &typed);
        let line =
            |name: &str| fs::read_to_string(folder.join(name)).unwrap().lines().nth(1).unwrap().to_owned();
        assert_eq!(line("again.pub"), line("acme.pub"), "{public}");
    }
}

#[test]
#[ignore = "needs minisign"]
fn we_take_keys_and_signatures_of_minisigns() {
    for password in [None, Some(PASSWORD)] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let typed = password.map_or(String::new(), |it| format!("{it}\n"));
        let generate: &[&str] = &["-G", "-p", "acme.pub", "-s", "acme.key"];
        let unprotected: &[&str] = if password.is_some() { &[] } else { &["-W"] };
        minisign(folder, &[generate, unprotected].concat(), &typed.repeat(2));
        let verify = ["verify", "dist/core", "--public-key", "acme.pub"];

        // Their key, our signature.
        run(folder, &["sign", &core(), "--key", "acme.key", "--out", "dist"], &typed);
        assert!(run(folder, &verify, "").contains("core 0.1.0 release=1000"));

        // Their key, their signature, on a manifest that we made and that says how.
        let told = run(folder, &["sign", &core(), "--unsigned", "--out", "dist"], "");
        let command = "minisign -S -s KEY -m dist/core/plugin.json -t \"core 0.1.0 release=1000\"";
        assert_eq!(
            told,
            format!("dist/core: core 0.1.0, release 1000, not signed yet; do that with\n  {command}\n")
        );
        let unsigned = plugin(folder, verify, "");
        assert!(said(&unsigned).2.contains("it is not signed"), "{unsigned:?}");
        let sign = ["-S", "-s", "acme.key", "-m", "dist/core/plugin.json", "-t", "core 0.1.0 release=1000"];
        minisign(folder, &sign, &typed);
        assert!(run(folder, &verify, "").contains("core 0.1.0 release=1000"));
    }
}

#[test]
#[ignore = "needs minisign"]
fn a_server_loads_what_minisign_signed() {
    let mut bench = Workbench::new();
    let folder = bench.path().to_owned();
    minisign(&folder, &["-G", "-W", "-p", "theirs.pub", "-s", "theirs.key"], "");
    run(&folder, &["sign", &core(), "--unsigned", "--out", "plugins.d"], "");
    minisign(&folder, &["-S", "-s", "theirs.key", "-m", "plugins.d/core/plugin.json"], "");
    let theirs = fs::read_to_string(folder.join("theirs.pub")).unwrap();
    let line = theirs.lines().nth(1).unwrap().to_owned();
    bench.trusted().minisign = server_core::settings::KeySource::Minisign(line);
    let (registry, refusals) = bench.load(&Workbench::host());
    assert_eq!((registry.plugins().count(), refusals), (1, vec![]));
}

#[test]
#[ignore = "needs script, of bsdutils"]
fn a_person_types_the_password_at_a_terminal_and_nobody_sees_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // What a person sees of a command that asks these questions, and types these answers
    // once nothing shows what is typed.
    let at_a_terminal = |arguments: &str, answers: &[(&str, &str)]| {
        let command = format!("{PROGRAM} plugin {arguments}");
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--flush", "--command", &command, "seen"])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("script, of Debian's package bsdutils");
        let seen = || fs::read_to_string(folder.join("seen")).unwrap_or_default();
        for (question, answer) in answers {
            eventually(question, || (seen().contains(question) && is_hidden(child.id())).then_some(()));
            writeln!(child.stdin.as_mut().unwrap(), "{answer}").unwrap();
        }
        let succeeded = child.wait().unwrap().success();
        let seen = seen();
        fs::remove_file(folder.join("seen")).unwrap();
        (succeeded, seen)
    };
    let (new, again) = ("A password for the secret key: ", "The same again: ");
    let (made, seen) = at_a_terminal("keygen acme", &[(new, PASSWORD), (again, "another")]);
    assert!(!made && seen.contains("these were two passwords: nothing was written"), "{seen}");
    let (made, seen) = at_a_terminal("keygen acme", &[(new, PASSWORD), (again, PASSWORD)]);
    assert!(made && seen.contains("acme.pub") && !seen.contains(PASSWORD), "{seen}");
    let sign = format!("sign {} --key acme.key", core());
    let (signed, seen) = at_a_terminal(&sign, &[("The key's password: ", PASSWORD)]);
    assert!(signed && seen.contains("signed with key") && !seen.contains(PASSWORD), "{seen}");
}

/// Whether the terminal that a process gave to its child does not show what is typed.
fn is_hidden(process: u32) -> bool {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    let Some(child) = children.unwrap_or_default().split_ascii_whitespace().next().map(str::to_owned) else {
        return false;
    };
    let Ok(terminal) = fs::read_link(format!("/proc/{child}/fd/0")) else { return false };
    let settings = Command::new("stty").arg("-F").arg(terminal).arg("-a").output().unwrap();
    String::from_utf8_lossy(&settings.stdout).split_ascii_whitespace().any(|it| it == "-echo")
}

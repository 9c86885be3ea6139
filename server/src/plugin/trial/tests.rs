use std::{fs, time::Instant};

use super::*;
use crate::plugin::{image::LibraryImage, testing::package};

/// What comes of a trial by a program that is no server.
fn tried_by(program: &Path) -> Outcome {
    let library = Sealed::of(&LibraryImage::unchecked(b"library")).unwrap();
    run(program, &library, &Request::new(&package().manifest, "{}"), Duration::from_secs(60))
}

/// A script that another process wrote: one that this process has open for writing,
/// or any that a neighbouring test starts meanwhile, cannot be run.
fn script(lines: &str) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    let new = folder.path().join("new");
    fs::write(&new, lines).unwrap();
    let made = process::Command::new("sh")
        .args(["-c", "cp $1 $2 && chmod +x $2", "sh"])
        .args([&new, &program])
        .status();
    assert!(made.unwrap().success());
    tried_by(&program)
}

fn fails(code: &'static str, message: &str, help: &str) -> Outcome {
    Outcome::Fails(Fault::new(code, message, help))
}

fn crashes(how: &str) -> Outcome {
    crash(&format!("its library ended the process that tried it ({how})"))
}

fn nonsense() -> Outcome {
    crash("the process that tried it reported nonsense")
}

fn crash(what: &str) -> Outcome {
    Outcome::Crashes(Fault::new(
        "start_crashed",
        format!("plugin `weather` does not start: {what}"),
        "see `plugins.entries.weather.config`, or ask the plugin's author; it is tried again when its configuration or its release is another one",
    ))
}

#[test]
fn how_a_trial_ends_is_what_comes_of_it() {
    for (lines, outcome) in [
        (r#"echo '"works"'; exit 3"#, Outcome::Works),
        ("exit 3", crashes("exit code 3")),
        ("exit 0", crashes("exit code 0")),
        ("kill -SEGV $$", crashes("signal 11, SIGSEGV")),
        ("kill -USR1 $$", crashes("signal 10")),
        ("echo nonsense", nonsense()),
        ("while echo nonsense; do :; done | tr -d '\\n'", nonsense()),
        (
            "kill -KILL $$",
            fails(
                "start_crashed",
                "plugin `weather` does not start: something killed the process that tried it",
                "look whether the system ran out of memory; it is tried again at the next reload",
            ),
        ),
        (
            r#"printf '%s\n' '{"fails":{"code":"create_failed","message":"a\nb","help":"c\u001b"}}'"#,
            fails("create_failed", "a b", "c "),
        ),
        (
            r#"printf '%s\n' '{"fails":{"code":"key_revoked","message":"a","help":"b"}}'"#,
            fails("start_failed", "a", "b"),
        ),
        // What it leaves behind does not keep the server waiting.
        ("sleep 600 & exit 4", crashes("exit code 4")),
    ] {
        assert_eq!(script(&format!("#!/bin/sh\n{lines}\n")), outcome, "{lines}");
    }
}

#[test]
fn what_a_trial_started_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let number = folder.path().join("number");
    let lines = format!("sleep 600 &\necho $! >{}\necho '\"works\"'\nwait", number.display());
    assert_eq!(script(&format!("#!/bin/sh\n{lines}\n")), Outcome::Works);
    let process = fs::read_to_string(number).unwrap();
    // A process that has ended has no command line, whether it is reaped or not.
    let command = Path::new("/proc").join(process.trim()).join("cmdline");
    let ended = || fs::read(&command).map_or(true, |line| line.is_empty());
    let deadline = Instant::now() + Duration::from_secs(30);
    while !ended() {
        assert!(Instant::now() < deadline, "{} runs on", process.trim());
        std::thread::yield_now();
    }
}

#[test]
fn nothing_is_loaded_where_nothing_can_be_tried() {
    assert_eq!(
        tried_by(Path::new("/nowhere/program")),
        fails(
            "trial_unavailable",
            "it cannot be tried out in a process of its own: No such file or directory (os error 2)",
            "let the server run its own program, /proc/self/exe, once more"
        )
    );
}

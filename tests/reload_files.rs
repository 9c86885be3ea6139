//! Files that are missing, half written, no files at all, or wrong.

use std::{fs, path::PathBuf, sync::mpsc, time::Duration, time::Instant};

use notify::{EventKind, RecursiveMode, Watcher, event::AccessKind};
use serde_json::json;

use crate::{
    reload::{ready, ready_when},
    support::{
        LAPTOP, REVIEWER, Server, TWO_AGENTS,
        client::{Client, ERAS},
        eventually, eventually_async, program,
    },
};

/// [`TWO_AGENTS`], with the reviewer's token in a file `secret`.
fn with_secret_file() -> String {
    TWO_AGENTS.replace("${REVIEWER_TOKEN}", "${file:secret}")
}

fn beside(server: &Server, name: &str) -> PathBuf {
    server.config().with_file_name(name)
}

fn refusals(server: &Server) -> Vec<String> {
    let lines = server.log().into_iter();
    let refused =
        lines.filter(|line| line["message"].as_str().is_some_and(|m| m.starts_with("reload refused")));
    refused.map(|line| line["reason"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_edit_while_another_one_is_compiled_is_not_lost() {
    let server = Server::start(TWO_AGENTS);
    let secret = beside(&server, "secret");
    fs::write(&secret, REVIEWER).unwrap();
    let (opened, when_opened) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| matches!(event.kind, EventKind::Access(AccessKind::Open(_)))) {
            let _ = opened.send(());
        }
    })
    .unwrap();
    watcher.watch(&secret, RecursiveMode::NonRecursive).unwrap();

    // The secret is read early, and many agents keep the compiler busy after it.
    let mut long = with_secret_file().replace("  reviewer:", "  a-reviewer:");
    for number in 0..2000 {
        long.push_str(&format!("  z{number}: {{ tenant: research, token: \"sha256:{number:064x}\" }}\n"));
    }
    let next = TWO_AGENTS.replace(r#"tools: ["core.echo", "core.sum"]"#, r#"tools: ["core.sum"]"#);
    fs::write(beside(&server, "next.yaml"), next).unwrap();
    fs::write(server.config(), long).unwrap();
    when_opened.recv_timeout(Duration::from_secs(30)).unwrap();
    fs::rename(beside(&server, "next.yaml"), server.config()).unwrap();

    ready_when(&server, "the third generation", |answer| answer["generation"] == 3).await;
    let laptop = Client::connect(&server, LAPTOP, ERAS[1]).await;
    assert_eq!(laptop.tools().await, ["core.sum"]);
}

#[tokio::test]
async fn a_secret_file_that_was_missing_is_awaited() {
    let server = Server::start(TWO_AGENTS);
    fs::write(server.config(), with_secret_file()).unwrap();
    ready_when(&server, "the refusal", |answer| answer["last_reload"]["result"] == "refused").await;
    fs::write(beside(&server, "secret"), REVIEWER).unwrap();
    ready_when(&server, "the second generation", |answer| answer["generation"] == 2).await;
    // And it is watched from then on.
    fs::write(beside(&server, "secret"), "another-token-0123456789-0123456789").unwrap();
    ready_when(&server, "the third generation", |answer| answer["generation"] == 3).await;
}

#[tokio::test]
async fn what_is_in_force_already_is_not_applied_again() {
    let server = Server::start(TWO_AGENTS);
    let refused = json!({ "result": "refused", "problems": 1 });
    for _ in 0..2 {
        fs::remove_file(server.config()).unwrap();
        ready_when(&server, "the refusal", |answer| answer["last_reload"] == refused).await;
        fs::write(server.config(), TWO_AGENTS).unwrap();
        let answer =
            ready_when(&server, "the old file", |answer| answer["last_reload"]["result"] == "applied").await;
        assert_eq!(answer["generation"], 1);
    }
    assert_eq!(refusals(&server), ["cannot read config.yaml: No such file or directory (os error 2)"]);
}

#[tokio::test]
async fn a_file_that_is_being_written_counts_when_it_is_complete() {
    let server = Server::start(TWO_AGENTS);
    let next = TWO_AGENTS.replace(r#"deny: ["core.sum"]"#, r#"deny: ["core.echo"]"#);
    // Up to here it is a configuration too, with fewer denials.
    let (half, _) = next.split_once("\n    deny:").unwrap();
    fs::write(server.config(), half).unwrap();
    let begun = Instant::now();
    eventually_async("the half to be left alone for a second", || async {
        assert_eq!(ready(&server).await["generation"], 1);
        (begun.elapsed() > Duration::from_secs(1)).then_some(())
    })
    .await;
    fs::write(server.config(), next).unwrap();
    ready_when(&server, "the second generation", |answer| answer["generation"] == 2).await;
    let reviewer = Client::connect(&server, REVIEWER, ERAS[1]).await;
    assert_eq!(reviewer.tools().await, ["core.sum"]);
    assert_eq!(server.logged(|line| line["code"] == "no_final_line_break"), None);
}

#[tokio::test]
async fn a_file_without_a_final_line_break_counts_after_three_seconds() {
    let server = Server::start(TWO_AGENTS);
    let begun = Instant::now();
    fs::write(server.config(), TWO_AGENTS.trim_end()).unwrap();
    ready_when(&server, "the second generation", |answer| answer["generation"] == 2).await;
    assert!(begun.elapsed() >= Duration::from_secs(3));
    let line = eventually("the warning", || server.logged(|line| line["code"] == "no_final_line_break"));
    assert_eq!(line["message"], "the file does not end with a line break, so it may have been cut short");
}

#[tokio::test]
async fn a_configuration_that_is_no_file_holds_up_nothing() {
    use rustix::fs::{CWD, FileType, mknodat};

    let mut server = Server::start(TWO_AGENTS);
    fs::remove_file(server.config()).unwrap();
    mknodat(CWD, server.config(), FileType::Fifo, 0o600.into(), 0).unwrap();
    let reason = "cannot read config.yaml: it is a named pipe, not a regular file";
    eventually("the refusal", || refusals(&server).contains(&reason.to_owned()).then_some(()));
    assert_eq!(ready(&server).await["ready"], true);
    server.signal("-TERM");
    assert!(server.ended().success());
}

#[tokio::test]
async fn a_wrong_line_in_dotenv_is_told_without_what_it_says() {
    const LINE: &str = "SOME_KEY: hunter2-hunter2-hunter2-hunter2-hunter2\n";
    let words = ".env:1: there is no `=` in this line; write NAME=value, or `#` before a comment";

    let server = Server::start(TWO_AGENTS);
    fs::write(beside(&server, ".env"), LINE).unwrap();
    ready_when(&server, "the refusal", |answer| answer["last_reload"]["result"] == "refused").await;
    eventually("the log line", || (refusals(&server) == [words]).then_some(()));
    assert!(!format!("{:?}", server.log()).contains("hunter2"));

    for command in ["serve", "check"] {
        let output = program().arg(command).current_dir(server.config().parent().unwrap()).output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        assert_eq!(output.status.code(), Some(78));
        assert!(said.contains(words.trim_start_matches(".env:1: ")) && !said.contains("hunter2"), "{said}");
    }
}

#[tokio::test]
async fn a_pattern_that_covers_no_tool_is_warned_of() {
    let server = Server::start(&TWO_AGENTS.replace(r#"deny: ["core.sum"]"#, r#"deny: ["core.smu"]"#));
    let warnings: Vec<_> = server.log().into_iter().filter(|line| line["level"] != "INFO").collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for (field, value) in [
        ("target", "config"),
        ("place", "agents.reviewer.deny"),
        ("message", "`core.smu` covers no tool that is loaded"),
        ("help", "did you mean `core.sum`?"),
    ] {
        assert_eq!(warnings[0][field], value, "{warnings:?}");
    }
}

#[tokio::test]
async fn of_many_patterns_that_cover_nothing_a_hundred_are_named() {
    let patterns: Vec<_> = (0..150).map(|number| format!("\"none.x{number}\"")).collect();
    let config = TWO_AGENTS.replace(r#"["core.echo", "core.sum"]"#, &format!("[{}]", patterns.join(", ")));
    let server = Server::start(&config);
    let rest = eventually("the last line", || server.logged(|line| line["more"].is_u64()));
    assert_eq!(rest["more"], 50, "{rest}");
    let named = server.log().iter().filter(|line| line["code"] == "unused_pattern").count();
    assert_eq!(named, 100);
}

#[tokio::test]
async fn the_shipped_configuration_starts_without_a_warning() {
    let shipped = ["127.0.0.1:8080", "127.0.0.1:8081"]
        .iter()
        .fold(include_str!("../config.yaml").to_owned(), |text, address| {
            text.replace(address, "127.0.0.1:0")
        });
    let server = Server::start_with(&shipped, |_, command| {
        command.env("ADMIN_TOKEN", "admin-token-0123456789-0123456789-abcdefg");
    });
    assert_eq!(server.logged(|line| line["level"] != "INFO"), None);
}

//! `audit tail` and `audit verify`, as an operator runs them.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

use super::{audit_command, config, folder, load, outcome};
use crate::support::{LAPTOP, REVIEWER, Server, client::stateless, eventually, program};

struct Following(Child, Arc<Mutex<Vec<Value>>>);

impl Following {
    fn start(server: &Server, arguments: &[&str]) -> Self {
        let mut child = program()
            .args(["audit", "tail", "--follow", "--lines", "0", "--json"])
            .args(arguments)
            .arg("--config")
            .arg(server.config())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::<Mutex<Vec<Value>>>::default();
        let (sink, from) = (lines.clone(), BufReader::new(child.stdout.take().unwrap()));
        thread::spawn(move || {
            for line in from.lines().map_while(Result::ok) {
                sink.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self(child, lines)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_tail_follows_from_segment_to_segment_and_misses_nothing() {
    let server = Server::start(&config("{ segment_bytes: 65536 }"));
    let following = Following::start(&server, &["--event", "outcome"]);
    // It is known to follow once it shows something.
    let mut marks = 0;
    while following.1.lock().unwrap().is_empty() {
        assert_eq!(outcome(&server, LAPTOP, "mark").await, "ok");
        marks += 1;
        assert!(marks < 1000, "the tail shows nothing");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    load(&server, 4, 150).await;
    let shown = |count: usize| (following.1.lock().unwrap().len() >= count).then_some(());
    let first = following.1.lock().unwrap()[0]["seq"].as_u64().unwrap();
    let all = super::records(&folder(&server));
    let expected: Vec<_> = all
        .iter()
        .filter(|it| it["event"] == "outcome" && it["seq"].as_u64() >= Some(first))
        .map(|it| it["seq"].clone())
        .collect();
    eventually("the tail to show all", || shown(expected.len()));
    let lines = following.1.lock().unwrap();
    assert_eq!(lines.iter().map(|it| it["seq"].clone()).collect::<Vec<_>>(), expected);
    assert!(fs::read_dir(folder(&server)).unwrap().count() > 5);
}

#[tokio::test]
async fn a_tail_shows_what_was_asked_for_only() {
    let server = Server::start(&config("{}"));
    outcome(&server, LAPTOP, "x").await;
    let sum = |token| {
        stateless(
            &server,
            token,
            "tools/call",
            json!({ "name": "core.sum", "arguments": { "a": 1, "b": 1 } }),
        )
    };
    sum(LAPTOP).send().await.unwrap();
    sum(REVIEWER).send().await.unwrap();
    let count = |arguments: &[&str]| {
        let output = audit_command(&server, &[&["tail"], arguments].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().count()
    };
    for (arguments, expected) in [
        (&["--agent", "laptop"][..], 4),
        (&["--agent", "nobody"], 0),
        (&["--tenant", "research"], 5),
        (&["--tool", "core.sum"], 3),
        (&["--tool", "core.*"], 5),
        (&["--decision", "deny"], 1),
        (&["--decision", "allow", "--event", "outcome"], 2),
        (&["--since", "1h", "--agent", "reviewer"], 1),
        (&["--until", "1h"], 0),
        (&["--since", "2026-01-01T00:00:00Z", "--until", "2026-01-02T00:00:00Z"], 0),
        (&["--tool", "core.*", "--lines", "2"], 2),
        (&["--ocsf", "--lines", "all"], 3),
    ] {
        assert_eq!(count(arguments), expected, "{arguments:?}");
    }
    let wrong = audit_command(&server, &["tail", "--since", "yesterday"]);
    assert_eq!(wrong.status.code(), Some(64));
}

#[tokio::test]
async fn calls_are_exported_as_api_activity_of_ocsf() {
    let server = Server::start(&config("{}"));
    outcome(&server, LAPTOP, "x").await;
    let sum = json!({ "name": "core.sum", "arguments": { "a": 1, "b": 1 } });
    stateless(&server, REVIEWER, "tools/call", sum).send().await.unwrap();
    let output = audit_command(&server, &["tail", "--ocsf"]);
    let events: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [allowed, denied] = &events[..] else { panic!("{events:?}") };
    for (event, status, action, agent, tool) in
        [(allowed, 1, 1, "laptop", "core.echo"), (denied, 2, 2, "reviewer", "core.sum")]
    {
        assert_eq!((&event["class_uid"], &event["type_uid"]), (&json!(6003), &json!(600_399)));
        assert_eq!((&event["status_id"], &event["action_id"]), (&json!(status), &json!(action)));
        assert_eq!(event["actor"]["user"]["name"], agent);
        assert_eq!(event["actor"]["user"]["org"]["name"], "research");
        assert_eq!(event["src_endpoint"]["ip"], "127.0.0.1");
        assert_eq!(event["api"]["operation"], tool);
        assert!(event["time"].as_u64() > Some(1_700_000_000_000));
        assert!(event["metadata"]["sequence"].is_u64() && event["metadata"]["version"] == "1.3.0");
    }
    assert_eq!(denied["status_detail"], "tool_denied_to_agent");
}

#[tokio::test]
async fn verify_says_what_is_wrong_and_where() {
    let mut server = Server::start(&config("{}"));
    outcome(&server, LAPTOP, "x").await;
    server.signal("-TERM");
    server.ended();
    let log = server.config().with_file_name("server.log");
    eventually("the last checkpoint in the log", || {
        server
            .log()
            .iter()
            .rfind(|line| line["message"] == "audit checkpoint")
            .filter(|line| line["covers"].as_u64() > Some(8))
            .map(drop)
    });
    let lines: Vec<_> = server.log().iter().map(ToString::to_string).collect();
    fs::write(&log, lines.join("\n")).unwrap();
    let (log, folder) = (log.display().to_string(), folder(&server));
    let verify = |arguments: &[&str]| {
        let output = audit_command(&server, &[&["verify"], arguments].concat());
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, told) = verify(&["--checkpoint", &log]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains(": sound\n") && told.contains("  held to 2 checkpoints from outside\n"), "{told}");

    let path = folder.join("0000000000000001.jsonl");
    let right = fs::read_to_string(&path).unwrap();
    let cut: String = right.lines().take(8).map(|line| format!("{line}\n")).collect();
    fs::write(&path, cut).unwrap();
    let (code, told) = verify(&["--checkpoint", &log]);
    assert_eq!(code, Some(1));
    assert!(told.starts_with("the tail is cut off: record "), "{told}");
    assert!(verify(&[]).0 == Some(0), "without a checkpoint from outside nobody can tell");

    fs::write(&path, right.replacen("laptop", "lap-op", 1)).unwrap();
    let (code, told) = verify(&[]);
    assert_eq!(code, Some(1));
    let line = 1 + right.lines().position(|line| line.contains("laptop")).unwrap();
    assert!(
        told.starts_with(&format!(
            "0000000000000001.jsonl:{line}: record {line} was changed: its hash is that of another text\n"
        )),
        "{told}"
    );
    let none = audit_command(&server, &["verify", "--dir", "/nowhere"]);
    assert_eq!(
        String::from_utf8(none.stderr).unwrap(),
        "error: there is no audit in /nowhere: name its folder with --dir, or the configuration with --config\n"
    );
}

//! `explain`: why an agent may call a tool, or not.

use super::*;
use crate::support::output::{code as exit, stderr, stdout};

fn explain(door: &Door, arguments: &[&str]) -> (i32, String, String) {
    let output = door.run(&[&["explain"], arguments].concat());
    (exit(&output), stdout(&output), stderr(&output))
}

#[test]
fn what_grants_a_call_is_told_with_its_line() {
    let door = Door::open();
    let sum = ["--agent", "laptop", "--tool", "core.sum", "--args", r#"{"a": 2, "b": 3}"#];
    let expected = "\
agent laptop of tenant research may call core.sum of plugin core
  by generation 1 of the running server
  its list of tools has it
  arguments fit the tool's schema

RIGHT          OF                        BY        AT
tool core.sum  agent laptop     granted  core.sum  config.yaml:9:26 (agents.laptop.tools[1])
tool core.sum  tenant research  granted  *         config.yaml:4:23 (tenants.research.tools[0])

LIMIT               VALUE   AT
max_payload_bytes   65536   the default
max_response_bytes  262144  the default
timeout_seconds     30      the default
concurrency         8       the default
rate_limit          60/min  the default
";
    assert_eq!(explain(&door, &sum), (0, expected.to_owned(), String::new()));
}

#[test]
fn every_reason_against_a_call_is_told_with_the_line_that_would_change_it() {
    let door = Door::open();
    let sum = ["--agent", "reviewer", "--tool", "core.sum", "--args", r#"{"a": 2}"#];
    let (code, told, _) = explain(&door, &sum);
    let expected = "\
agent reviewer of tenant research may not call core.sum of plugin core
  by generation 1 of the running server
  its list of tools does not have it; called, it hears the reasons
  arguments do not fit the tool's schema

refused: agent `reviewer` is denied tool `core.sum` (tool_denied_to_agent)
 --> config.yaml:14:12 (agents.reviewer.deny[0])
  help: remove `core.sum` from `agents.reviewer.deny`

refused: the arguments: `b` is missing (invalid_arguments)
  help: see the arguments that `core.sum` lists

RIGHT          OF                        BY             AT
tool core.sum  agent reviewer   denied   deny core.sum  config.yaml:14:12 (agents.reviewer.deny[0])
";
    assert_eq!(code, 1);
    assert!(told.starts_with(expected), "{told}");
}

#[test]
fn what_is_done_to_results_and_prompts_is_told_where_anything_is() {
    let filtered = config()
        .replace("  laptop:\n", "  laptop:\n    filters: { prompts: redact }\n")
        .replace(r#"{ tools: ["*"] }"#, r#"{ tools: ["*"], filters: { results: redact } }"#);
    let door = Door::open_with(&filtered, |_, _| {});
    for (agent, told) in [("laptop", "redact"), ("reviewer", "off")] {
        let (_, said, _) = explain(&door, &["--agent", agent, "--tool", "core.echo"]);
        let line = format!("  secrets and personal data in results: redact, in prompts to models: {told}\n");
        assert!(said.contains(&line), "{said}");
    }
}

#[test]
fn the_answer_is_that_of_the_server_and_without_one_that_of_the_file() {
    let door = Door::open();
    // Held for want of a line break at its end, so that the server has another one.
    door.write(&config().replace(r#", "core.sum"]"#, "]").replace("60", "0"));
    let sum = ["--agent", "laptop", "--tool", "core.sum", "--json"];
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let (code, told, said) = explain(&door, &sum);
    assert_eq!(said, "");
    assert_eq!((code, &json(&told)["generation"], &json(&told)["allowed"]), (0, &json!(1), &json!(true)));

    let folder = door.server.config().parent().unwrap().to_owned();
    let run = |arguments: &[&str]| {
        let mut command = program();
        command.arg("explain").args(sum).args(arguments).current_dir(&folder);
        let output = command.output().unwrap();
        (exit(&output), json(&stdout(&output)), stderr(&output))
    };
    let (code, told, said) = run(&["--offline"]);
    assert_eq!(
        (code, &told["generation"], &told["allowed"], said.as_str()),
        (1, &json!(null), &json!(false), "")
    );
    assert_eq!(
        told["reasons"],
        json!([{
            "code": "tool_not_granted_to_agent",
            "message": "agent `laptop` is not granted tool `core.sum`",
            "help": "add `core.sum` to `agents.laptop.tools`",
            "place": { "path": "config.yaml", "line": 9, "column": 5, "config_path": "agents.laptop.tools" },
        }])
    );
    // Port 0 says nothing of where the server is.
    let (code, _, said) = run(&[]);
    assert_eq!(code, 1);
    assert!(said.starts_with("note: no server is asked, only the configuration file: "), "{said}");
}

#[test]
fn what_there_is_nothing_to_say_of_is_told_so() {
    let door = Door::open();
    for (arguments, expected) in [
        (
            ["--agent", "lapto", "--tool", "core.sum"],
            (1, "error: there is no agent `lapto`; did you mean `laptop`?\n"),
        ),
        (
            ["--agent", "laptop", "--tool", "core.some"],
            (1, "error: no plugin that is loaded offers tool `core.some`; did you mean `core.sum`?\n"),
        ),
    ] {
        let (code, _, said) = explain(&door, &arguments);
        assert_eq!((code, said.as_str()), expected);
    }
    let wrong = explain(&door, &["--agent", "laptop", "--tool", "core.sum", "--args", "[1]"]);
    assert_eq!(wrong.0, 64, "{}", wrong.2);
    assert!(wrong.2.starts_with("error: the arguments must be a JSON object, as in "), "{}", wrong.2);
}

#[tokio::test]
async fn the_door_takes_questions_of_one_form() {
    let door = Door::open();
    for (body, status, error) in [
        ("", 400, "bad_question"),
        (r#"{"agent": "laptop"}"#, 400, "bad_question"),
        (r#"{"agent": "laptop", "tool": "core.sum", "args": {}}"#, 400, "bad_question"),
        (r#"{"agent": "laptop", "tool": "core.sum", "arguments": []}"#, 400, "bad_question"),
        (r#"{"agent": "nobody", "tool": "core.sum"}"#, 404, "no_such_agent"),
        (r#"{"agent": "laptop", "tool": "nothing"}"#, 404, "no_such_tool"),
    ] {
        let (code, answer) = answer(door.post("/explain").body(body)).await;
        assert_eq!((code, &answer["error"]), (status, &json!(error)), "{body}");
    }
    let limited = config()
        .replace("[\"core.echo\", \"core.sum\"]", "[\"core.*\"]\n    limits: { rate_limit: \"1/h\" }");
    let door = Door::open_with(&limited, |_, _| {});
    let question = || door.post("/explain").body(r#"{"agent": "laptop", "tool": "core.echo"}"#);
    assert_eq!(answer(question()).await.1["allowed"], true);
    let laptop = Client::connect(&door.server, LAPTOP, ERAS[1]).await;
    assert_eq!(laptop.text("core.echo", json!({ "text": "hello" })).await, "hello");
    let (_, refused) = answer(question()).await;
    assert_eq!((&refused["reasons"][0]["code"], &refused["listed"]), (&json!("rate_limited"), &json!(true)));
    assert_eq!(refused["reasons"][0]["place"]["config_path"], "agents.laptop.limits.rate_limit");
}

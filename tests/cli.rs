//! The commands, as an operator types them.

use std::{
    fs,
    process::{Output, Stdio},
};

use serde_json::{Value, json};

use crate::support::{
    LAPTOP, REVIEWER, Server, TWO_AGENTS,
    client::{Client, ERAS, http},
    eventually, eventually_async,
    output::{code, stderr, stdout},
    program,
};

/// Runs the program with these arguments in a folder with this config.yaml.
fn run(arguments: &[&str], config: Option<&str>) -> (Output, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    if let Some(config) = config {
        fs::write(folder.path().join("config.yaml"), config).unwrap();
    }
    let output = program()
        .args(arguments)
        .current_dir(folder.path())
        .env("LAPTOP_TOKEN", LAPTOP)
        .env("REVIEWER_TOKEN", REVIEWER)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output, folder)
}

#[test]
fn check_accepts_a_right_configuration() {
    let (output, _folder) = run(&["check"], Some(TWO_AGENTS));
    assert_eq!((code(&output), stdout(&output).as_str()), (0, "config.yaml: ok\n"), "{}", stderr(&output));
}

#[test]
fn check_says_who_would_gain_or_lose_what_compared_with_what_was_in_force() {
    let server = Server::start(TWO_AGENTS);
    let next = server.config().with_file_name("next.yaml");
    fs::write(&next, TWO_AGENTS.replace("deny: [\"core.sum\"]", "deny: [\"core.echo\"]")).unwrap();
    let output = program()
        .args(["check", "next.yaml"])
        .current_dir(next.parent().unwrap())
        .env("LAPTOP_TOKEN", LAPTOP)
        .env("REVIEWER_TOKEN", REVIEWER)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let expected = "\
next.yaml: ok

Compared with the configuration that was in force last:

  Agents
    agent reviewer loses core.echo
    agent reviewer gains core.sum
";
    assert_eq!((said.as_str(), output.status.code()), (expected, Some(0)));
}

#[test]
fn check_says_every_problem_and_exits_78() {
    let wrong = TWO_AGENTS
        .replace("tenant: research\n    token: \"${L", "tenant: reserch\n    token: \"${L")
        .replace("deny:", "dney:");
    let (output, _folder) = run(&["check", "config.yaml"], Some(&wrong));
    let text = stdout(&output);
    assert_eq!(code(&output), 78, "{text}");
    assert!(text.contains("did you mean `research`?") && text.contains("config.yaml:7:"), "{text}");
    assert!(text.contains("did you mean `deny`?") && text.contains("config.yaml:14:"), "{text}");
    assert!(text.ends_with("config.yaml: cannot be used, 2 problems\n"), "{text}");
}

#[test]
fn check_prints_problems_for_machines() {
    let (output, _folder) = run(&["check", "--json"], Some("version: 1\nagents: {}\n"));
    let problems: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(code(&output), 78);
    assert!(problems[0]["message"].as_str().unwrap().contains("tenants"), "{problems}");
}

#[test]
fn check_goes_on_after_a_file_that_cannot_be_read() {
    let (output, _folder) = run(&["check", "no.yaml", "config.yaml"], Some(TWO_AGENTS));
    let text = stdout(&output);
    assert_eq!(code(&output), 78);
    assert!(text.starts_with("error: cannot read no.yaml: No such file or directory"), "{text}");
    assert!(text.ends_with("no.yaml: cannot be used, 1 problem\nconfig.yaml: ok\n"), "{text}");
    let (output, _folder) = run(&["check", "--json", "no.yaml"], None);
    let problems: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((code(&output), &problems[0]["code"]), (78, &json!("unreadable")));
}

#[test]
fn a_configuration_that_is_there_is_never_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("config.yaml")).unwrap();
    let mut command = program();
    let output = command.arg("serve").current_dir(folder.path()).env("MCP_TOKEN", LAPTOP).output().unwrap();
    assert_eq!(code(&output), 78);
    assert!(stderr(&output).starts_with("error: cannot read config.yaml: "), "{}", stderr(&output));
}

#[test]
fn token_new_names_the_endpoint_of_a_configuration_with_problems() {
    for (server, url) in [
        ("{ public_url: \"https://mcp.example.lan/mcp\" }", "https://mcp.example.lan/mcp"),
        ("{ listen: \"0.0.0.0:9000\" }", "http://<this machine>:9000/mcp"),
        ("{ listen: \"127.0.0.1:9001\" }", "http://127.0.0.1:9001/mcp"),
    ] {
        let config = format!("version: 1\nserver: {server}\nagents: 5\n");
        let (output, _folder) = run(&["token", "new"], Some(&config));
        assert!(stdout(&output).contains(&format!(" mus {url} ")), "{}", stdout(&output));
    }
}

#[test]
fn wrong_usage_exits_64_and_help_exits_0() {
    for (arguments, expected) in [
        (&["serve", "--no-such-option"][..], 64),
        (&["no-such-command"], 64),
        (&["--help"], 0),
        (&["serve", "--help"], 0),
    ] {
        assert_eq!(code(&run(arguments, None).0), expected, "{arguments:?}");
    }
}

#[test]
fn serve_refuses_a_wrong_configuration_with_its_problems() {
    let (output, _folder) = run(&["serve"], Some(&TWO_AGENTS.replace("deny:", "dney:")));
    assert_eq!(code(&output), 78);
    assert!(stderr(&output).contains("did you mean `deny`?"), "{}", stderr(&output));
}

#[test]
fn serve_without_anything_to_go_by_says_what_is_missing() {
    let (output, _folder) = run(&["serve"], None);
    assert_eq!(code(&output), 78);
    assert_eq!(
        stderr(&output),
        "error: there is no config.yaml, and MCP_TOKEN is not set: write a configuration, name one with --config, \
         or set MCP_TOKEN to a token from `mcp-universal-server token new` to serve core.echo and core.sum to one agent\n"
    );
    let folder = tempfile::tempdir().unwrap();
    let mut command = program();
    command.arg("serve").current_dir(folder.path()).env("MCP_TOKEN", LAPTOP).env("MCP_LISTEN", "8080");
    let output = command.output().unwrap();
    assert_eq!(code(&output), 78);
    assert_eq!(stderr(&output), "error: MCP_LISTEN is no address: write it as 127.0.0.1:8080, not `8080`\n");
    let (output, _folder) = run(&["serve", "--config", "elsewhere.yaml"], None);
    assert_eq!(code(&output), 78);
    assert!(stderr(&output).starts_with("error: cannot read elsewhere.yaml: "), "{}", stderr(&output));
}

#[test]
fn schema_is_json_schema_draft_7() {
    let (output, _folder) = run(&["schema"], None);
    let schema: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    assert_eq!(schema["additionalProperties"], json!(false));
}

#[tokio::test]
async fn a_new_token_works_as_the_lines_printed_with_it_say() {
    let (output, _folder) = run(&["token", "new", "--agent", "laptop"], None);
    let text = stdout(&output);
    let token = text.lines().nth(1).unwrap().trim();
    let line = text.lines().find(|line| line.trim().starts_with("token: \"sha256:")).unwrap().trim();
    assert!(
        text.contains(&format!(
            "claude mcp add --transport http mus http://127.0.0.1:8080/mcp --header \"Authorization: Bearer {token}\""
        )),
        "{text}"
    );
    let server = Server::start(&TWO_AGENTS.replace("token: \"${LAPTOP_TOKEN}\"", line));
    let laptop = Client::connect(&server, token, ERAS[1]).await;
    assert_eq!(laptop.tools().await, ["core.echo", "core.sum"]);
}

#[tokio::test]
async fn a_token_is_rotated_as_the_lines_printed_say_while_agents_work() {
    let server = Server::start(TWO_AGENTS);
    let rotate = |agent: &str, more: &[&str]| {
        let config = server.config();
        let arguments = [&["token", "rotate", "--agent", agent, "--config", config.to_str().unwrap()], more];
        run(&arguments.concat(), None).0
    };
    let unknown = rotate("lap", &[]);
    assert_eq!(code(&unknown), 1);
    assert!(stderr(&unknown).contains("has no agent `lap`"), "{}", stderr(&unknown));

    let said: Value = serde_json::from_str(&stdout(&rotate("laptop", &["--json"]))).unwrap();
    let text = |key: &str| said[key].as_str().unwrap().to_owned();
    let line = TWO_AGENTS.lines().position(|line| line.contains("${LAPTOP_TOKEN}")).unwrap() + 1;
    let place = &said["places"][0];
    assert_eq!((&place["line"], &place["config_path"]), (&json!(line), &json!("agents.laptop.token")));

    let status = async |token: &str| {
        let request = http().get(server.url("/mcp")).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };
    let tokens = [LAPTOP, &text("token")];
    assert_eq!((status(tokens[0]).await == 401, status(tokens[1]).await), (false, 401));
    for (written, [old, new]) in [(text("both"), [true, true]), (text("only"), [false, true])] {
        fs::write(server.config(), TWO_AGENTS.replace("token: \"${LAPTOP_TOKEN}\"", &written)).unwrap();
        eventually_async("the edit", || async {
            let good = [status(tokens[0]).await != 401, status(tokens[1]).await != 401];
            (good == [old, new]).then_some(())
        })
        .await;
    }

    // The next one begins with what is there now.
    let again = stdout(&rotate("laptop", &[]));
    let digest = text("only").replace("token: ", "");
    assert!(again.contains(&format!("tokens: [{digest}, \"sha256:")), "{again}");
    assert!(
        again.contains(&format!(
            "instead of `agents.laptop.token` in {}:{line}, write",
            server.config().display()
        )),
        "{again}"
    );
}

#[tokio::test]
async fn dotenv_beside_the_configuration_is_read_and_the_environment_wins_over_it() {
    let other = "other-laptop-token-0123456789-0123456789";
    let server = Server::start_with(TWO_AGENTS, |folder, command| {
        fs::write(folder.join(".env"), format!("LAPTOP_TOKEN={other}\nREVIEWER_TOKEN={other}x\n")).unwrap();
        command.env_remove("LAPTOP_TOKEN");
    });
    let laptop = Client::connect(&server, other, ERAS[1]).await;
    assert_eq!(laptop.tools().await, ["core.echo", "core.sum"]);
    let wrong = http().get(server.url("/mcp")).bearer_auth(format!("{other}x")).send().await.unwrap();
    assert_eq!(wrong.status(), 401);
}

#[tokio::test]
async fn mcp_token_alone_serves_one_agent_with_the_safe_set() {
    let token = "a-token-that-stands-alone-0123456789";
    let server = Server::start_with("", |folder, command| {
        fs::remove_file(folder.join("config.yaml")).unwrap();
        command.env("MCP_TOKEN", token).env("MCP_LISTEN", "127.0.0.1:0");
    });
    for era in ERAS {
        let agent = Client::connect(&server, token, era).await;
        assert_eq!(agent.tools().await, ["core.echo", "core.sum"]);
        assert_eq!(agent.text("core.sum", json!({ "a": 2, "b": 3 })).await, "5");
    }
}

#[test]
fn healthcheck_asks_the_running_server() {
    let mut server = Server::start(TWO_AGENTS);
    let ask = |url: &str| run(&["healthcheck", "--url", url], None).0;
    let base = server.url("");
    assert_eq!(code(&ask(&base)), 0);
    // A broken configuration beside a server that is well does not matter.
    let broken = format!("server: {{ listen: \"{}\" }}\nagents: [", server.address);
    assert_eq!(code(&run(&["healthcheck"], Some(&broken)).0), 0);
    server.signal("-TERM");
    assert!(server.ended().success());
    let gone = ask(&base);
    assert_eq!(code(&gone), 1);
    assert!(stderr(&gone).starts_with(&format!("error: {base}/readyz: ")), "{}", stderr(&gone));
}

#[tokio::test]
async fn sigterm_ends_streams_and_exits_0() {
    let mut server = Server::start(TWO_AGENTS);
    let initialized = http()
        .post(server.url("/mcp"))
        .bearer_auth(LAPTOP)
        .header("accept", "application/json, text/event-stream")
        .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } } }))
        .send()
        .await
        .unwrap();
    let session = initialized.headers()["mcp-session-id"].clone();
    let stream = http()
        .get(server.url("/mcp"))
        .bearer_auth(LAPTOP)
        .header("accept", "text/event-stream")
        .header("mcp-session-id", session)
        .header("mcp-protocol-version", "2025-11-25")
        .send()
        .await
        .unwrap();
    assert_eq!(stream.status(), 200);
    let ended = tokio::spawn(stream.bytes());
    server.signal("-TERM");
    ended.await.unwrap().expect("the stream ends as HTTP says it should");
    assert_eq!(tokio::task::spawn_blocking(move || server.ended().code()).await.unwrap(), Some(0));
}

#[test]
fn an_address_in_use_is_said_plainly() {
    let server = Server::start(TWO_AGENTS);
    let taken = TWO_AGENTS.replace("127.0.0.1:0", &server.address.to_string());
    let (output, _folder) = run(&["serve"], Some(&taken));
    assert_eq!(code(&output), 1);
    let expected =
        format!("error: cannot listen on {} (`server.listen`): Address already in use", server.address);
    assert!(stderr(&output).starts_with(&expected), "{}", stderr(&output));
    let _ = eventually("a log line", || server.logged(|line| line["message"] == "configuration in force"));
}

#[tokio::test]
async fn readyz_tells_generation_and_hash_without_a_token() {
    let server = Server::start(TWO_AGENTS);
    let ready: Value = eventually_async("an answer", || async {
        http().get(server.url("/readyz")).send().await.ok()?.json().await.ok()
    })
    .await;
    assert_eq!((&ready["ready"], &ready["generation"]), (&json!(true), &json!(1)), "{ready}");
    assert_eq!(ready["config_sha256"].as_str().map(str::len), Some(64), "{ready}");
}

#[test]
fn a_command_whose_output_nobody_reads_any_more_ends_without_a_word() {
    for arguments in [&["schema"][..], &["check"]] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.yaml"), TWO_AGENTS).unwrap();
        let mut child = program()
            .args(arguments)
            .current_dir(folder.path())
            .env("LAPTOP_TOKEN", LAPTOP)
            .env("REVIEWER_TOKEN", REVIEWER)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((code(&output), stderr(&output).as_str()), (141, ""), "{arguments:?}");
    }
}

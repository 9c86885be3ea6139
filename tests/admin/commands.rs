//! `status`, `reload` and `rollback`, as an operator types them.

use super::*;
use crate::support::output::{code, stderr, stdout};

#[test]
fn reload_says_who_gains_and_loses_what_or_what_is_wrong() {
    let door = Door::open();
    let unchanged = door.run(&["reload"]);
    assert_eq!(code(&unchanged), 0, "{}", stderr(&unchanged));
    assert!(
        stdout(&unchanged).starts_with("unchanged; generation 1 stays in force ("),
        "{}",
        stdout(&unchanged)
    );
    door.write(&config().replace(r#", "core.sum"]"#, "]"));
    let dry = door.run(&["reload", "--dry-run"]);
    assert_eq!(code(&dry), 0, "{}", stderr(&dry));
    assert!(stdout(&dry).contains("dry run: the files would be applied ("), "{}", stdout(&dry));
    let applied = door.run(&["reload"]);
    assert_eq!(code(&applied), 0, "{}", stderr(&applied));
    assert!(stdout(&applied).contains("\napplied: generation 2 is in force ("), "{}", stdout(&applied));
    assert!(stdout(&applied).ends_with("  agent laptop loses core.sum\n"), "{}", stdout(&applied));

    door.write(&config().replace("research\n", "reserch\n"));
    let refused = door.run(&["reload"]);
    assert_eq!((code(&refused), stderr(&refused)), (1, String::new()));
    let text = stdout(&refused);
    assert!(
        text.starts_with(
            "error: there is no tenant `reserch`\n --> config.yaml:7:13 (agents.laptop.tenant)\n"
        ),
        "{text}"
    );
    assert!(
        text.ends_with("refused: the configuration has problems; generation 2 stays in force\n"),
        "{text}"
    );

    let back = door.run(&["rollback", "--to", "1"]);
    assert_eq!(code(&back), 0, "{}", stderr(&back));
    assert!(stdout(&back).contains("  agent laptop gains core.sum\n"), "{}", stdout(&back));
    let json = door.run(&["reload", "--json"]);
    let json: Value = serde_json::from_str(&stdout(&json)).unwrap();
    assert_eq!(json["generation"], 3, "{json}");
}

#[test]
fn reload_says_how_to_confirm_what_is_held() {
    let door = Door::open();
    let start = config();
    let (before, rest) = start.split_once("agents:\n").unwrap();
    let (_, after) = rest.split_once("admin:").unwrap();
    door.write(&format!("{before}agents: {{}}\nadmin:{after}"));
    let held = door.run(&["reload"]);
    assert_eq!(code(&held), 1);
    let text = stdout(&held);
    let (_, sha256) = text.trim_end().rsplit_once("reload --confirm ").expect(&text);
    let confirmed = door.run(&["reload", "--confirm", sha256]);
    assert_eq!(code(&confirmed), 0, "{}", stdout(&confirmed));
}

#[test]
fn status_is_for_people_and_machines() {
    let door = Door::open();
    let (shown, text) = eventually("the first checkpoint", || {
        let shown = door.run(&["status"]);
        let text = stdout(&shown);
        text.contains("the last checkpoint covers").then_some((shown, text))
    });
    assert_eq!(code(&shown), 0, "{}", stderr(&shown));
    let address = door.server.address;
    for part in [
        "mcp-universal-server 0.1.0, ready, up for ",
        "\ngeneration 1 (",
        ", from config.yaml\n",
        &format!("\nserver.listen: {address}\n"),
        "\naudit: writing to 0000000000000001.jsonl\n  record ",
        "; the last checkpoint covers up to ",
        " records wait to be written, the oldest not on disk for ",
        "\n  core 0.1.0, in_process, 2 tools, signed by bundled\n    sha256: ",
        "\n  agents.laptop.token: LAPTOP_TOKEN of the server's environment; only a restart changes it\n",
        "\n  admin.token: ADMIN_TOKEN in .env\n",
        "  start  applied\n",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    let json: Value = serde_json::from_str(&stdout(&door.run(&["status", "--json"]))).unwrap();
    assert_eq!(json["generation"], 1);
    assert!(json["audit"]["checkpoint"]["covers"].is_u64() && json["audit"]["lag_ms"].is_u64(), "{json}");
}

#[test]
fn a_command_that_finds_no_way_in_says_what_to_do() {
    let run = |config: &str, env: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.yaml"), config).unwrap();
        let mut command = program();
        command.arg("status").current_dir(folder.path()).envs(env.iter().copied());
        let output = command.output().unwrap();
        (code(&output), stderr(&output))
    };
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let or = "or set MCP_ADMIN_TOKEN to the admin token of the running server";
    let with = |token: &str| format!("admin: {{ listen: \"{nobody}\", token: \"{token}\" }}\n");
    for (config, env, expected) in [
        (
            TWO_AGENTS.to_owned(),
            &[][..],
            (78, format!("error: config.yaml has no `admin.token`, so its server has no admin listener\n  help: add `admin: {{ token: \"${{ADMIN_TOKEN}}\" }}`, {or}\n")),
        ),
        (
            with("${ADMIN_TOKEN}"),
            &[],
            (78, format!("error: `admin.token` in config.yaml gives no token to send: the variable `ADMIN_TOKEN` is not set\n  help: set it here, or add a line `ADMIN_TOKEN=…` to the file `.env` beside config.yaml, {or}\n")),
        ),
        (
            with(&format!("sha256:{}", "0".repeat(64))),
            &[],
            (78, format!("error: `admin.token` in config.yaml gives no token to send: the configuration has its SHA-256 only\n  help: give the token itself, {or}\n")),
        ),
        (
            with("${ADMIN_TOKEN}").replace(&nobody.to_string(), "127.0.0.1:0"),
            &[("MCP_ADMIN_TOKEN", ADMIN)],
            (64, "error: `admin.listen` has port 0, so only the server knows its port: name it with --url, as its log line `admin listening` does\n".to_owned()),
        ),
        (
            with("${ADMIN_TOKEN}"),
            &[("ADMIN_TOKEN", ADMIN)],
            (1, format!("error: http://{nobody}: Connection refused (os error 111)\n  help: is the server running, and does its log say `admin listening`?\n")),
        ),
    ] {
        assert_eq!(run(&config, env), expected);
    }
}

#[test]
fn a_command_finds_its_way_by_a_configuration_that_is_broken() {
    let door = Door::open();
    let broken = format!("admin: {{ listen: \"{}\", token: \"${{ADMIN_TOKEN}}\" }}\nagents: [", door.address);
    fs::write(door.server.config(), broken).unwrap();
    let mut command = program();
    command.arg("status").current_dir(door.server.config().parent().unwrap());
    let output = command.output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let mut command = program();
    let wrong = "another-token-0123456789-0123456789-abcdefg";
    command.arg("status").current_dir(door.server.config().parent().unwrap()).env("MCP_ADMIN_TOKEN", wrong);
    let output = command.output().unwrap();
    assert_eq!(code(&output), 1);
    let expected = "error: the server does not take this token: it is not the admin token that the server runs with\n  help: ";
    assert!(stderr(&output).starts_with(expected), "{}", stderr(&output));
}

//! What the commands print, wherever an operator has written a secret by mistake.

use std::{fs, process::Output};

use serde_json::Value;

use super::{API_KEY, FILED, kept, leaks, printed, starts};
use crate::support::{
    LAPTOP, REVIEWER, Server, eventually,
    output::{stderr, stdout},
    program,
    testbench::Testbench,
};

const SECRETS: [&str; 4] = [LAPTOP, REVIEWER, FILED, API_KEY];

/// Runs a command as the server's operator does.
fn run(server: &Server, arguments: &[&str]) -> Output {
    let door =
        eventually("the operator's door", || server.logged(|line| line["message"] == "admin listening"));
    let mut command = program();
    command.args(arguments);
    if matches!(arguments, ["status" | "reload" | "explain", ..]) && !arguments.contains(&"--offline") {
        command.args(["--url", &format!("http://{}", door["address"].as_str().unwrap())]);
    }
    let folder = server.config().parent().unwrap().to_owned();
    command.current_dir(folder).env("MCP_ADMIN_TOKEN", API_KEY);
    command.env("LAPTOP_TOKEN", LAPTOP).env("REVIEWER_TOKEN", REVIEWER).output().unwrap()
}

fn says_nothing(of: &str, output: &Output) {
    for text in [stdout(output), stderr(output)] {
        for secret in SECRETS {
            assert_eq!(leaks(&text, secret), None, "{of}: {text}");
        }
    }
}

/// The configuration with a secret wherever a text is allowed that is shown.
fn leaky(good: &str) -> String {
    let hosts =
        format!("server: {{ allowed_hosts: [{API_KEY}.lan], public_url: \"https://{FILED}.lan/mcp\",");
    let rules = format!("redaction: {{ allow: [\"{REVIEWER}\"], names: [\"{LAPTOP}\"] }}\n");
    good.replacen("server: {", &hosts, 1) + &rules
}

#[test]
fn no_command_prints_a_secret_that_stands_where_none_belongs() {
    let bench = Testbench::new();
    let mut server = starts(&bench, "admin: { listen: \"127.0.0.1:0\", token: \"${UPSTREAM_API_KEY}\" }\n");
    let good = fs::read_to_string(server.config()).unwrap();
    let file = |name: &str, text: &str| fs::write(server.config().with_file_name(name), text).unwrap();
    let bad =
        good.replacen("tenants:\n", &format!("{LAPTOP}: {{ note: \"{FILED} {API_KEY}\" }}\ntenants:\n"), 1);
    let leaky = leaky(&good);
    file("good.yaml", &good);
    file("bad.yaml", &bad);
    file("leaky.yaml", &leaky);
    let explain = ["explain", "--offline", "--agent", "reviewer", "--tool", "core.echo", "--config"];
    for (arguments, code, part) in [
        (vec!["check", "bad.yaml"], 78, "unknown key"),
        (vec!["check", "--json", "bad.yaml"], 78, "unknown key"),
        (vec!["check", "leaky.yaml"], 0, "leaky.yaml: ok"),
        (vec!["diff", "good.yaml", "bad.yaml"], 78, "unknown key"),
        (vec!["diff", "good.yaml", "leaky.yaml"], 0, "[REDACTED:known_secret]"),
        (vec!["diff", "--json", "good.yaml", "leaky.yaml"], 0, "[REDACTED:known_secret]"),
        ([&explain[..], &["bad.yaml"]].concat(), 78, "unknown key"),
        (vec!["serve", "--config", "bad.yaml"], 78, "unknown key"),
    ] {
        let output = run(&server, &arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        says_nothing(&arguments.join(" "), &output);
        let all = stdout(&output) + &stderr(&output);
        assert!(all.contains(part), "{arguments:?}: {all}");
    }
    for (text, result) in [(&bad, "refused"), (&leaky, "applied")] {
        fs::write(server.config(), text).unwrap();
        let reload = run(&server, &["reload"]);
        says_nothing("reload", &reload);
        let reload = run(&server, &["reload", "--json"]);
        says_nothing("reload --json", &reload);
        eventually(result, || {
            let status: Value = serde_json::from_str(&stdout(&run(&server, &["status", "--json"]))).unwrap();
            let attempts = status["reloads"].as_array().unwrap().clone();
            attempts.iter().any(|it| it["result"] == result && it["trigger"] != "start").then_some(())
        });
        for arguments in [&["status"][..], &["status", "--json"]] {
            let output = run(&server, arguments);
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            says_nothing("status", &output);
        }
    }
    let explained = run(&server, &["explain", "--agent", "reviewer", "--tool", "core.echo"]);
    assert_eq!(explained.status.code(), Some(0), "{}", stderr(&explained));
    says_nothing("explain", &explained);
    server.signal("-TERM");
    server.ended();
    let (printed, kept, said) = (printed(&server), kept(&server), server.stderr());
    for secret in SECRETS {
        assert_eq!([&printed, &kept, &said].map(|text| leaks(text, secret)), [None, None, None], "{secret}");
    }
}

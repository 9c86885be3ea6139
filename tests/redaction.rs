//! No secret and no personal datum reaches what the server prints, wherever it was
//! planted and however it was written; results are filtered where that is asked for.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{
    LAPTOP, REVIEWER, Server, TWO_AGENTS,
    client::{http_from_elsewhere, stateless},
    eventually,
    output::{stderr, stdout},
    program,
    testbench::Testbench,
};

mod commands;
mod results;

/// In `.env`, and named by nothing but its variable.
const API_KEY: &str = "5ecret-Qm9iJ3MgcGFzc3dvcmQ-upstream-key";
/// In a file that an agent's token is read from.
const FILED: &str = "filed-token-0123456789-0123456789-qwertyuiop";
/// Nobody's token, sent by somebody who guesses.
const GITHUB: &str = "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";
const PESEL: &str = "44051401359";
const EMAIL: &str = "jan.kowalski@poczta.example";
const IBAN: &str = "PL61109010140000071219812874";

/// All that is planted.
pub(crate) const PLANTED: [&str; 8] = [LAPTOP, REVIEWER, API_KEY, FILED, GITHUB, PESEL, EMAIL, IBAN];

/// Ways to write a text so that it does not look like itself.
pub(crate) fn written(secret: &str) -> Vec<String> {
    use std::fmt::Write;

    let hex = secret.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let each = |write: &dyn Fn(u8) -> String| secret.bytes().map(write).collect::<String>();
    let mut all = vec![
        secret.to_owned(),
        hex.to_uppercase(),
        hex,
        each(&|byte| format!("%{byte:02X}")),
        each(&|byte| format!("\\u{byte:04x}")),
        each(&|byte| format!("\\x{byte:02x}")),
        each(&|byte| format!("&#{byte};")),
    ];
    for offset in 0..3 {
        all.push(base64(&format!("{}{secret}!", &"xyz"[..offset])));
    }
    all
}

fn base64(text: &str) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |bytes: &[u8]| {
        let bits =
            bytes.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - bytes.len()));
        let digits =
            (0..=bytes.len()).map(move |at| char::from(alphabet[(bits >> (18 - 6 * at)) as usize & 63]));
        digits.collect::<String>()
    };
    text.as_bytes().chunks(3).map(group).collect()
}

/// What of a text is in `printed`, in any encoding; of base64, what is the same
/// wherever it begins and ends.
pub(crate) fn leaks(printed: &str, secret: &str) -> Option<String> {
    let written = written(secret);
    let (exact, base64) = written.split_at(7);
    let cores = base64.iter().map(|text| text[4..text.len() - 4].to_owned());
    exact.iter().cloned().chain(cores).find(|text| printed.contains(text.as_str()))
}

/// Everything in the files of its `state.dir`, the audit's among them, but for the
/// copy of what the operator wrote.
pub(crate) fn kept(server: &Server) -> String {
    fn read(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, text);
            } else if path.file_name().is_some_and(|name| name != "last-good.json") {
                // A file may be replaced by another one meanwhile.
                let bytes = fs::read(&path).unwrap_or_default();
                text.push_str(&format!("{}\n{}\n", path.display(), String::from_utf8_lossy(&bytes)));
            }
        }
    }
    let mut text = String::new();
    read(&server.config().with_file_name("state"), &mut text);
    text
}

/// Everything that it has logged.
pub(crate) fn printed(server: &Server) -> String {
    server
        .log()
        .iter()
        .map(|line| line.as_str().map_or_else(|| line.to_string(), ToOwned::to_owned) + "\n")
        .collect()
}

fn starts(bench: &Testbench, more: &str) -> Server {
    let config = bench.config("{}").replace(
        "  reviewer:\n    tenant",
        "  filed: { tenant: research, token: \"${file:filed}\" }\n  reviewer:\n    tenant",
    );
    Server::start_with(&format!("{config}log: {{ level: trace }}\n{more}"), |folder, _| {
        fs::write(folder.join(".env"), format!("UPSTREAM_API_KEY={API_KEY}\n")).unwrap();
        fs::write(folder.join("filed"), format!("{FILED}\n")).unwrap();
    })
}

#[tokio::test]
async fn nothing_that_is_planted_anywhere_is_printed_or_kept_in_any_encoding() {
    let bench = Testbench::new();
    let mut server = starts(&bench, "");
    let texts: Vec<String> = PLANTED[..4].iter().flat_map(|secret| written(secret)).collect();
    let plain = PLANTED[4..].iter().map(|text| (*text).to_owned());
    for (number, text) in texts.into_iter().chain(plain).enumerate() {
        let end = ["answer", "fail", "panic"][number % 3];
        let said = format!("the upstream said <{text}>, see {number}");
        let leak = json!({ "name": "bench.leak", "arguments": { "text": said, "end": end } });
        stateless(&server, REVIEWER, "tools/call", leak).send().await.unwrap();
        // A name that does not exist is logged, as is a URI.
        let name: String = text.chars().filter(char::is_ascii_graphic).take(100).collect();
        stateless(&server, REVIEWER, "tools/call", json!({ "name": format!("x.{name}"), "arguments": {} }))
            .send()
            .await
            .unwrap();
        stateless(
            &server,
            LAPTOP,
            "resources/read",
            json!({ "uri": format!("about://{name}?token={name}") }),
        )
        .send()
        .await
        .unwrap();
        let guess = http_from_elsewhere().post(server.url(&format!("/mcp/{name}?k={name}")));
        guess
            .header("authorization", format!("Bearer {name}"))
            .header("x-api-key", &name)
            .body(text)
            .send()
            .await
            .unwrap();
    }
    eventually("the last call's line", || {
        server.logged(|line| line["message"].as_str().is_some_and(|it| it.contains("see 43")))
    });
    let printed = printed(&server);
    server.signal("-TERM");
    server.ended();
    let kept = kept(&server);
    assert!(kept.contains("\"tool\":\"bench.leak\""), "the audit is no longer there");
    let all = [printed.as_str(), &kept, &server.stderr()];
    for secret in PLANTED {
        assert_eq!(all.map(|text| leaks(text, secret)), [None, None, None], "{secret}");
    }
    for rule in ["known_secret", "github_token", "pesel", "email", "iban"] {
        assert!(printed.contains(&format!("[REDACTED:{rule}]")), "nothing was redacted as {rule}");
    }
    assert!(server.log().iter().all(Value::is_object), "a line is no JSON any more");
}

#[tokio::test]
async fn snippets_of_a_refused_edit_and_secrets_that_were_just_replaced_are_not_printed() {
    let bench = Testbench::new();
    let server = starts(&bench, "");
    let good = fs::read_to_string(server.config()).unwrap();
    let next = "next-token-0123456789-0123456789-zxcvbnmasdfg";
    fs::write(server.config().with_file_name("filed"), next).unwrap();
    fs::write(
        server.config(),
        good.replace(
            "tenants:\n",
            &format!("{LAPTOP}: {{ token: {FILED}, note: \"{next} {API_KEY}\" }}\ntenants:\n"),
        ),
    )
    .unwrap();
    eventually("the edit to be refused", || {
        server.logged(|line| line["message"].as_str().is_some_and(|it| it.starts_with("reload refused")))
    });
    let check = program()
        .args(["check", "--config"])
        .arg(server.config())
        .env("LAPTOP_TOKEN", LAPTOP)
        .env("REVIEWER_TOKEN", REVIEWER)
        .output()
        .unwrap();
    fs::write(server.config(), good).unwrap();
    for (number, secret) in [FILED, next].into_iter().enumerate() {
        let leak = json!({ "name": "bench.leak", "arguments": { "text": format!("it was {secret}, {number}"), "end": "answer" } });
        stateless(&server, REVIEWER, "tools/call", leak).send().await.unwrap();
    }
    eventually("the last line", || {
        server.logged(|line| line["message"].as_str().is_some_and(|it| it.ends_with(", 1")))
    });
    let all = format!("{}{}{}", printed(&server), stdout(&check), stderr(&check));
    for secret in [LAPTOP, FILED, API_KEY, next] {
        assert_eq!(leaks(&all, secret), None, "{secret}");
    }
    assert!(stdout(&check).contains("error: unknown key"), "{}", stdout(&check));
}

#[test]
fn a_pattern_that_is_none_is_a_problem_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    fs::write(&config, format!("{TWO_AGENTS}redaction:\n  patterns: {{ employee: \"EMP-[0-9\", empty: \"x*\", pesel: \"1\" }}\n  off: [emails, known_secret]\n  allow: [\"(\"]\n")).unwrap();
    let check = program()
        .args(["check", "--json", "--config"])
        .arg(&config)
        .env("LAPTOP_TOKEN", LAPTOP)
        .env("REVIEWER_TOKEN", REVIEWER)
        .output()
        .unwrap();
    let problems: Value = serde_json::from_slice(&check.stdout).unwrap();
    let told: Vec<String> = problems
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            format!(
                "{}:{} {} {}",
                it["line"],
                it["column"],
                it["message"].as_str().unwrap(),
                it["help"].as_str().unwrap_or_default()
            )
        })
        .collect();
    let syntax = "the syntax is that of Rust's `regex` crate: no look-around, no back-references";
    assert_eq!(
        told,
        [
            format!("16:25 `EMP-[0-9` cannot be searched for: it is no regular expression: unclosed character class {syntax}"),
            format!("16:44 `x*` cannot be searched for: it matches an empty text, so it would be found everywhere {syntax}"),
            "16:50 `pesel` is a rule of the server's own choose another name, or turn that one off with `redaction.off`".to_owned(),
            "17:9 there is no rule `emails` did you mean `email`?".to_owned(),
            "17:17 secrets that the server knows are always taken out remove it".to_owned(),
            format!("18:11 `(` cannot be searched for: it is no regular expression: unclosed group {syntax}"),
        ]
    );
}

//! What is revoked ends the calls that began by it, at once; whatever else
//! changes lets them finish.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

use crate::{
    reload::ready_when,
    support::{
        REVIEWER, Server, TWO_AGENTS,
        client::{Client, ERAS, Era, stateless},
        eventually, eventually_async,
        testbench::{Testbench, build},
    },
    transport::{in_session, request, session},
};

/// Another token of `reviewer`'s.
const SPARE: &str = "spare-token-0123456789-0123456789-abcdefg";

const TOKEN: &str = r#"token: "${REVIEWER_TOKEN}""#;
const REVIEWER_S: &str = r#"  reviewer:
    tenant: research
    token: "${REVIEWER_TOKEN}"
    tools: ["*"]
    deny: ["core.sum"]
"#;

/// How config.yaml says [`SPARE`].
fn spare() -> String {
    format!("sha256:{:x}", Sha256::digest(SPARE))
}

/// A call that lasts until its file is gone.
pub(crate) struct Held {
    file: PathBuf,
    answer: JoinHandle<(u16, String)>,
}

impl Held {
    /// Begins one, and waits until the plugin is at work on it.
    pub(crate) async fn begin(server: &Server, bench: &Testbench, token: &str, era: Era) -> Self {
        let (agent, _) = token.split_once('-').unwrap();
        let file = bench.path().join(format!("{agent}-{era:?}"));
        let params = json!({ "name": "bench.hold", "arguments": { "file": file } });
        let request = match era {
            Era::Stateless => stateless(server, token, "tools/call", params),
            Era::Session => {
                let session = session(server, token).await;
                in_session(server, token, &session, &request("tools/call", params))
            }
        };
        let answer = tokio::spawn(async {
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        });
        eventually_async("the call to reach the plugin", || async { file.exists().then_some(()) }).await;
        Self { file, answer }
    }

    /// What the client got in the end: the status, and the last message.
    async fn answered(self) -> (u16, Value) {
        let (status, text) = self.answer.await.unwrap();
        let last = text.lines().rev().find_map(|line| {
            let line = line.strip_prefix("data:").unwrap_or(line).trim();
            line.starts_with('{').then(|| serde_json::from_str(line).unwrap())
        });
        (status, last.unwrap_or(Value::Null))
    }

    /// Lets the plugin's code return.
    pub(crate) async fn let_go(self) -> Value {
        fs::remove_file(&self.file).unwrap();
        self.answered().await.1
    }
}

/// A server with one call of `reviewer`'s under way in each era.
async fn in_flight(config: &str, bench: &Testbench) -> (Server, Vec<Held>) {
    let server = Server::start(config);
    let mut calls = Vec::new();
    for era in ERAS {
        calls.push(Held::begin(&server, bench, REVIEWER, era).await);
    }
    (server, calls)
}

async fn edit(server: &Server, config: &str) {
    fs::write(server.config(), config).unwrap();
    ready_when(server, "the edit to be in force", |answer| answer["generation"] == 2).await;
}

fn replaced(config: &str, old: &str, new: &str) -> String {
    assert_eq!(config.matches(old).count(), 1, "{old}");
    config.replace(old, new)
}

fn outcomes(server: &Server) -> Vec<String> {
    let lines = server.log().into_iter().filter(|line| line["target"] == "call");
    lines
        .filter(|line| line["tool"] == "bench.hold")
        .map(|line| line["outcome"].as_str().unwrap().into())
        .collect()
}

fn reason(answer: &Value) -> &Value {
    &answer["result"]["_meta"]["mcp-universal-server/denial"]["reasons"][0]
}

#[tokio::test]
async fn calls_end_with_their_agent_or_its_token() {
    let other = format!("token: \"{}\"", spare());
    for (old, new) in [(REVIEWER_S, ""), (TOKEN, other.as_str())] {
        let bench = Testbench::in_process();
        let config = bench.config("{}");
        let (server, calls) = in_flight(&config, &bench).await;
        edit(&server, &replaced(&config, old, new)).await;
        for (call, era) in calls.into_iter().zip(ERAS) {
            let (status, last) = call.answered().await;
            match era {
                Era::Stateless => {
                    let body = json!({ "error": "unauthorized", "message": "the token is not valid" });
                    assert_eq!((status, last), (401, body));
                }
                // Its answer had begun; its session may be closed before the last words.
                Era::Session => assert!(last.is_null() || reason(&last)["code"] == "revoked", "{last}"),
            }
        }
        eventually("the records", || (outcomes(&server) == ["revoked", "revoked"]).then_some(()));
        eventually("the log to say so", || {
            server.logged(|line| line["message"] == "calls in flight were revoked")
        });
    }
}

#[tokio::test]
async fn a_token_that_is_replaced_while_its_request_arrives_calls_nothing() {
    let server = Server::start(TWO_AGENTS);
    let body =
        request("tools/call", json!({ "name": "core.echo", "arguments": { "text": "x" } })).to_string();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {REVIEWER}\r\n\
         Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        server.address,
        body.len()
    );
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client.write_all(head.as_bytes()).await.unwrap();
    // It asks for the body only of whom it has let in.
    let mut says = [0; 12];
    client.read_exact(&mut says).await.unwrap();
    assert_eq!(&says, b"HTTP/1.1 100");
    edit(&server, &replaced(TWO_AGENTS, TOKEN, &format!("token: \"{}\"", spare()))).await;
    client.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("HTTP/1.1 401 Unauthorized"), "{answer}");
    assert_eq!(server.logged(|line| line["target"] == "call"), None);
}

#[tokio::test]
async fn a_replaced_token_ends_its_own_calls_and_no_others() {
    let bench = Testbench::in_process();
    let both = format!("tokens: [\"${{REVIEWER_TOKEN}}\", \"{}\"]", spare());
    let config = replaced(&bench.config("{}"), TOKEN, &both);
    let (server, ended) = in_flight(&config, &bench).await;
    let mut go_on = Vec::new();
    for era in ERAS {
        go_on.push(Held::begin(&server, &bench, SPARE, era).await);
    }
    edit(&server, &replaced(&config, &both, &format!("token: \"{}\"", spare()))).await;
    for call in ended {
        call.answered().await;
    }
    eventually("the records", || (outcomes(&server) == ["revoked", "revoked"]).then_some(()));
    for call in go_on {
        assert_eq!(call.let_go().await["result"]["content"][0]["text"], "1.0.1");
    }
}

#[tokio::test]
async fn calls_end_when_their_agent_moves_to_another_tenant() {
    let bench = Testbench::in_process();
    let config = bench.config("{}");
    let (server, calls) = in_flight(&config, &bench).await;
    let moved = replaced(&config, REVIEWER_S, &REVIEWER_S.replace("research", "sales"));
    edit(&server, &replaced(&moved, "tenants:\n", "tenants:\n  sales: { tools: [\"*\"] }\n")).await;
    for (call, era) in calls.into_iter().zip(ERAS) {
        let (status, last) = call.answered().await;
        assert_eq!(status, 200);
        if era == Era::Stateless || !last.is_null() {
            let message = "the call was ended: agent `reviewer` belongs to another tenant now";
            assert_eq!(
                (&reason(&last)["code"], &reason(&last)["message"]),
                (&json!("revoked"), &json!(message))
            );
        }
    }
    eventually("the records", || (outcomes(&server) == ["revoked", "revoked"]).then_some(()));
}

#[tokio::test]
async fn calls_end_with_their_plugin_or_its_key_and_say_which() {
    let key = "plugin `bench` is signed with key `acme`, which";
    let config = Testbench::in_process().config("{}");
    let acme = config.lines().find(|line| line.contains("acme:")).unwrap();
    let name = acme.split_once("minisign").unwrap().0;
    for (old, new, why) in [
        (r#"["bench"], in"#, r#"["bench"], revoked: true, in"#, format!("{key} is revoked")),
        (
            r#"["bench"], in"#,
            r#"["bench"], not_after: 2001-02-03, in"#,
            format!("{key} was trusted until 2001-02-03"),
        ),
        (r#"["bench"], in"#, r#"["bench"], names: ["b.*"], in"#, format!("{key} may no longer vouch for it")),
        (name, "    # acme: { ", format!("{key} is no longer trusted")),
        ("{ isolation", "{ enabled: false, isolation", "plugin `bench` is no longer loaded".to_owned()),
    ] {
        let bench = Testbench::in_process();
        let config = bench.config("{}");
        let (server, calls) = in_flight(&config, &bench).await;
        edit(&server, &replaced(&config, old, new)).await;
        for call in calls {
            let (status, answer) = call.answered().await;
            assert_eq!((status, &answer["result"]["isError"]), (200, &json!(true)), "{why}");
            let denial = &answer["result"]["_meta"]["mcp-universal-server/denial"];
            assert_eq!(denial["generation"], 2);
            let (code, message) = (json!("revoked"), json!(format!("the call was ended: {why}")));
            assert_eq!((&reason(&answer)["code"], &reason(&answer)["message"]), (&code, &message));
        }
        eventually("the records", || (outcomes(&server) == ["revoked", "revoked"]).then_some(()));
    }
}

#[tokio::test]
async fn calls_end_when_their_plugin_is_taken_out_of_its_folder() {
    let bench = Testbench::in_process();
    let (server, calls) = in_flight(&bench.config("{}"), &bench).await;
    fs::remove_dir_all(bench.folder()).unwrap();
    for call in calls {
        let message = "the call was ended: plugin `bench` is no longer loaded";
        assert_eq!(reason(&call.answered().await.1)["message"], message);
    }
    eventually("the records", || (outcomes(&server) == ["revoked", "revoked"]).then_some(()));
}

#[tokio::test]
async fn calls_outlive_an_edit_that_revokes_nothing() {
    let bench = Testbench::in_process();
    let config = bench.config("{}");
    let (server, calls) = in_flight(&config, &bench).await;
    edit(&server, &format!("# A word to whoever reads this.\n{config}")).await;
    for call in calls {
        assert_eq!(call.let_go().await["result"]["content"][0]["text"], "1.0.1");
    }
    eventually("the records", || (outcomes(&server) == ["ok", "ok"]).then_some(()));
}

#[tokio::test]
async fn a_lowered_limit_and_a_grant_that_is_gone_count_for_the_next_call() {
    let bench = Testbench::in_process();
    let config = bench.config("{}");
    let (server, calls) = in_flight(&config, &bench).await;
    let less = REVIEWER_S.replace(r#"["*"]"#, r#"["bench.version"]"#);
    let slower = replaced(&config, "rate_limit:", "timeout_seconds: 1, concurrency: 1, rate_limit:");
    edit(&server, &replaced(&slower, REVIEWER_S, &less)).await;
    let client = Client::connect(&server, REVIEWER, Era::Stateless).await;
    for (tool, code) in [("bench.sleep", "tool_not_granted_to_agent"), ("bench.version", "too_many_calls")] {
        let refused = json!(client.call(tool, json!({})).await.unwrap());
        assert_eq!(reason(&json!({ "result": refused }))["code"], code);
    }
    for call in calls {
        assert_eq!(call.let_go().await["result"]["content"][0]["text"], "1.0.1");
    }
}

#[tokio::test]
async fn calls_of_a_plugin_that_is_replaced_finish_where_they_began() {
    let bench = Testbench::in_process();
    let config = bench.config("{}");
    let (server, calls) = in_flight(&config, &bench).await;
    bench.install(&build(2));
    ready_when(&server, "the release to be in force", |answer| answer["generation"] == 2).await;
    let client = Client::connect(&server, REVIEWER, Era::Stateless).await;
    assert_eq!(client.text("bench.version", json!({})).await, "1.0.2");
    for call in calls {
        assert_eq!(call.let_go().await["result"]["content"][0]["text"], "1.0.1");
    }
}

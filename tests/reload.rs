//! A changed config.yaml is in force, whole, or changes nothing.

use std::fs;

use serde_json::{Value, json};

use crate::support::{
    LAPTOP, REVIEWER, Server, TWO_AGENTS,
    client::{Client, ERAS, http},
    eventually, eventually_async,
};

pub(crate) async fn ready(server: &Server) -> Value {
    http().get(server.url("/readyz")).send().await.unwrap().json().await.unwrap()
}

pub(crate) async fn ready_when(server: &Server, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually_async(what, || async {
        let answer = ready(server).await;
        wanted(&answer).then_some(answer)
    })
    .await
}

#[tokio::test]
async fn a_right_edit_is_in_force_for_connected_agents() {
    let server = Server::start(TWO_AGENTS);
    let mut clients = Vec::new();
    for era in ERAS {
        clients.push(Client::connect(&server, REVIEWER, era).await);
    }
    fs::write(server.config(), TWO_AGENTS.replace(r#"deny: ["core.sum"]"#, r#"deny: ["core.echo"]"#))
        .unwrap();
    let answer = ready_when(&server, "the second generation", |answer| answer["generation"] == 2).await;
    assert_eq!(answer["last_reload"], json!({ "result": "applied", "problems": 0 }));
    for client in clients {
        assert_eq!(client.tools().await, ["core.sum"]);
        assert_eq!(client.text("core.sum", json!({ "a": 1, "b": 1 })).await, "2");
    }
}

#[tokio::test]
async fn a_wrong_edit_changes_nothing_and_says_where_it_is_wrong() {
    let server = Server::start(TWO_AGENTS);
    fs::write(
        server.config(),
        TWO_AGENTS.replace("tenant: research\n    token: \"${L", "tenant: reserch\n    token: \"${L"),
    )
    .unwrap();
    let answer =
        ready_when(&server, "the refusal", |answer| answer["last_reload"]["result"] == "refused").await;
    assert_eq!(answer["last_reload"], json!({ "result": "refused", "problems": 1 }));
    assert_eq!((&answer["ready"], &answer["generation"]), (&json!(true), &json!(1)));
    let line = eventually("the log line", || {
        server.logged(|line| line["target"] == "config" && line["level"] == "ERROR")
    });
    assert!(line["place"].as_str().unwrap().contains("config.yaml:7:"), "{line}");
    assert!(line["help"].as_str().unwrap().contains("research"), "{line}");
    let laptop = Client::connect(&server, LAPTOP, ERAS[0]).await;
    assert_eq!(laptop.tools().await, ["core.echo", "core.sum"]);

    fs::write(server.config(), TWO_AGENTS.replace("core.sum\"]\n  reviewer", "core.sum\"]\n\n  reviewer"))
        .unwrap();
    ready_when(&server, "the corrected file", |answer| answer["generation"] == 2).await;
}

#[tokio::test]
async fn a_removed_agent_s_token_stops_working() {
    let server = Server::start(TWO_AGENTS);
    let laptop = Client::connect(&server, LAPTOP, ERAS[0]).await;
    let cut = TWO_AGENTS.find("  laptop:").unwrap()..TWO_AGENTS.find("  reviewer:").unwrap();
    let mut config = TWO_AGENTS.to_owned();
    config.replace_range(cut, "");
    fs::write(server.config(), config).unwrap();
    ready_when(&server, "the second generation", |answer| answer["generation"] == 2).await;
    assert!(laptop.call("core.echo", json!({ "text": "x" })).await.is_err());
}

#[tokio::test]
async fn a_plugin_is_disabled_and_enabled_by_an_edit() {
    let with_entries = |core: &str| {
        format!(
            "{TWO_AGENTS}plugins:\n  entries:\n    core: {{ isolation: in_process, enabled: {core} }}\n    about: {{ isolation: in_process }}\n    prompts: {{ isolation: in_process }}\n"
        )
    };
    let server = Server::start(&with_entries("false"));
    let laptop = Client::connect(&server, LAPTOP, ERAS[1]).await;
    assert_eq!(laptop.tools().await, Vec::<String>::new());
    fs::write(server.config(), with_entries("true")).unwrap();
    ready_when(&server, "the second generation", |answer| answer["generation"] == 2).await;
    assert_eq!(laptop.tools().await, ["core.echo", "core.sum"]);
}

#[tokio::test]
async fn what_only_a_restart_can_change_refuses_the_whole_edit() {
    let server = Server::start(TWO_AGENTS);
    let moved =
        format!("{}state: {{ dir: ./elsewhere }}\n", TWO_AGENTS.replace("deny: [\"core.sum\"]", "deny: []"));
    fs::write(server.config(), moved).unwrap();
    ready_when(&server, "the refusal", |answer| answer["last_reload"]["result"] == "refused").await;
    let line = eventually("the log line", || {
        server.logged(|line| line["message"].as_str().is_some_and(|m| m.starts_with("reload refused")))
    });
    assert_eq!(line["reason"], "a change of `state.dir` needs a restart; nothing of this edit is in force");
    let reviewer = Client::connect(&server, REVIEWER, ERAS[0]).await;
    assert_eq!(reviewer.tools().await, ["core.echo"]);
}

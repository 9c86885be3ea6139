//! What the server does with workers that are too slow, too busy or lost too often,
//! and with those that are not needed any more.

use std::{fs, time::Duration};

use serde_json::{Value, json};
use server_core::settings::Isolation;

use super::{refused, reviewer, runs, serve, workers};
use crate::audit;
use crate::support::{
    LAPTOP, Server,
    client::{Client, Era, http},
    eventually,
    testbench::Testbench,
};

const ADMIN: &str = "admin-token-0123456789-0123456789-abcdef";

/// A server where a call has a second.
fn impatient(worker: &str) -> (Testbench, Server) {
    let bench = Testbench::isolated(Isolation::Process).with_worker(worker);
    let config =
        bench.config("{}").replace("rate_limit: \"1000/s\"", "rate_limit: \"1000/s\", timeout_seconds: 1");
    let server = Server::start(&config);
    (bench, server)
}

async fn version(client: &Client) -> String {
    client.text("bench.version", json!({})).await
}

#[tokio::test]
async fn a_call_that_does_not_end_costs_its_worker() {
    for way in ["loop", "flood", "pour"] {
        let (_bench, server) = impatient("{ processes: 1 }");
        let client = reviewer(&server).await;
        let before = workers(&server);
        let (code, _) = refused(&client, "bench.harm", json!({ "way": way })).await;
        assert!(["timed_out", "worker_lost"].contains(&code.as_str()), "{way}: {code}");
        assert_eq!(client.text("core.echo", json!({ "text": "still here" })).await, "still here");
        eventually("the worker to end", || (!runs(before[0])).then_some(()));
        eventually("another one", || (workers(&server).len() == 1).then_some(()));
        assert_eq!(version(&client).await, "1.0.1", "after {way}");
    }
}

#[tokio::test]
async fn a_worker_that_works_without_a_call_is_ended() {
    let (_bench, server) = impatient("{ cpu_seconds: 1 }");
    let client = reviewer(&server).await;
    let before = workers(&server);
    refused(&client, "bench.harm", json!({ "way": "burn" })).await;
    eventually("the worker to end", || (!runs(before[0])).then_some(()));
    assert_eq!(version(&client).await, "1.0.1");
}

#[tokio::test]
async fn a_plugin_whose_workers_are_lost_again_and_again_is_left_alone() {
    let (bench, server) = serve("{}");
    let client = reviewer(&server).await;
    // Nobody's call does it.
    for round in 1..=5 {
        assert_eq!(client.text("bench.harm", json!({ "way": "exit_unasked" })).await, "later");
        eventually("its worker to end", || {
            let log = server.log();
            let lost = log.iter().filter(|line| line["message"] == "worker lost");
            (lost.count() == round).then_some(())
        });
    }
    eventually("the quarantine", || server.logged(|line| line["code"] == "plugin_quarantined"));
    let record = eventually("its record", || {
        let records = audit::records(&audit::folder(&server));
        records.into_iter().find(|it| it["event"] == "plugin" && it["change"] == "quarantined")
    });
    assert_eq!(
        (&record["plugin"], &record["lost"], &record["reason"], &record["seconds"]),
        (&json!("bench"), &json!(5), &json!("its process ended (exit code 7)"), &json!(60))
    );
    let (code, message) = refused(&client, "bench.version", json!({})).await;
    assert_eq!(code, "worker_lost");
    assert!(
        message.starts_with("plugin `bench` stopped: it is in quarantine for another ")
            && message.ends_with(" s, because its workers ended too often: its process ended (exit code 7)"),
        "{message}"
    );
    assert_eq!(client.text("core.echo", json!({ "text": "still here" })).await, "still here");
    eventually("its workers to end", || workers(&server).is_empty().then_some(()));
    // Another configuration is another chance.
    fs::write(server.config(), bench.config("{ label: another }")).unwrap();
    eventually("the edit", || server.logged(|line| line["message"] == "plugin replaced"));
    assert_eq!(client.text("bench.label", json!({})).await, "another");
}

#[tokio::test]
async fn an_agent_that_crashes_a_plugin_again_and_again_takes_it_from_nobody_else() {
    let bench = Testbench::isolated(Isolation::Process);
    let config = bench
        .config("{}")
        .replace("server: {", "admin: { listen: \"127.0.0.1:0\", token: \"${ADMIN_TOKEN}\" }\nserver: {")
        .replace("tools: [\"core.echo\", \"core.sum\"]", "tools: [\"*\"]");
    let server = Server::start_with(&config, |_, command| {
        command.env("ADMIN_TOKEN", ADMIN);
    });
    let client = reviewer(&server).await;
    for _ in 0..5 {
        let (code, _) = refused(&client, "bench.harm", json!({ "way": "exit" })).await;
        assert_eq!(code, "worker_lost");
    }
    eventually("the quarantine", || server.logged(|line| line["code"] == "agent_quarantined"));
    let (code, message) = refused(&client, "bench.version", json!({})).await;
    assert_eq!(code, "worker_lost");
    assert!(
        message.starts_with("plugin `bench` stopped: it is in quarantine for agent `reviewer` for another ")
            && message.ends_with(" s, because its workers ended too often in calls of this agent's"),
        "{message}"
    );
    let other = Client::connect(&server, LAPTOP, Era::Stateless).await;
    assert_eq!(version(&other).await, "1.0.1");
    let record = eventually("its record", || {
        let records = audit::records(&audit::folder(&server));
        records.into_iter().find(|it| it["event"] == "plugin" && it["change"] == "quarantined")
    });
    assert_eq!((&record["plugin"], &record["agent"]), (&json!("bench"), &json!("reviewer")));
    let listening = server.logged(|line| line["message"] == "admin listening").unwrap();
    let url = format!("http://{}/status", listening["address"].as_str().unwrap());
    let status: Value = http().get(url).bearer_auth(ADMIN).send().await.unwrap().json().await.unwrap();
    let loaded = status["plugins"]["loaded"].as_array().unwrap();
    let workers = &loaded.iter().find(|it| it["name"] == "bench").unwrap()["workers"];
    assert!(workers["quarantined_agents"]["reviewer"].as_u64() >= Some(1), "{workers}");
}

#[tokio::test]
async fn a_reload_lets_calls_end_and_then_their_worker() {
    let (bench, server) = serve("{}");
    let client = reviewer(&server).await;
    assert_eq!(client.text("bench.label", json!({})).await, "");
    let before = workers(&server);
    let sleep = client.text("bench.sleep", json!({ "ms": 2000 }));
    let edit = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        fs::write(server.config(), bench.config("{ label: another }")).unwrap();
        while server.logged(|line| line["message"] == "plugin replaced").is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(client.text("bench.label", json!({})).await, "another");
        assert!(before.iter().all(|process| runs(*process)));
    };
    let (slept, ()) = tokio::join!(sleep, edit);
    assert_eq!(slept, "slept 2000 ms");
    for process in before {
        eventually("the old worker to end", || (!runs(process)).then_some(()));
    }
}

#[tokio::test]
async fn more_workers_come_when_calls_wait() {
    for (processes, expected) in [(1, 1), (3, 3)] {
        let (_bench, server) = serve(&format!("{{ processes: {processes} }}"));
        let client = reviewer(&server).await;
        let sleep = || client.text("bench.sleep", json!({ "ms": 400 }));
        tokio::join!(sleep(), sleep(), sleep(), sleep());
        assert_eq!(workers(&server).len(), expected);
    }
}

#[tokio::test]
async fn the_operator_sees_how_workers_are() {
    let bench = Testbench::isolated(Isolation::Process);
    let config = bench
        .config("{}")
        .replace("server: {", "admin: { listen: \"127.0.0.1:0\", token: \"${ADMIN_TOKEN}\" }\nserver: {");
    let server = Server::start_with(&config, |_, command| {
        command.env("ADMIN_TOKEN", ADMIN);
    });
    let client = reviewer(&server).await;
    refused(&client, "bench.harm", json!({ "way": "exit" })).await;
    assert_eq!(version(&client).await, "1.0.1");
    let listening = |line: &Value| line["message"] == "admin listening";
    let address = server.logged(listening).unwrap()["address"].as_str().unwrap().to_owned();
    let request = http().get(format!("http://{address}/status")).bearer_auth(ADMIN);
    let status: Value = request.send().await.unwrap().json().await.unwrap();
    let loaded = status["plugins"]["loaded"].as_array().unwrap();
    let of = |name: &str| loaded.iter().find(|it| it["name"] == name).unwrap();
    assert_eq!(of("core")["workers"], Value::Null);
    let workers = &of("bench")["workers"];
    assert_eq!(
        (&workers["processes"], &workers["lost"], &workers["last_loss"], &workers["seccomp"]),
        (&json!(1), &json!(1), &json!("its process ended (exit code 7)"), &json!(true))
    );
    assert!(workers["landlock"].as_u64().unwrap() >= 1, "{workers}");
}

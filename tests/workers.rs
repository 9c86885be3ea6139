//! Plugins in processes of their own: what they can do there, and what becomes of
//! the rest when one means harm.

use std::{fs, path::Path};

use serde_json::{Value, json};
use server_core::settings::Isolation;

use crate::support::{
    REVIEWER, Server,
    client::{Client, ERAS, Era},
    eventually,
    testbench::Testbench,
};

mod harm;
mod old_kernels;
mod supervised;
mod system;
mod ways_out;

/// A server with `bench` in processes of its own.
fn serve(worker: &str) -> (Testbench, Server) {
    let bench = Testbench::isolated(Isolation::Process).with_worker(worker);
    let server = bench.start();
    (bench, server)
}

async fn reviewer(server: &Server) -> Client {
    Client::connect(server, REVIEWER, Era::Stateless).await
}

/// What a client is told of a call that was refused: the first code, and the text.
async fn refused(client: &Client, tool: &str, arguments: Value) -> (String, String) {
    let result = client.call(tool, arguments).await.unwrap();
    let result = serde_json::to_value(result).unwrap();
    let denial = &result["_meta"]["mcp-universal-server/denial"];
    let code = denial["reasons"][0]["code"].as_str().unwrap_or_default().to_owned();
    (code, denial["reasons"][0]["message"].as_str().unwrap_or_default().to_owned())
}

/// The processes that a server started and that are there.
fn workers(server: &Server) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let children = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
    let all: Vec<_> = tasks.filter_map(Result::ok).map(children).collect();
    all.iter().flat_map(|line| line.split_ascii_whitespace()).map(|pid| pid.parse().unwrap()).collect()
}

fn runs(process: u32) -> bool {
    let line = fs::read(Path::new("/proc").join(process.to_string()).join("cmdline"));
    line.is_ok_and(|line| !line.is_empty())
}

#[tokio::test]
async fn a_plugin_in_a_process_of_its_own_answers_like_any_other() {
    let (_bench, server) = serve("{}");
    for era in ERAS {
        let client = Client::connect(&server, REVIEWER, era).await;
        assert_eq!(client.text("bench.version", json!({})).await, "1.0.1");
    }
    let loaded =
        server.logged(|line| line["message"] == "plugin loaded" && line["plugin"] == "bench").unwrap();
    assert_eq!((&loaded["isolation"], &loaded["seccomp"]), (&json!("process"), &json!(true)));
    assert!(loaded["landlock"].as_u64().unwrap() >= 1, "{loaded}");
}

#[tokio::test]
async fn workers_end_with_the_server_however_that_ends() {
    let (_bench, mut server) = serve("{}");
    let client = reviewer(&server).await;
    assert_eq!(client.text("bench.version", json!({})).await, "1.0.1");
    let processes = workers(&server);
    assert_eq!(processes.len(), 1);
    server.kill();
    for process in processes {
        eventually("the worker to end", || (!runs(process)).then_some(()));
    }
}

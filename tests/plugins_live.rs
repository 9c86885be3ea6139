//! Plugins that come, change and go while a server runs.

use serde_json::json;

use crate::support::{
    REVIEWER,
    client::{Client, ERAS},
    testbench::Testbench,
};

#[tokio::test]
async fn a_server_runs_a_plugin_that_takes_its_time() {
    let bench = Testbench::new();
    let server = bench.start();
    let client = Client::connect(&server, REVIEWER, ERAS[0]).await;
    assert_eq!(client.text("bench.sleep", json!({ "ms": 1 })).await, "slept 1 ms");
    assert_eq!(client.text("bench.version", json!({})).await, "1.0.1");
    let instance = client.text("bench.instance", json!({})).await;
    assert_eq!(client.text("bench.instance", json!({})).await, instance);
}

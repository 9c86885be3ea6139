//! Plugins in processes of their own.

use serde_json::json;
use server_core::settings::Isolation;

use crate::support::{
    REVIEWER,
    client::{Client, ERAS},
    testbench::Testbench,
};

#[tokio::test]
async fn a_plugin_in_a_process_of_its_own_answers_like_any_other() {
    let bench = Testbench::isolated(Isolation::Process);
    let server = bench.start();
    for era in ERAS {
        let client = Client::connect(&server, REVIEWER, era).await;
        assert_eq!(client.text("bench.version", json!({})).await, "1.0.1");
    }
}

//! What clients hear while calls run, and of each other's doings.

#![expect(deprecated, reason = "the older revisions have logging, and subscriptions by request")]

use std::fs;

use rmcp::model::{
    CallToolRequestParams, ClientRequest, Request, SubscribeRequestParams, SubscriptionFilter,
    UnsubscribeRequestParams,
};
use rmcp::service::PeerRequestOptions;
use serde_json::{Value, json};

use crate::support::{
    LAPTOP, REVIEWER,
    client::{Client, ERAS, Era, http, only_text, stateless},
    conformance, eventually_async,
    talkative::{Heard, Talker},
};

async fn call(talker: &Talker, tool: &'static str) -> String {
    only_text(&talker.client.call_tool(CallToolRequestParams::new(tool)).await.unwrap())
}

#[tokio::test]
async fn a_plugin_reports_its_progress() {
    let (server, _plugins) = conformance::server("");
    for era in ERAS {
        let mut talker = Talker::connect(&server, LAPTOP, era).await;
        assert_eq!(call(&talker, "test_tool_with_progress").await, "done", "{era:?}");
        for done in [0.0, 50.0, 100.0] {
            let message = format!("Completed step {done} of 100");
            assert_eq!(talker.hears().await, Heard::Progress(done, Some(100.0), Some(message)));
        }
    }
}

#[tokio::test]
async fn a_client_gets_the_log_messages_that_it_takes() {
    let (server, _plugins) = conformance::server("");
    let mut talker = Talker::connect(&server, LAPTOP, Era::Session).await;
    for (level, messages) in [("info", 3), ("warning", 0), ("debug", 3)] {
        let level: rmcp::model::LoggingLevel = serde_json::from_value(json!(level)).unwrap();
        talker.client.set_level(rmcp::model::SetLevelRequestParams::new(level)).await.unwrap();
        call(&talker, "test_tool_with_logging").await;
        for _ in 0..messages {
            assert!(matches!(talker.hears().await, Heard::Log(_)));
        }
    }

    for (asked, messages) in [(None, 0), (Some("error"), 0), (Some("info"), 3)] {
        let mut request =
            stateless(&server, LAPTOP, "tools/call", json!({ "name": "test_logging_tool" })).build().unwrap();
        let mut body: Value = serde_json::from_slice(request.body().unwrap().as_bytes().unwrap()).unwrap();
        if let Some(level) = asked {
            body["params"]["_meta"]["io.modelcontextprotocol/logLevel"] = json!(level);
        }
        *request.body_mut() = Some(body.to_string().into());
        request.headers_mut().remove("content-length");
        let text = http().execute(request).await.unwrap().text().await.unwrap();
        assert_eq!(text.matches("notifications/message").count(), messages, "{asked:?}: {text}");
        assert!(text.contains("Tool with logging executed successfully"), "{text}");
    }
}

#[tokio::test]
async fn a_plugin_that_says_too_much_is_heard_in_part() {
    let (server, _plugins) = conformance::server("");
    for era in ERAS {
        let mut talker = Talker::connect(&server, LAPTOP, era).await;
        assert_eq!(call(&talker, "test_flood").await, "said", "{era:?}");
        let mut heard = Vec::new();
        call(&talker, "test_tool_with_progress").await;
        loop {
            match talker.hears().await {
                Heard::Progress(_, Some(100.0), _) => break,
                other => heard.push(other),
            }
        }
        let reports = heard.iter().filter(|it| matches!(it, Heard::Progress(..))).count();
        assert!((1..500).contains(&reports), "{era:?} {reports}");
        for log in heard.iter().filter_map(|it| if let Heard::Log(data) = it { Some(data) } else { None }) {
            assert_eq!(log, "a message too large to be passed on");
        }
    }
}

#[tokio::test]
async fn those_who_subscribed_and_may_read_it_hear_that_a_resource_has_changed() {
    let (server, _plugins) = conformance::server("");
    let uri = "test://watched-resource";
    let caller = Client::connect(&server, REVIEWER, Era::Stateless).await;

    let mut older = Talker::connect(&server, LAPTOP, Era::Session).await;
    older.client.subscribe(SubscribeRequestParams::new(uri)).await.unwrap();
    let unknown = older.client.subscribe(SubscribeRequestParams::new("test://nothing")).await.unwrap_err();
    assert!(unknown.to_string().contains("unknown resource: `test://nothing`"), "{unknown}");
    let long = format!("test://template/{}/data", "x".repeat(3000));
    let long = older.client.subscribe(SubscribeRequestParams::new(long)).await.unwrap_err();
    assert!(long.to_string().contains("unknown resource: `test://template/xxx"), "{long}");
    let newer = Talker::connect(&server, LAPTOP, Era::Stateless).await;
    let filter = SubscriptionFilter::builder().resource_subscription(uri).build();
    let mut newer = newer.client.listen(filter).await.unwrap();
    let stranger = Client::connect(&server, REVIEWER, Era::Session).await;
    let refused = stranger.0.subscribe(SubscribeRequestParams::new(uri)).await.unwrap_err();
    assert!(refused.to_string().contains("agent `reviewer` is not granted resource"), "{refused}");

    assert_eq!(caller.text("test_update_resource", json!({})).await, "told");
    assert_eq!(older.hears().await, Heard::Updated(uri.to_owned()));
    let news = serde_json::to_value(newer.next().await.unwrap().unwrap()).unwrap();
    assert_eq!(
        (&news["method"], &news["params"]["uri"]),
        (&json!("notifications/resources/updated"), &json!(uri))
    );

    older.client.unsubscribe(UnsubscribeRequestParams::new(uri)).await.unwrap();
    caller.text("test_update_resource", json!({})).await;
    caller.text("test_trigger_tool_change", json!({})).await;
    assert_eq!(older.hears().await, Heard::Tools, "and not of the resource");
}

#[tokio::test]
async fn what_a_plugin_withdraws_changes_the_lists_of_those_who_see_it() {
    let (server, _plugins) = conformance::server("");
    let mut laptop = Talker::connect(&server, LAPTOP, Era::Session).await;
    let mut reviewer = Talker::connect(&server, REVIEWER, Era::Session).await;
    call(&laptop, "test_trigger_prompt_change").await;
    call(&laptop, "test_trigger_tool_change").await;
    for heard in [Heard::Prompts, Heard::Prompts, Heard::Tools, Heard::Tools] {
        assert_eq!(laptop.hears().await, heard);
    }
    // It has no prompts, so there is no change for it.
    assert_eq!(reviewer.hears().await, Heard::Tools);
}

#[tokio::test]
async fn a_cancelled_call_ends_its_code_and_gives_its_slot_back() {
    let (server, _plugins) = conformance::server(", concurrency: 1");
    let lines = |message: &str| server.log().iter().filter(|line| line["message"] == message).count();
    for (era, before) in ERAS.into_iter().zip(0..) {
        let laptop = Client::connect(&server, LAPTOP, era).await;
        let arguments = json!({ "milliseconds": 600_000 }).as_object().unwrap().clone();
        let params = CallToolRequestParams::new("test_slow").with_arguments(arguments);
        let request = ClientRequest::CallToolRequest(Request::new(params));
        let options = PeerRequestOptions::no_options();
        let handle = laptop.0.send_cancellable_request(request, options).await.unwrap();
        let begun = || async { (lines("it begins") > before).then_some(()) };
        eventually_async("the call to begin", begun).await;
        let busy = laptop.call("test_simple_text", json!({})).await.unwrap();
        assert!(only_text(&busy).contains("has 1 calls running"), "{era:?} {busy:?}");
        handle.cancel(Some("changed my mind".to_owned())).await.unwrap();
        eventually_async("the slot to be free", || async {
            laptop.call("test_simple_text", json!({})).await.unwrap().is_error.filter(|error| !error)
        })
        .await;
        let seen = || async { (lines("cancelled, and so it ends") > before).then_some(()) };
        eventually_async("the plugin to see it", seen).await;
    }
}

#[tokio::test]
async fn a_plugin_learns_that_its_call_was_revoked() {
    let (server, _plugins) = conformance::server(", concurrency: 1");
    let laptop = Client::connect(&server, LAPTOP, Era::Stateless).await;
    let other = Client::connect(&server, LAPTOP, Era::Stateless).await;
    let config = fs::read_to_string(server.config()).unwrap();
    let revoked = async {
        eventually_async("the call to begin", || async {
            server.logged(|line| line["message"] == "it begins")
        })
        .await;
        fs::write(server.config(), config.replace("  laptop:", "  somebody_else:")).unwrap();
    };
    let (answer, ()) = tokio::join!(laptop.call("test_slow", json!({ "milliseconds": 600_000 })), revoked);
    assert!(only_text(&answer.unwrap()).starts_with("the call was ended"));
    fs::write(server.config(), config).unwrap();
    // Its code has returned, long before the call's time was up.
    eventually_async("the slot to be free", || async {
        let answer = other.call("test_simple_text", json!({})).await.ok()?;
        (only_text(&answer) == "This is a simple text response for testing.").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_plugin_knows_how_much_time_it_has() {
    let (server, _plugins) = conformance::server(", timeout_seconds: 40");
    let laptop = Client::connect(&server, LAPTOP, Era::Session).await;
    let text = laptop.text("test_slow", json!({ "milliseconds": 1 })).await;
    let seconds = text.strip_prefix("done with ").and_then(|text| text.strip_suffix(" s left"));
    assert!((1..40).contains(&seconds.unwrap().parse().unwrap()), "{text}");
}

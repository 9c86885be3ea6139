//! What a plugin does to its own process, and to the line to the server.

use serde_json::json;

use super::{refused, reviewer, serve, workers};
use crate::support::eventually;

#[tokio::test]
async fn a_worker_that_is_lost_fails_its_call_and_is_replaced() {
    for (ways, memory) in [
        (
            &[
                ("abort", "its process ended (signal 6, SIGABRT)"),
                ("exit", "its process ended (exit code 7)"),
                ("segv", "its process ended (signal 11, SIGSEGV)"),
            ][..],
            64,
        ),
        (
            &[
                ("stack", "its process ended (signal 6, SIGABRT)"),
                ("memory", "its process ended (signal 6, SIGABRT)"),
                ("ptrace", "its process ended (signal 31, SIGSYS)"),
            ],
            64,
        ),
        (
            &[
                ("nonsense", "it sent a frame of an unknown kind, 255"),
                ("too_long", "it sent a frame of 4294967295 bytes"),
                ("answer", "it answered a call that it does not have"),
                ("hang_up", "its process ended (signal 9)"),
            ],
            64,
        ),
    ] {
        let (_bench, server) = serve(&format!("{{ memory_bytes: {} }}", memory << 20));
        let client = reviewer(&server).await;
        for (way, reason) in ways {
            let told = refused(&client, "bench.harm", json!({ "way": way })).await;
            let expected = format!("plugin `bench` stopped: {reason}");
            assert_eq!(told, ("worker_lost".to_owned(), expected), "{way}");
            assert_eq!(client.text("core.echo", json!({ "text": "still here" })).await, "still here");
            assert_eq!(client.text("bench.version", json!({})).await, "1.0.1", "after {way}");
        }
    }
}

#[tokio::test]
async fn a_call_goes_on_in_one_worker_while_another_is_lost() {
    let (_bench, server) = serve("{ processes: 2 }");
    let client = reviewer(&server).await;
    let sleep = client.text("bench.sleep", json!({ "ms": 1500 }));
    let harm = async {
        let _ = refused(&client, "bench.harm", json!({ "way": "abort" })).await;
        client.text("bench.version", json!({})).await
    };
    let (slept, version) = tokio::join!(sleep, harm);
    assert_eq!((slept.as_str(), version.as_str()), ("slept 1500 ms", "1.0.1"));
}

#[tokio::test]
async fn calls_in_the_same_worker_are_lost_with_it() {
    let (_bench, server) = serve("{ processes: 1, concurrency: 2 }");
    let client = reviewer(&server).await;
    let sleep = refused(&client, "bench.sleep", json!({ "ms": 20_000 }));
    let harm = refused(&client, "bench.harm", json!({ "way": "abort_later" }));
    let (sibling, culprit) = tokio::join!(sleep, harm);
    let lost = (
        "worker_lost".to_owned(),
        "plugin `bench` stopped: its process ended (signal 6, SIGABRT)".to_owned(),
    );
    assert_eq!((sibling, culprit), (lost.clone(), lost));
}

#[tokio::test]
async fn a_worker_has_the_threads_that_it_may_have() {
    for most in [0, 5] {
        let (_bench, server) = serve(&format!("{{ threads: {most} }}"));
        let client = reviewer(&server).await;
        let begun = client.text("bench.harm", json!({ "way": "threads" })).await;
        assert_eq!(begun, most.to_string());
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_read_and_costs_no_worker() {
    let (_bench, server) = serve("{ processes: 1 }");
    let client = reviewer(&server).await;
    let before = workers(&server);
    let (code, message) = refused(&client, "bench.harm", json!({ "way": "long" })).await;
    assert_eq!(code, "response_too_large", "{message}");
    assert_eq!(client.text("bench.version", json!({})).await, "1.0.1");
    assert_eq!(workers(&server), before);
}

#[tokio::test]
async fn a_call_that_is_made_up_has_no_rights() {
    let (_bench, server) = serve("{}");
    let client = reviewer(&server).await;
    assert_eq!(
        client.text("bench.harm", json!({ "way": "forge" })).await,
        r#"{"code":"denied","message":"there is no such call, or it is over already"}"#
    );
}

#[tokio::test]
async fn what_a_worker_prints_is_in_the_log_under_its_plugins_name() {
    let (_bench, server) = serve("{}");
    let client = reviewer(&server).await;
    let printed = |text: &'static str| {
        eventually(text, || {
            server.logged(|line| {
                line["printed"] == true && line["message"].as_str().is_some_and(|it| it.contains(text))
            })
        })
    };
    assert_eq!(client.text("bench.harm", json!({ "way": "print" })).await, "printed");
    for text in ["libbench: something is odd", "libbench: and that goes to stdout"] {
        let line = printed(text);
        assert_eq!(
            (&line["message"], &line["plugin"], &line["target"], &line["level"]),
            (&json!(text), &json!("bench"), &json!("plugin"), &json!("WARN"))
        );
    }
    // The last words of a process are often all that says why it ended.
    refused(&client, "bench.harm", json!({ "way": "stack" })).await;
    printed("has overflowed its stack");
}

#[tokio::test]
async fn a_worker_that_prints_without_end_fills_no_log() {
    let (_bench, server) = serve("{}");
    let client = reviewer(&server).await;
    assert_eq!(client.text("bench.harm", json!({ "way": "chatter" })).await, "printed");
    assert_eq!(client.text("bench.harm", json!({ "way": "print" })).await, "printed");
    eventually("lost lines", || {
        let lost: u64 = server.log().iter().filter_map(|line| line["lost"].as_u64()).sum();
        (lost > 50_000).then_some(())
    });
    let printed = server.log().iter().filter(|line| line["printed"] == true).count();
    assert!(printed < 50_000, "{printed} lines");
}

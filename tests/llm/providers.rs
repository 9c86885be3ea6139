//! Providers that are slow, break off, or say nonsense of what was used.

use super::*;
use crate::support::talkative::{Heard, Talker};

const MODELS: [&str; 3] = ["anthropic/m", "openai/m", "local/m"];

/// What `laptop` has left of its dollar.
fn left(status: &str) -> String {
    let line = status.lines().find(|line| line.contains("agent laptop, day:")).unwrap();
    line.split(['$', ' ']).find(|word| word.parse::<f64>().is_ok()).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_that_makes_no_sense_is_not_believed_where_it_would_make_an_answer_cheap() {
    let world = World::new();
    for model in MODELS {
        for usage in
            ["-1000 0 -500", "1000 0 -500", "0 0 0", "1000 0 0", "0 0 500", "1.5 0 2.5", "null null null"]
        {
            world.says(&["budget", "set", "--agent", "laptop", "0"]);
            let said = world.ask(question(model, &format!("usage {usage}"))).await;
            assert_eq!(said[0], "Hello!", "{model} {usage}");
            let expected = format!("{model}: tokens not told; at most $0.005");
            assert!(said[1].starts_with(&expected), "{usage}: {said:?}");
            let left: f64 = left(&world.says(&["budget", "show"])).parse().unwrap();
            assert!(left < 0.995, "{model} {usage}: {left}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_that_contradicts_itself_or_what_was_reserved_is_charged_as_it_is_told() {
    let world = World::new();
    for (model, usage, cost) in [
        // More cached than there was: all of it was.
        ("openai/m", "1000 5000 500", "0.0026"),
        ("local/m", "1000 5000 500", "0.0026"),
        // Here what was cached stands beside the rest.
        ("anthropic/m", "1000 5000 500", "0.003"),
        // Five times the tokens that were asked for.
        ("openai/m", "1000 0 5000", "0.026"),
        ("local/m", "1000 0 5000", "0.026"),
        ("anthropic/m", "1000 0 5000", "0.026"),
    ] {
        let said = world.ask(question(model, &format!("usage {usage}"))).await;
        assert!(said[1].contains(&format!("; ${cost}; ")), "{model} {usage}: {said:?}");
    }
    assert_eq!(left(&world.says(&["budget", "show"])), "0.9138");
}

/// What a provider says is what it will bill. So nothing more is spent, until
/// somebody has looked.
#[tokio::test(flavor = "multi_thread")]
async fn an_absurd_usage_stops_the_spending_until_the_operator_says_otherwise() {
    let world = World::new();
    world.ask(question("local/m", "usage 18446744073709551615 0 18446744073709551615")).await;
    let said = world.ask(question("fast", "hello")).await;
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().all(|reason| reason.starts_with("budget_exceeded: ")), "{said:?}");
    world.says(&["budget", "set", "--agent", "laptop", "0"]);
    world.says(&["budget", "set", "--tenant", "research", "0"]);
    assert_eq!(world.ask(question("fast", "hello")).await[0], "Hello!");
}

/// Every attempt may be billed, so every one is charged: what was told of it, or
/// what was reserved for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_charged_for_every_attempt() {
    for (model, each) in [("local/m", 0.005_083_75), ("openai/m", 0.005_083_75), ("anthropic/m", 0.000_835)] {
        let world = World::new();
        let said = world.ask(question(model, "cut")).await;
        assert_eq!(said, [format!("{model}: the answer broke off: it ended in the middle")]);
        let attempts = world.models.asked().len();
        let left: f64 = left(&world.says(&["budget", "show"])).parse().unwrap();
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let expected = 1.0 - each * attempts as f64;
        assert!((left - expected).abs() < 1e-9, "{model}, {attempts} attempts: {left}");
    }
}

/// Wherever an interface has the message of an error that comes within a stream.
#[tokio::test]
async fn an_error_in_the_middle_of_an_answer_is_passed_on_with_its_reason() {
    for (model, place) in
        [("anthropic/m", "nested"), ("openai/m", "beside"), ("openai/m", "nested"), ("local/m", "nested")]
    {
        let world = World::new();
        let said = world.ask(question(model, &format!("trouble {place}"))).await;
        assert_eq!(said, [format!("{model}: the answer broke off: The server had an error")], "{place}");
        assert!(!world.remaining().await.starts_with("agent day 1.00,"), "{model} {place} was charged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_does_not_answer_or_not_to_the_end_is_given_up_with_the_call_and_charged() {
    let world =
        World::with(|config| config.replace("    llm: {", "    limits: { timeout_seconds: 1 }\n    llm: {"));
    // Anthropic tells its input first, so it is charged for that and for what came.
    for (model, prompt, expected) in MODELS.map(|model| (model, "mute", "0.994915")).into_iter().chain([
        ("openai/m", "hang", "0.994915"),
        ("local/m", "hang", "0.994915"),
        ("anthropic/m", "hang", "0.999165"),
    ]) {
        let before = world.models.hung_up();
        let result = world.client().await.call("llm.query", question(model, prompt)).await;
        assert!(result.is_err() || result.unwrap().is_error == Some(true), "{model} {prompt}");
        tokio::task::block_in_place(|| {
            eventually("the provider to notice", || (world.models.hung_up() > before).then_some(()));
            eventually("the charge", || (left(&world.says(&["budget", "show"])) == expected).then_some(()));
        });
        world.says(&["budget", "set", "--agent", "laptop", "0"]);
    }
}

#[tokio::test]
async fn the_client_hears_of_an_answer_while_it_comes() {
    let world = World::new();
    for model in MODELS {
        let mut talker = Talker::connect(&world.server, LAPTOP, Era::Stateless).await;
        let arguments = question(model, "gate").as_object().unwrap().clone();
        let request = rmcp::model::CallToolRequestParams::new("llm.query").with_arguments(arguments);
        let peer = talker.client.peer().clone();
        let call = tokio::spawn(async move { peer.call_tool(request).await });
        let heard = talker.hears().await;
        assert_eq!(
            heard,
            Heard::Progress(5.0, None, Some("5 characters of the answer".to_owned())),
            "{model}"
        );
        assert!(!call.is_finished());
        world.models.open_gate();
        let result = serde_json::to_value(call.await.unwrap().unwrap()).unwrap();
        assert_eq!(result["content"][0]["text"], "Hello!");
    }
}

/// At once, again and again, on routes that fall back, and given up in the middle:
/// what is charged and reserved never passes the limit.
#[tokio::test(flavor = "multi_thread")]
async fn no_crowd_of_requests_spends_more_than_there_is() {
    let world = World::with(|config| {
        config
            .replace("max_cost_per_day: 1.00", "max_cost_per_day: 0.05")
            .replace("    llm: {", "    limits: { concurrency: 64, rate_limit: \"1000/s\" }\n    llm: {")
    });
    let client = world.client().await;
    let crowd = (0..40).map(|number| {
        let (client, model) = (&client, ["smart", "fast", "anthropic/m"][number % 3]);
        let prompt = if number % 8 == 0 { format!("once 50{}", number % 5) } else { "hello".to_owned() };
        async move {
            let call = client.call("llm.query", question(model, &prompt));
            if number % 7 == 0 {
                // Given up as soon as it is on its way.
                let _ = futures::poll!(Box::pin(call));
            } else {
                call.await.unwrap();
            }
        }
    });
    futures::future::join_all(crowd).await;
    let standing = || {
        let known: Value = serde_json::from_str(&world.says(&["budget", "show", "--json"])).unwrap();
        let budget =
            known["budgets"].as_array().unwrap().iter().find(|it| it["owner"] == "agent").unwrap().clone();
        ["spent", "reserved"].map(|name| budget[name].as_str().unwrap().parse::<f64>().unwrap())
    };
    let spent = tokio::task::block_in_place(|| {
        eventually("every request to end", || {
            let [spent, reserved] = standing();
            assert!(spent + reserved <= 0.05, "{spent} + {reserved}");
            (reserved == 0.0).then_some(spent)
        })
    });
    assert!(spent > 0.03, "{spent}: most of it was spent");
}

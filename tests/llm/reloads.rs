//! The configuration changes while a provider answers.

use super::*;
use crate::reload::ready_when;

/// A call keeps the configuration that it began under; its charge stays whatever
/// that says by then, and the next call goes by the new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_in_the_middle_of_an_answer_changes_only_what_comes_after() {
    type Edit = fn(&str) -> String;
    let dearer: Edit = |config| config.replace("output: 5.00", "output: 50.00");
    let without_it: Edit = |config| {
        let lines = config.lines().filter(|line| !line.starts_with("    anthropic:"));
        lines.collect::<Vec<_>>().join("\n").replace(r#"anthropic: ["*"], "#, "") + "\n"
    };
    let poorer: Edit = |config| config.replace("max_cost_per_day: 1.00", "max_cost_per_day: 0.003");
    for (edit, next, left) in [
        (dearer, "Hello!", "0.99668"),
        (without_it, "unknown_model: ", "0.99668"),
        (poorer, "budget_exceeded: agent `laptop` has $0.00 left of $0.003 a day", "0.00"),
    ] {
        let world = World::new();
        let asked = world.ask(question("anthropic/m", "gate"));
        let edited = async {
            crate::support::eventually_async("the provider to be asked", async || {
                (!world.models.asked().is_empty()).then_some(())
            })
            .await;
            std::fs::write(world.server.config(), edit(&config(&world.models))).unwrap();
            ready_when(&world.server, "the edit", |answer| answer["generation"] == 2).await;
            world.models.open_gate();
        };
        let (said, ()) = tokio::join!(asked, edited);
        assert_eq!(said[0], "Hello!", "{said:?}");
        let expected = "anthropic/m: 1000 tokens in, 200 of them cached, 500 out; $0.00332; ";
        assert!(said[1].starts_with(expected), "{said:?}");
        let remaining = world.remaining().await;
        assert!(remaining.starts_with(&format!("agent day {left}, ")), "{remaining}");
        let said = world.ask(question("anthropic/m", "hello")).await;
        assert!(said[0].starts_with(next), "{said:?}");
        if next == "Hello!" {
            assert!(said[1].contains("; $0.02582; "), "{said:?}");
        }
    }
}

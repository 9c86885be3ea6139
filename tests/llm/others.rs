//! Other plugins that ask models through the host.

use super::*;
use crate::support::testbench::{Testbench, build, replace};

/// A plugin of somebody else's gets no further than `llm.query`: the calling agent's
/// models, budget and capabilities count.
#[tokio::test(flavor = "multi_thread")]
async fn another_plugin_asks_within_the_calling_agent_s_rights_and_budget() {
    let bench = Testbench::new();
    let [nothing, models] = ["testbench needs nothing         ", "testbench needs        llm:query"];
    bench.install(&replace(&build(1), nothing.as_bytes(), models.as_bytes()));
    let world = World::with(|config| {
        let all = bench.config("{}").replace("worker: {}", "capabilities: [\"llm:query\"]");
        let plugins = all[all.find("plugins:").unwrap()..]
            .replace(r#"plugins: ["bench"], "#, r#"plugins: ["bench"], capabilities: ["llm:query"], "#);
        format!("{config}{plugins}").replace(r#""core.echo"]"#, r#""bench.ask"]"#)
    });
    let ask = |model| world.ask_by("bench.ask", json!({ "model": model, "prompt": "hello" }));
    assert_eq!(ask("fast").await, ["Hello!"]);
    assert_eq!(world.remaining().await, "agent day 0.99668, tenant day 19.99668");
    assert_eq!(
        ask("local/other").await,
        ["model_not_granted_to_agent: agent `laptop` is not granted model `local/other`"]
    );
    world.says(&["budget", "set", "--agent", "laptop", "1"]);
    let said = ask("fast").await;
    assert!(
        said.len() == 1 && said[0].starts_with("budget_exceeded: agent `laptop` has $0.00 left"),
        "{said:?}"
    );
    assert_eq!(world.models.asked().len(), 1);

    let without = std::fs::read_to_string(world.server.config()).unwrap();
    let (before, after) = without.split_once("agents:").unwrap();
    let after = after.replacen(r#"    capabilities: ["llm:query"]"#, "    capabilities: []", 1);
    std::fs::write(world.server.config(), format!("{before}agents:{after}")).unwrap();
    crate::reload::ready_when(&world.server, "the edit", |answer| answer["generation"] == 2).await;
    let said = ask("fast").await;
    assert!(said.iter().any(|reason| reason.contains("llm:query")), "{said:?}");
}

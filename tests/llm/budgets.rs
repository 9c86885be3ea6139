//! Budgets of a running server, as its agents and its operator meet them.

use std::process::{Command, Output};

use super::*;
use crate::{
    audit::records,
    support::{
        PROGRAM, REVIEWER,
        output::{code, stderr, stdout},
    },
};

impl World {
    /// Runs a command against the server.
    fn run(&self, arguments: &[&str]) -> Output {
        let door = eventually("the admin listener", || {
            self.server.logged(|line| line["message"] == "admin listening")
        });
        let url = format!("http://{}", door["address"].as_str().unwrap());
        let mut command = Command::new(PROGRAM);
        command.args(arguments).args(["--url", &url]).current_dir(self.server.config().parent().unwrap());
        command.env("MCP_ADMIN_TOKEN", REVIEWER).env("REVIEWER_TOKEN", REVIEWER).output().unwrap()
    }

    pub(super) fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        stdout(&output)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_is_shown_to_the_agent_and_to_the_operator() {
    let world = World::new();
    assert_eq!(world.remaining().await, "agent day 1.00, tenant day 20.00");
    world.ask(question("fast", "hello")).await;
    assert_eq!(world.remaining().await, "agent day 0.99668, tenant day 19.99668");
    let shown = world.says(&["budget", "show"]);
    assert!(
        shown.starts_with("agent laptop, day: $0.99668 left of $1.00, $0.00332 spent, resets "),
        "{shown}"
    );
    assert!(
        shown.contains("\ntenant research, day: $19.99668 left of $20.00, $0.00332 spent, resets "),
        "{shown}"
    );
    assert!(shown.contains(" 00:00 UTC\n"), "{shown}");
    let status = world.says(&["status"]);
    assert!(status.contains("\nbudgets:\n  agent laptop, day: $0.99668 left of $1.00, "), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_budget_denies_until_the_operator_says_otherwise() {
    let world = World::new();
    let set = world.says(&["budget", "set", "--agent", "laptop", "0.999"]);
    assert!(
        set.starts_with("agent laptop, day ") && set.ends_with(": $0.999 count as spent, before $0.00\n"),
        "{set}"
    );
    let said = world.ask(question("fast", "hello")).await;
    let expected = "budget_exceeded: agent `laptop` has $0.001 left of $1.00 a day, and this request may cost $0.00508625; the budget resets at ";
    assert!(said.len() == 1 && said[0].starts_with(expected), "{said:?}");
    assert_eq!(world.models.asked().len(), 0);
    world.says(&["budget", "set", "--agent", "laptop", "0"]);
    assert_eq!(world.ask(question("fast", "hello")).await[0], "Hello!");
    let folder = world.server.config().with_file_name("state").join("audit");
    // The outcome is written once the answer is on its way.
    let cost = eventually("the cost to be on record", || {
        records(&folder).into_iter().find_map(|it| it["cost_nano_usd"].as_i64())
    });
    assert_eq!(cost, 3_320_000);
    let set: Vec<_> = records(&folder).into_iter().filter(|it| it["event"] == "budget").collect();
    assert_eq!(set.len(), 2);
    assert_eq!(
        (&set[0]["change"], &set[0]["name"], &set[0]["what"]["spent"]),
        (&json!("set"), &json!("laptop"), &json!("0.999"))
    );
    let unknown = world.run(&["budget", "set", "--agent", "lptop", "0"]);
    assert_eq!(
        (code(&unknown), stderr(&unknown).as_str()),
        (1, "error: the server answered 400 Bad Request: there is no agent `lptop` in the configuration\n")
    );
}

#[tokio::test]
async fn an_agent_without_a_budget_is_denied() {
    let world = World::with(|config| {
        config.replace(", max_cost_per_day: 1.00", "").replace("max_cost_per_day: 20", "")
    });
    assert_eq!(
        world.ask(question("fast", "hello")).await,
        ["budget_not_configured: agent `laptop` has no budget, and neither has its tenant `research`"]
    );
}

#[tokio::test]
async fn what_an_answer_does_not_tell_is_charged_as_it_was_reserved() {
    let world = World::new();
    let said = world.ask(question("fast", "silent")).await;
    assert_eq!(said[0], "Hello!");
    assert!(said[1].starts_with("local/m: tokens not told; at most $0.0050875; "), "{said:?}");
    assert_eq!(world.remaining().await, "agent day 0.9949125, tenant day 19.9949125");
    // A refusal costs nothing, and an answer that breaks off what was reserved.
    world.ask(question("fast", "status 400")).await;
    assert_eq!(world.remaining().await, "agent day 0.9949125, tenant day 19.9949125");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_in_a_call_counts_it_as_spent_until_it_is_released() {
    let mut world = World::new();
    let client = world.client().await;
    tokio::select! {
        _ = client.call("llm.query", question("fast", "hang")) => panic!("it hangs"),
        () = async {
            while world.models.asked().is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            world.server.signal("-9");
        } => {}
    }
    world.server.ended();
    let state = world.server.config().with_file_name("state");
    let next = Server::start_with(&config(&world.models), |folder, command| {
        command.env("LLM_KEY", "key-0123456789");
        let copied = Command::new("cp").args(["-r".as_ref(), state.as_os_str(), folder.as_os_str()]).status();
        assert!(copied.unwrap().success());
    });
    let world = World { server: next, ..world };
    let shown = world.says(&["budget", "show"]);
    assert!(shown.starts_with("agent laptop, day: $0.994915 left of $1.00, $0.005085 spent, "), "{shown}");
    let line = shown.lines().last().unwrap().trim_start();
    assert!(line.contains("  $0.005085  ") && line.ends_with("  laptop  local/m"), "{shown}");
    let id = line.split(' ').next().unwrap();
    let released = world.says(&["budget", "release", id]);
    assert!(released.starts_with(&format!("released {id}  $0.005085  ")), "{released}");
    assert_eq!(world.remaining().await, "agent day 1.00, tenant day 20.00");
    let again = world.run(&["budget", "release", id]);
    assert_eq!(
        (code(&again), stderr(&again)),
        (1, format!("error: no crash left `{id}`\n  help: `budget show` tells what there is to release\n"))
    );
    assert_eq!(world.says(&["budget", "release", "--all"]), "nothing is left of a crash\n");
}

#[tokio::test]
async fn a_reload_in_the_middle_of_a_call_leaves_its_charge_and_changes_the_limit_at_once() {
    let world = World::new();
    world.ask(question("fast", "hello")).await;
    let lowered = config(&world.models).replace("max_cost_per_day: 1.00", "max_cost_per_day: 0.003");
    std::fs::write(world.server.config(), lowered).unwrap();
    let said = crate::support::eventually_async("the edit to be in force", async || {
        let said = world.ask(question("fast", "hello")).await;
        (said.len() == 1).then_some(said)
    })
    .await;
    let expected =
        "budget_exceeded: agent `laptop` has $0.00 left of $0.003 a day, and this request may cost $0.0050";
    assert!(said[0].starts_with(expected), "{said:?}");
}

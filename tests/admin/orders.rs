//! Reloads and rollbacks by order, as connected agents see them.

use std::{os::unix::fs::MetadataExt, path::PathBuf};

use super::*;
use crate::{
    reload::{ready, ready_when},
    support::{REVIEWER, client::stateless, testbench::Testbench},
};

const BOTH: &str = r#"tools: ["core.echo", "core.sum"]"#;
const ECHO: &str = r#"tools: ["core.echo"]"#;
const SUM: &str = r#"tools: ["core.sum"]"#;

/// Another name of the configuration's file, in a folder that nobody watches.
fn elsewhere(door: &Door) -> PathBuf {
    door.server.config().with_file_name("elsewhere").join("config.yaml")
}

/// A server that learns of an edit by an order only, if it is made [`elsewhere`]:
/// no kernel event tells of it, and the poll comes once a minute.
async fn door_of_orders(config: &str) -> Door {
    let config = format!(
        "{config}admin: {{ listen: \"127.0.0.1:0\", token: \"${{ADMIN_TOKEN}}\" }}\nreload: {{ poll_ms: 60000 }}\n"
    );
    let door = Door::open_with(&config, |folder, _| {
        fs::create_dir(folder.join("elsewhere")).unwrap();
        fs::hard_link(folder.join("config.yaml"), folder.join("elsewhere/config.yaml")).unwrap();
    });
    // The look at the start is over when these are.
    for _ in 0..2 {
        assert_eq!(answer(door.post("/reload")).await.1["result"], "unchanged");
    }
    door
}

async fn edit_unseen(door: &Door, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(elsewhere(door)).unwrap();
    fs::write(elsewhere(door), change(text)).unwrap();
    let inode = |path| fs::metadata(path).unwrap().ino();
    assert_eq!(inode(door.server.config()), inode(elsewhere(door)));
}

async fn status_of(server: &Server, token: &str) -> u16 {
    stateless(server, token, "tools/list", json!({})).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_leaves_plugins_as_they_were() {
    let bench = Testbench::in_process();
    let made = bench.path().join("made");
    let door =
        door_of_orders(&bench.config(&format!("{{ label: one, attempts: {} }}", made.display()))).await;
    let reviewer = Client::connect(&door.server, REVIEWER, ERAS[0]).await;
    let laptop = Client::connect(&door.server, LAPTOP, ERAS[1]).await;
    let instance = reviewer.text("bench.instance", json!({})).await;
    assert_eq!(reviewer.text("bench.count", json!({})).await, "1");
    let (before, attempts) = (door.status().await, fs::read_to_string(&made).unwrap().lines().count());

    edit_unseen(&door, |text| text.replace("label: one", "label: two").replace(BOTH, ECHO)).await;
    let (code, dry) = answer(door.post("/reload?dry_run=1")).await;
    assert_eq!((code, &dry["result"], &dry["generation"]), (200, &json!("applied"), &json!(1)), "{dry}");
    // It was made, to see whether it can be, and thrown away.
    assert!(fs::read_to_string(&made).unwrap().lines().count() > attempts);
    assert_eq!(reviewer.text("bench.instance", json!({})).await, instance);
    assert_eq!(reviewer.text("bench.count", json!({})).await, "2");
    assert_eq!(reviewer.text("bench.label", json!({})).await, "one");
    assert_eq!(laptop.tools().await, ["core.echo", "core.sum"]);
    let after = door.status().await;
    for part in ["config", "generation", "plugins", "reloads"] {
        assert_eq!(after[part], before[part], "{part}");
    }

    assert_eq!(answer(door.post("/reload")).await.1["generation"], 2);
    assert_eq!(reviewer.text("bench.label", json!({})).await, "two");
    assert_ne!(reviewer.text("bench.instance", json!({})).await, instance);
    assert_eq!(laptop.tools().await, ["core.echo"]);
}

#[tokio::test]
async fn a_reload_for_another_configuration_than_the_one_in_force_does_nothing() {
    let door = door_of_orders(TWO_AGENTS).await;
    let laptop = Client::connect(&door.server, LAPTOP, ERAS[1]).await;
    let before = door.status().await["config"]["sha256"].as_str().unwrap().to_owned();
    edit_unseen(&door, |text| text.replace(BOTH, ECHO)).await;
    for query in ["", "?dry_run=1"] {
        let other =
            door.post(&format!("/reload{query}")).header("if-match", format!("\"{}\"", "0".repeat(64)));
        let (code, answer) = answer(other).await;
        assert_eq!((code, &answer["result"], &answer["generation"]), (412, &json!("mismatch"), &json!(1)));
        assert_eq!(laptop.tools().await, ["core.echo", "core.sum"]);
    }
    let (code, applied) = answer(door.post("/reload").header("if-match", &before)).await;
    assert_eq!((code, &applied["result"]), (200, &json!("applied")));
    // Whoever still means the one before is too late.
    assert_eq!(answer(door.post("/reload").header("if-match", &before)).await.0, 412);
    assert_eq!(laptop.tools().await, ["core.echo"]);
}

#[tokio::test]
async fn a_rollback_counts_until_the_files_change_and_secrets_count_at_once() {
    const TOKENS: [&str; 4] = [
        "spare-token-1-0123456789-0123456789-abcdefg",
        "spare-token-2-0123456789-0123456789-abcdefg",
        "files-token-1-0123456789-0123456789-abcdefg",
        "files-token-2-0123456789-0123456789-abcdefg",
    ];
    let admin = format!("ADMIN_TOKEN={ADMIN}\n");
    let agents = "  spare: { tenant: research, token: \"${SPARE_TOKEN}\" }\n  files: { tenant: research, token: \"${file:secret}\" }\n";
    let start = config().replace("admin: {", &format!("{agents}admin: {{"));
    let door = Door::open_with(&start, |folder, _| {
        fs::write(folder.join(".env"), format!("{admin}SPARE_TOKEN={}\n", TOKENS[0])).unwrap();
        fs::write(folder.join("secret"), TOKENS[2]).unwrap();
    });
    let server = &door.server;
    let laptop = Client::connect(server, LAPTOP, ERAS[0]).await;
    let source = || async { door.status().await["config"]["source"].clone() };
    for (generation, tools) in [(2, ECHO), (3, SUM)] {
        fs::write(server.config(), start.replace(BOTH, tools)).unwrap();
        ready_when(server, "the edit", |answer| answer["generation"] == generation).await;
    }

    assert_eq!(answer(door.post("/rollback")).await.1["generation"], 4);
    assert_eq!(laptop.tools().await, ["core.echo"]);
    assert_eq!(answer(door.post("/rollback?to=1")).await.1["generation"], 5);
    assert_eq!(laptop.tools().await, ["core.echo", "core.sum"]);
    assert_eq!(source().await, "rollback");

    // To save the files as they are, or to ask for them, is not to change them.
    fs::write(server.config(), start.replace(BOTH, SUM)).unwrap();
    let (code, unchanged) = answer(door.post("/reload")).await;
    assert_eq!((code, &unchanged["result"], &unchanged["generation"]), (200, &json!("unchanged"), &json!(5)));
    let reason = "the files hold what they held at the rollback, which counts until they change";
    assert_eq!(unchanged["reason"], reason);

    fs::write(server.config().with_file_name(".env"), format!("{admin}SPARE_TOKEN={}\n", TOKENS[1])).unwrap();
    ready_when(server, "the variable", |answer| answer["generation"] == 6).await;
    fs::write(server.config().with_file_name("secret"), TOKENS[3]).unwrap();
    ready_when(server, "the secret", |answer| answer["generation"] == 7).await;
    for (token, status) in TOKENS.into_iter().zip([401, 200, 401, 200]) {
        assert_eq!(status_of(server, token).await, status, "{token}");
    }
    assert_eq!(
        (source().await, laptop.tools().await),
        (json!("rollback"), vec!["core.echo".into(), "core.sum".into()])
    );

    fs::write(server.config(), format!("# Changed.\n{}", start.replace(BOTH, SUM))).unwrap();
    ready_when(server, "the file", |answer| answer["generation"] == 8).await;
    assert_eq!((source().await, laptop.tools().await), (json!("files"), vec!["core.sum".to_owned()]));
    for (token, status) in TOKENS.into_iter().zip([401, 200, 401, 200]) {
        assert_eq!(status_of(server, token).await, status, "{token}");
    }
}

#[tokio::test]
async fn an_edit_that_is_held_says_so_until_it_is_confirmed_or_taken_back() {
    let door = Door::open();
    let server = &door.server;
    let (before, rest) = config().split_once("agents:\n").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let (_, after) = rest.split_once("admin:").unwrap();
    let nobody = format!("{before}agents: {{}}\nadmin:{after}");
    let held = |answer: &Value| answer["last_reload"]["result"] == "held";

    fs::write(server.config(), &nobody).unwrap();
    let answer_held = ready_when(server, "the hold", held).await;
    assert_eq!((&answer_held["ready"], &answer_held["generation"]), (&json!(true), &json!(1)));
    fs::write(server.config(), config()).unwrap();
    ready_when(server, "the old file", |answer| answer["last_reload"]["result"] == "applied").await;
    assert_eq!(ready(server).await["generation"], 1);

    fs::write(server.config(), &nobody).unwrap();
    ready_when(server, "the hold", held).await;
    let line = eventually("the line", || {
        server.logged(|line| line["reason"].as_str().is_some_and(|it| it.starts_with("it removes")))
    });
    assert_eq!(line["reason"], "it removes 2 of 2 agents, and `reload.hold.removed_agents_percent` is 60");
    for confirm in ["", &format!("?confirm={}", "0".repeat(64))] {
        let (code, answer) = answer(door.post(&format!("/reload{confirm}"))).await;
        assert_eq!((code, &answer["result"], &answer["generation"]), (409, &json!("held"), &json!(1)));
        assert_eq!(ready(server).await["last_reload"]["result"], "held");
        assert_eq!(status_of(server, LAPTOP).await, 200);
    }
    let sha256 = line["config_sha256"].as_str().unwrap();
    let (code, applied) = answer(door.post(&format!("/reload?confirm={sha256}"))).await;
    assert_eq!((code, &applied["generation"]), (200, &json!(2)));
    assert_eq!(ready(server).await["last_reload"]["result"], "applied");
    assert_eq!(status_of(server, LAPTOP).await, 401);
}

//! The start from the copy of the last good configuration, and SIGHUP.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    reload::{ready, ready_when},
    support::{
        LAPTOP, REVIEWER, Server, TWO_AGENTS,
        client::{Client, ERAS, http},
        eventually, eventually_async, program,
    },
};

const ADMIN: &str = "admin-token-0123456789-0123456789-abcdefg";
const BOTH: &str = r#"tools: ["core.echo", "core.sum"]"#;

fn config() -> String {
    format!(
        "{TWO_AGENTS}admin: {{ listen: \"127.0.0.1:0\", token: \"${{ADMIN_TOKEN}}\" }}\nstate: {{ dir: ./state }}\n"
    )
}

fn start(folder: &Path, arguments: &[&str]) -> Server {
    Server::start_with("", |_, command| {
        command.args(arguments).env("MCP_CONFIG", folder.join("config.yaml")).env("ADMIN_TOKEN", ADMIN);
    })
}

/// What the copy holds.
fn copied(folder: &Path) -> String {
    let copy = fs::read(folder.join("state/last-good.json")).unwrap();
    let copy: Value = serde_json::from_slice(&copy).unwrap();
    copy["sources"][0]["text"].as_str().unwrap().to_owned()
}

async fn status(server: &Server) -> Value {
    let address = eventually("the admin listener", || {
        let line = server.logged(|line| line["message"] == "admin listening")?;
        line["address"].as_str().map(str::to_owned)
    });
    http()
        .get(format!("http://{address}/status"))
        .bearer_auth(ADMIN)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

async fn source_is(server: &Server, source: &str) {
    eventually_async(source, || async { (status(server).await["config"]["source"] == source).then_some(()) })
        .await;
}

#[tokio::test]
async fn a_server_starts_from_the_copy_and_takes_the_files_once_they_are_right() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let broken = config().replace("tenant: research\n    token: \"${L", "tenant: reserch\n    token: \"${L");
    let narrower = config().replace(BOTH, r#"tools: ["core.echo"]"#);
    fs::write(&file, config()).unwrap();
    let server = start(folder.path(), &[]);
    assert_eq!(copied(folder.path()), config());
    for (generation, text) in [(2, config().replace(BOTH, r#"tools: ["core.sum"]"#)), (3, narrower.clone())] {
        fs::write(&file, &text).unwrap();
        ready_when(&server, "the edit", |answer| answer["generation"] == generation).await;
        eventually("the copy", || (copied(folder.path()) == text).then_some(()));
    }
    fs::write(&file, &broken).unwrap();
    ready_when(&server, "the refusal", |answer| answer["last_reload"]["result"] == "refused").await;
    assert_eq!(copied(folder.path()), narrower);
    drop(server);

    let output = program()
        .arg("serve")
        .envs([("LAPTOP_TOKEN", LAPTOP), ("REVIEWER_TOKEN", REVIEWER), ("ADMIN_TOKEN", ADMIN)])
        .env("MCP_CONFIG", &file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("there is no tenant `reserch`"), "{said}");

    let other = config().replace(BOTH, r#"tools: ["core.sum"]"#);
    for (right, tools) in [(other, "core.sum"), (narrower.clone(), "core.echo")] {
        fs::write(&file, &narrower).unwrap();
        drop(start(folder.path(), &[]));
        fs::write(&file, &broken).unwrap();
        let server = start(folder.path(), &["--last-good"]);
        let answer = ready(&server).await;
        assert_eq!(answer["last_reload"], json!({ "result": "refused", "problems": 1 }));
        assert_eq!((&answer["ready"], &answer["generation"]), (&json!(true), &json!(1)));
        let line = server
            .logged(|line| {
                line["message"]
                    .as_str()
                    .is_some_and(|it| it.starts_with("started from the copy of the last good"))
            })
            .unwrap();
        assert_eq!(line["level"], "WARN");
        let problem = server.logged(|line| line["message"] == "there is no tenant `reserch`");
        assert!(problem.is_some());
        let told = status(&server).await;
        assert_eq!(told["config"]["source"], "last_good");
        assert_eq!(
            (&told["reloads"][0]["trigger"], &told["reloads"][0]["result"]),
            (&json!("start"), &json!("refused"))
        );
        let laptop = Client::connect(&server, LAPTOP, ERAS[1]).await;
        assert_eq!(laptop.tools().await, ["core.echo"]);

        // Another mistake is no reason to leave the copy.
        fs::write(&file, format!("{broken}another: mistake\n")).unwrap();
        ready_when(&server, "the next refusal", |answer| answer["last_reload"]["problems"] == 2).await;
        assert_eq!(status(&server).await["config"]["source"], "last_good");

        fs::write(&file, &right).unwrap();
        source_is(&server, "files").await;
        assert_eq!(ready(&server).await["last_reload"]["result"], "applied");
        assert_eq!(laptop.tools().await, [tools]);
        eventually("the copy", || (copied(folder.path()) == right).then_some(()));
    }
}

#[tokio::test]
async fn without_a_copy_there_is_nothing_to_start_from() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.yaml"), "version: 1\nagents: [").unwrap();
    let output = program().args(["serve", "--last-good"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("there is no copy of the last good configuration at "), "{said}");
}

#[tokio::test]
async fn a_hangup_reloads_and_says_what_came_of_it() {
    // Written by another name in a folder that nobody watches, with the poll a minute
    // away: nothing but the signal tells of the edit.
    let config = format!("{TWO_AGENTS}reload: {{ poll_ms: 60000 }}\n");
    let server = Server::start_with(&config, |folder, _| {
        fs::create_dir(folder.join("elsewhere")).unwrap();
        fs::hard_link(folder.join("config.yaml"), folder.join("elsewhere/config.yaml")).unwrap();
    });
    let elsewhere = server.config().with_file_name("elsewhere").join("config.yaml");
    let count = |wanted: fn(&Value) -> bool| server.log().iter().filter(|line| wanted(line)).count();
    for times in 1..3 {
        server.signal("-HUP");
        let unchanged = |line: &Value| {
            line["message"] == "the files hold what is in force" && line["trigger"] == "signal"
        };
        eventually("the answer to the signal", || (count(unchanged) == times).then_some(()));
    }
    let laptop = Client::connect(&server, LAPTOP, ERAS[0]).await;
    for (generation, tool) in [(2, "core.sum"), (3, "core.echo")] {
        fs::write(&elsewhere, config.replace(BOTH, &format!("tools: [\"{tool}\"]"))).unwrap();
        server.signal("-HUP");
        ready_when(&server, "the edit", |answer| answer["generation"] == generation).await;
        assert_eq!(laptop.tools().await, [tool]);
        let line = eventually("the line", || {
            server.logged(|line| {
                line["message"] == "configuration in force" && line["generation"] == generation
            })
        });
        assert_eq!(line["trigger"], "signal");
    }
    fs::write(&elsewhere, config.replace("version: 1", "version: [")).unwrap();
    server.signal("-HUP");
    ready_when(&server, "the refusal", |answer| answer["last_reload"]["result"] == "refused").await;
    assert_eq!(laptop.tools().await, ["core.echo"]);
}

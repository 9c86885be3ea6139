//! A configuration in several files.

use std::fs;

use serde_json::json;

use crate::{
    reload::{ready, ready_when},
    support::{
        LAPTOP, REVIEWER, Server, TWO_AGENTS,
        client::{Client, ERAS},
        eventually, program,
    },
};

#[tokio::test]
async fn an_agent_comes_and_goes_with_its_file() {
    let (main, reviewer) = TWO_AGENTS.split_once("  reviewer:").unwrap();
    let main = main.replace("tenants:", "include: [\"agents.d/*.yaml\"]\ntenants:");
    let reviewer = format!("agents:\n  reviewer:{reviewer}");
    let server = Server::start(&main);
    let folder = server.config().with_file_name("agents.d");
    let warning = server.logged(|line| line["code"] == "nothing_included").unwrap();
    assert_eq!(warning["message"], "`agents.d/*.yaml` matches no file");

    fs::create_dir(&folder).unwrap();
    let file = folder.join("reviewer.yaml");
    // Half of it is a configuration too, with fewer denials.
    fs::write(&file, reviewer.split_once("\n    deny:").unwrap().0).unwrap();
    fs::write(&file, &reviewer).unwrap();
    ready_when(&server, "the second generation", |answer| answer["generation"] == 2).await;
    let client = Client::connect(&server, REVIEWER, ERAS[0]).await;
    assert_eq!(client.tools().await, ["core.echo"]);

    fs::write(folder.join("broken.yaml"), "agents:\n  spare: { tenant: reserch, token: hunter2 }\n").unwrap();
    let refused = json!({ "result": "refused", "problems": 2 });
    ready_when(&server, "the refusal", |answer| answer["last_reload"] == refused).await;
    let place = eventually("the log line", || {
        let line = server.logged(|line| line["message"] == "there is no tenant `reserch`")?;
        line["place"].as_str().map(str::to_owned)
    });
    assert_eq!(place, "agents.d/broken.yaml:2:20");
    assert!(!format!("{:?}", server.log()).contains("hunter2"));
    let check = program()
        .arg("check")
        .current_dir(server.config().parent().unwrap())
        .env("LAPTOP_TOKEN", LAPTOP)
        .env("REVIEWER_TOKEN", REVIEWER)
        .output()
        .unwrap();
    let said = String::from_utf8(check.stdout).unwrap();
    assert_eq!(check.status.code(), Some(78));
    assert!(said.contains(" --> agents.d/broken.yaml:2:20 (agents.spare.tenant)"), "{said}");

    fs::remove_file(folder.join("broken.yaml")).unwrap();
    let applied = json!({ "result": "applied", "problems": 0 });
    let answer = ready_when(&server, "the file's end", |answer| answer["last_reload"] == applied).await;
    assert_eq!(answer["generation"], 2);

    fs::remove_file(&file).unwrap();
    ready_when(&server, "the third generation", |answer| answer["generation"] == 3).await;
    assert!(client.call("core.echo", json!({ "text": "x" })).await.is_err());
    let laptop = Client::connect(&server, LAPTOP, ERAS[0]).await;
    assert_eq!(laptop.tools().await, ["core.echo", "core.sum"]);
}

#[tokio::test]
async fn an_included_file_that_is_being_written_counts_when_it_is_complete() {
    let server = Server::start(TWO_AGENTS);
    let more = server.config().with_file_name("more.yaml");
    let token = format!("{:064x}", 1);
    // Neither file was watched so far, and half of this one parses too.
    fs::write(&more, format!("agents: {{ spare: {{ tenant: research, token: \"sha256:{token}\" }} }}"))
        .unwrap();
    fs::write(server.config(), format!("include: [more.yaml]\n{TWO_AGENTS}")).unwrap();
    let begun = std::time::Instant::now();
    eventually("the half to be left alone for a second", || {
        (begun.elapsed() > std::time::Duration::from_secs(1)).then_some(())
    });
    assert_eq!(ready(&server).await["generation"], 1);
    fs::write(&more, format!("agents: {{ spare: {{ tenant: research, token: \"sha256:{token}\" }} }}\n"))
        .unwrap();
    ready_when(&server, "the second generation", |answer| answer["generation"] == 2).await;
    assert_eq!(server.logged(|line| line["code"] == "no_final_line_break"), None);
}

//! The operator's door: who may knock, and what is to be had there.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Command, Output},
};

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::{
    LAPTOP, Server, TWO_AGENTS,
    client::{Client, ERAS, http},
    eventually, program,
};

mod commands;
mod edits;
mod explain;
mod followers;
mod measured;
mod metrics;
mod orders;

const ADMIN: &str = "admin-token-0123456789-0123456789-abcdefg";

/// Two agents, a door for operators, and what removes most agents is held.
fn config() -> String {
    format!(
        "{TWO_AGENTS}admin: {{ listen: \"127.0.0.1:0\", token: \"${{ADMIN_TOKEN}}\" }}\nreload: {{ hold: {{ removed_agents_percent: 60 }} }}\n"
    )
}

/// A server with that door.
struct Door {
    server: Server,
    address: SocketAddr,
}

impl Door {
    fn open() -> Self {
        Self::open_with(&config(), |_, _| {})
    }

    fn open_with(config: &str, prepare: impl FnOnce(&Path, &mut Command)) -> Self {
        let server = Server::start_with(config, |folder, command| {
            fs::write(folder.join(".env"), format!("ADMIN_TOKEN={ADMIN}\n")).unwrap();
            prepare(folder, command);
        });
        let address = admin_address(&server);
        Self { server, address }
    }

    fn get(&self, path: &str) -> RequestBuilder {
        http().get(format!("http://{}{path}", self.address)).bearer_auth(ADMIN)
    }

    fn post(&self, path: &str) -> RequestBuilder {
        http().post(format!("http://{}{path}", self.address)).bearer_auth(ADMIN)
    }

    async fn status(&self) -> Value {
        answer(self.get("/status")).await.1
    }

    /// Writes a configuration that only an order brings into force at once: it
    /// may have been cut, so a look at the files waits.
    fn write(&self, config: &str) {
        fs::write(self.server.config(), config.trim_end()).unwrap();
    }

    /// Runs a command beside the configuration.
    fn run(&self, arguments: &[&str]) -> Output {
        let url = format!("http://{}", self.address);
        let mut command = program();
        command.args(arguments).args(["--url", &url]).current_dir(self.server.config().parent().unwrap());
        command.output().unwrap()
    }
}

fn admin_address(server: &Server) -> SocketAddr {
    eventually("the admin listener", || {
        server.logged(|line| line["message"] == "admin listening")?["address"].as_str()?.parse().ok()
    })
}

async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}")))
}

#[tokio::test]
async fn nobody_comes_in_without_the_admin_token() {
    let door = Door::open();
    let knock = |path: &str| http().get(format!("http://{}{path}", door.address));
    // Fewer than would be answered late.
    for path in ["/metrics", "/status", "/reload", "/rollback", "/nothing"] {
        let expected = json!({ "error": "unauthorized", "message": "send `Authorization: Bearer <token>`" });
        assert_eq!(answer(knock(path)).await, (401, expected), "{path}");
    }
    for token in ["x", LAPTOP, &ADMIN[1..]] {
        let response = knock("/status").bearer_auth(token).send().await.unwrap();
        let asks = &response.headers()["www-authenticate"];
        assert_eq!((response.status().as_u16(), asks), (401, &"Bearer".parse().unwrap()));
    }
    let told = |line: &Value| {
        line["target"] == "auth" && line["path"] == "/status" && line["reason"] == "unknown_token"
    };
    eventually("the attempts to be logged", || door.server.logged(told));
    // Nor is the operator an agent.
    let response = http().post(door.server.url("/mcp")).bearer_auth(ADMIN).body("{}").send().await.unwrap();
    assert_eq!(response.status(), 401);
}

#[tokio::test]
async fn the_door_is_for_programs_that_name_its_host() {
    let door = Door::open();
    let page = answer(door.get("/status").header("origin", "http://localhost")).await;
    assert_eq!((page.0, &page.1["error"]), (403, &json!("origin_not_allowed")));
    let elsewhere = answer(door.get("/status").header("host", "evil.example")).await;
    assert_eq!((elsewhere.0, &elsewhere.1["error"]), (403, &json!("host_not_allowed")));
    for (request, status, error) in [
        (door.get("/nothing"), 404, "not_found"),
        (door.get("/reload"), 405, "method_not_allowed"),
        (door.post("/status"), 405, "method_not_allowed"),
        (door.post("/reload?dryrun=1"), 400, "bad_parameter"),
        (door.post("/rollback?to=x"), 400, "bad_parameter"),
        (door.post("/reload").body("version: 1"), 400, "body_not_taken"),
    ] {
        let (code, body) = answer(request).await;
        assert_eq!((code, &body["error"]), (status, &json!(error)), "{body}");
        assert!(body["message"].is_string());
    }
    let response = door.get("/status").send().await.unwrap();
    assert!(response.headers().keys().all(|name| !name.as_str().starts_with("access-control")));
}

#[tokio::test]
async fn without_a_token_there_is_no_door() {
    let server = Server::start(&config());
    let line = eventually("the warning", || server.logged(|line| line["code"] == "unset_variable"));
    assert_eq!(line["message"], "the variable `ADMIN_TOKEN` is not set, so `admin` is off");
    assert_eq!(server.logged(|line| line["message"] == "admin listening"), None);
    // It comes with the token.
    fs::write(server.config().with_file_name(".env"), format!("ADMIN_TOKEN={ADMIN}\n")).unwrap();
    let address = admin_address(&server);
    let status = http().get(format!("http://{address}/status")).bearer_auth(ADMIN);
    assert_eq!(answer(status).await.0, 200);
}

#[tokio::test]
async fn a_reload_says_what_came_of_it() {
    let door = Door::open();
    let unchanged = answer(door.post("/reload")).await;
    assert_eq!((unchanged.0, &unchanged.1["result"]), (200, &json!("unchanged")));
    let before = unchanged.1["config_sha256"].as_str().unwrap().to_owned();

    door.write(&config().replace(r#", "core.sum"]"#, "]"));
    let (code, dry) =
        answer(door.post("/reload?dry_run=1").header("if-match", format!("\"{before}\""))).await;
    assert_eq!(
        (code, &dry["result"], &dry["dry_run"], &dry["generation"]),
        (200, &json!("applied"), &json!(true), &json!(1))
    );
    assert_eq!(dry["changes"], json!(["agent laptop loses core.sum"]));
    let (code, applied) = answer(door.post("/reload").header("if-match", &before)).await;
    assert_eq!((code, &applied["result"], &applied["generation"]), (200, &json!("applied"), &json!(2)));
    assert_eq!((&applied["changes"], &applied["config_sha256"]), (&dry["changes"], &dry["candidate_sha256"]));
    assert_eq!(applied["problems"][0]["code"], "no_final_line_break");

    let mismatch = answer(door.post("/reload").header("if-match", &before)).await;
    assert_eq!((mismatch.0, &mismatch.1["result"]), (412, &json!("mismatch")));

    door.write(&config().replace("research\n", "reserch\n"));
    let (code, refused) = answer(door.post("/reload")).await;
    assert_eq!((code, &refused["result"], &refused["generation"]), (422, &json!("refused"), &json!(2)));
    assert_eq!(
        (&refused["problems"][0]["line"], &refused["problems"][0]["help"]),
        (&json!(7), &json!("did you mean `research`?"))
    );
}

#[tokio::test]
async fn what_is_held_comes_into_force_once_it_is_confirmed() {
    let door = Door::open();
    let start = config();
    let (before, rest) = start.split_once("agents:\n").unwrap();
    let (_, after) = rest.split_once("admin:").unwrap();
    door.write(&format!("{before}agents: {{}}\nadmin:{after}"));
    let (code, held) = answer(door.post("/reload")).await;
    assert_eq!((code, &held["result"], &held["generation"]), (409, &json!("held"), &json!(1)));
    let wrong = answer(door.post(&format!("/reload?confirm={}", "0".repeat(64)))).await;
    assert_eq!((wrong.0, &wrong.1["result"]), (409, &json!("held")));
    let sha256 = held["candidate_sha256"].as_str().unwrap();
    let (code, applied) = answer(door.post(&format!("/reload?confirm={sha256}"))).await;
    assert_eq!(
        (code, &applied["result"], &applied["config_sha256"]),
        (200, &json!("applied"), &json!(sha256))
    );
}

#[tokio::test]
async fn an_earlier_configuration_comes_back_until_the_files_change() {
    let door = Door::open();
    let (code, none) = answer(door.post("/rollback?to=7")).await;
    assert_eq!((code, &none["result"]), (409, &json!("refused")), "{none}");
    door.write(&config().replace(r#", "core.sum"]"#, "]"));
    assert_eq!(answer(door.post("/reload")).await.0, 200);
    let (code, back) = answer(door.post("/rollback")).await;
    assert_eq!((code, &back["result"], &back["generation"]), (200, &json!("applied"), &json!(3)), "{back}");
    let status = door.status().await;
    assert_eq!((&status["config"]["source"], &status["generation"]), (&json!("rollback"), &json!(3)));
    assert_eq!(answer(door.post("/rollback?to=2")).await.1["generation"], 4);
}

#[tokio::test]
async fn the_status_tells_everything_but_secrets() {
    let door = Door::open();
    let laptop = Client::connect(&door.server, LAPTOP, ERAS[0]).await;
    let response = door.get("/status").send().await.unwrap();
    let etag = response.headers()["etag"].to_str().unwrap().to_owned();
    let status: Value = response.json().await.unwrap();
    let sha256 = status["config"]["sha256"].as_str().unwrap();
    assert_eq!(etag, format!("\"{sha256}\""));
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&status["ready"], &status["generation"]), (&json!(true), &json!(1)));
    assert_eq!(
        (&status["config"]["files"], &status["config"]["source"]),
        (&json!(["config.yaml"]), &json!("files"))
    );
    assert_eq!(status["config"]["stale_bind_mount"], false);
    assert_eq!(
        status["listeners"],
        json!({ "server.listen": door.server.address, "admin.listen": door.address })
    );
    assert_eq!(status["sessions"], json!({ "laptop": 1 }));
    assert_eq!(
        (&status["reloads"][0]["trigger"], &status["reloads"][0]["result"]),
        (&json!("start"), &json!("applied"))
    );
    let names: Vec<_> =
        status["plugins"]["loaded"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["about", "core", "database", "files", "http", "llm", "prompts"]);
    assert_eq!(
        status["secrets"],
        json!([
            { "place": "agents.laptop.token", "source": { "from": "environment", "variable": "LAPTOP_TOKEN" } },
            { "place": "agents.reviewer.token", "source": { "from": "environment", "variable": "REVIEWER_TOKEN" } },
            { "place": "admin.token", "source": { "from": "dotenv", "variable": "ADMIN_TOKEN" } },
        ])
    );
    let text = status.to_string();
    assert!(!text.contains(LAPTOP) && !text.contains(ADMIN), "{text}");
    drop(laptop);
}

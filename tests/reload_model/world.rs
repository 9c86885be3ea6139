//! The server that the model is held against.

use std::{fs, net::SocketAddr, path::PathBuf};

use serde_json::{Value, json};

use super::{
    dice::Dice,
    model::{Agent, Broken, Effect, KEEPER, Model, Step, Tools, guest, token},
};
use crate::{
    reload::ready,
    support::{
        Server,
        client::{http, http_from_elsewhere, stateless},
        eventually, eventually_async,
        testbench::{Testbench, build},
    },
};

const ADMIN: &str = "admin-token-0123456789-0123456789-abcdefg";

/// What tells the server of changed files, besides its own watching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Push {
    None,
    Order,
    Signal,
}

/// A server, and its files.
pub(super) struct World {
    pub(super) server: Server,
    bench: Testbench,
    admin: SocketAddr,
    head: String,
    tail: String,
    instance: String,
}

impl World {
    /// A server that runs on what `model` starts with.
    pub(super) async fn start(model: &Model) -> Self {
        let bench = Testbench::new();
        let config = bench.config("{}");
        let (_, plugins) = config.split_once("plugins:\n").unwrap();
        let head = r#"version: 1
include: ["agents.d/*.yaml"]
server: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0", token: "${ADMIN_TOKEN}" }
tenants:
  research: { tools: ["*"], limits: { rate_limit: "100000/s" } }
"#;
        // Many releases come, and each stays in memory.
        let tail =
            format!("plugins:\n  max_retired_bytes: 1099511627776\n{plugins}state: {{ dir: ./kept }}\n");
        let server = Server::start_with(&model.disk.text(head, &tail), |folder, command| {
            fs::create_dir(folder.join("agents.d")).unwrap();
            fs::write(folder.join("secret"), token(KEEPER, 0)).unwrap();
            command.env("ADMIN_TOKEN", ADMIN);
        });
        let admin = eventually("the admin listener", || {
            let line = server.logged(|line| line["message"] == "admin listening")?;
            line["address"].as_str()?.parse().ok()
        });
        let instance = String::new();
        let mut world = Self { server, bench, admin, head: head.to_owned(), tail, instance };
        world.instance = world.call(&token(KEEPER, 0), "bench.instance").await;
        world
    }

    /// Does a step, and waits for what must come of it.
    pub(super) async fn take(&mut self, step: &Step, push: Push, effect: Effect, model: &Model) {
        let before = self.status().await["reloads"][0]["at"].clone();
        match step {
            Step::Edit(config) => self.write("config.yaml", &config.text(&self.head, &self.tail)),
            Step::Break(broken, number) => self.write("config.yaml", &self.broken(*broken, *number, model)),
            Step::Guest(name, Some(agent)) => {
                self.write(&format!("agents.d/{name}.yaml"), &guest(name, *agent))
            }
            Step::Guest(name, None) => fs::remove_file(self.path(&format!("agents.d/{name}.yaml"))).unwrap(),
            Step::Secret(number) => self.write("secret", &token(KEEPER, *number)),
            Step::Release(release) => self.bench.install(&build(*release)),
            Step::Spoil(number) => {
                fs::write(self.bench.folder().join("plugin.json.minisig"), format!("spoilt {number}"))
                    .unwrap();
            }
            Step::Rollback(to) => {
                let to = to.map(|to| format!("?to={to}")).unwrap_or_default();
                assert_eq!(self.order(&format!("/rollback{to}")).await["result"], "applied");
            }
            Step::Reload => assert_eq!(self.order("/reload").await["result"], "unchanged"),
            Step::Hangup => self.server.signal("-HUP"),
        }
        match push {
            Push::None => {}
            Push::Signal => self.server.signal("-HUP"),
            Push::Order => {
                let result = self.order("/reload").await["result"].clone();
                // The watch may have been faster.
                let expected =
                    if effect == Effect::Refused { ["refused"; 2] } else { ["applied", "unchanged"] };
                assert!(expected.contains(&result.as_str().unwrap()), "{result}");
            }
        }
        let generation = model.generation;
        eventually_async(&format!("{effect:?} of {step:?}"), || async {
            let status = self.status().await;
            let attempted = status["reloads"][0]["at"] != before;
            let is_so = match effect {
                Effect::Applied => status["generation"] == generation,
                Effect::Refused => {
                    attempted && ready(&self.server).await["last_reload"]["result"] == "refused"
                }
                Effect::PluginRefused => {
                    attempted && status["plugins"]["refused"].as_array().is_some_and(|it| !it.is_empty())
                }
                Effect::Nothing => true,
            };
            is_so.then_some(())
        })
        .await;
        if let Step::Release(_) = step {
            let instance = self.call(&token(KEEPER, model.secret), "bench.instance").await;
            assert_ne!(std::mem::replace(&mut self.instance, instance), self.instance);
        }
    }

    /// Sees, as the agents do, that what the model says is in force.
    pub(super) async fn prove(&self, model: &Model, dice: &mut Dice) {
        let answer = ready(&self.server).await;
        assert_eq!((&answer["ready"], &answer["generation"]), (&json!(true), &json!(model.generation)));
        eventually_async(&format!("/readyz to say refused: {}", model.refused), || async {
            let last = ready(&self.server).await["last_reload"]["result"].clone();
            ((last == "refused") == model.refused).then_some(())
        })
        .await;
        for (name, Agent { token: number, tools }) in model.agents() {
            let token = token(&name, number);
            let granted = tools.names();
            let mut expected = granted.clone();
            if name == KEEPER {
                expected.extend(["count", "hold", "instance", "label", "sleep", "version"].map(bench_tool));
                assert_eq!(self.call(&token, "bench.version").await, format!("1.0.{}", model.release));
                assert_eq!(self.call(&token, "bench.instance").await, self.instance);
            }
            expected.sort_unstable();
            let listed = self.ask(&token, "tools/list", json!({})).await;
            let listed: Vec<_> = listed["result"]["tools"]
                .as_array()
                .expect(&name)
                .iter()
                .map(|it| it["name"].clone())
                .collect();
            assert_eq!(listed, expected, "{name}");
            for (tool, right) in Tools::NAMES.into_iter().zip(["hello", "2"]) {
                let expected = if granted.contains(&tool) { right } else { "tool_not_granted_to_agent" };
                assert_eq!(self.call(&token, tool).await, expected, "{name} {tool}");
            }
        }
        if !model.dead.is_empty() {
            let (agent, number) = dice.pick(&model.dead);
            let http = http_from_elsewhere();
            let request = http.post(self.server.url("/mcp")).bearer_auth(token(agent, *number));
            assert_eq!(request.send().await.unwrap().status(), 401, "{agent} {number}");
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.server.config().with_file_name(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn broken(&self, broken: Broken, number: u64, model: &Model) -> String {
        let config = super::model::Config { edit: number, ..model.disk.clone() };
        let text = config.text(&self.head, &self.tail);
        match broken {
            Broken::Yaml => text + "  : [\n",
            Broken::Tenant => text.replacen("tenant: research", "tenant: reserch", 1),
            Broken::Empty => String::new(),
            Broken::Cut(thousandth) => {
                // After the first line, and before the last brace.
                let at = 8 + (text.len() - 11) * usize::try_from(thousandth).unwrap() / 1000;
                text[..at].to_owned()
            }
            Broken::StateDir => text.replace("./kept", "./elsewhere"),
            Broken::UnknownKey => text + "surprise: 1\n",
        }
    }

    async fn status(&self) -> Value {
        let get = http().get(format!("http://{}/status", self.admin)).bearer_auth(ADMIN);
        get.send().await.unwrap().json().await.unwrap()
    }

    async fn order(&self, path: &str) -> Value {
        let post = http().post(format!("http://{}{path}", self.admin)).bearer_auth(ADMIN);
        post.send().await.unwrap().json().await.unwrap()
    }

    async fn ask(&self, token: &str, method: &str, params: Value) -> Value {
        stateless(&self.server, token, method, params).send().await.unwrap().json().await.unwrap()
    }

    /// The text that a tool answers, or the code of the reason against it.
    async fn call(&self, token: &str, tool: &str) -> String {
        let arguments = match tool {
            "core.echo" => json!({ "text": "hello" }),
            "core.sum" => json!({ "a": 1, "b": 1 }),
            _ => json!({}),
        };
        let answer = self.ask(token, "tools/call", json!({ "name": tool, "arguments": arguments })).await;
        let result = &answer["result"];
        let code = &result["_meta"]["mcp-universal-server/denial"]["reasons"][0]["code"];
        let word = code.as_str().or_else(|| result["content"][0]["text"].as_str());
        word.map_or_else(|| answer.to_string(), ToOwned::to_owned)
    }
}

fn bench_tool(name: &str) -> &'static str {
    let tools = [
        "bench.count",
        "bench.hold",
        "bench.instance",
        "bench.label",
        "bench.leak",
        "bench.sleep",
        "bench.version",
    ];
    tools.into_iter().find(|tool| tool.ends_with(name)).unwrap()
}

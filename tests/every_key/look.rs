//! What a client sees, in a few words.

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::case::{reachable, verdicts};
use crate::{
    reload::ready,
    support::{
        LAPTOP, REVIEWER, Server,
        client::{http, stateless},
        eventually, eventually_async,
    },
};

/// A folder beside config.yaml that no configuration names.
pub(super) const NEXT: &str = "next";

/// How long a client waits for what is to come soon.
const A_WHILE: Duration = Duration::from_secs(1);

/// Looks at a server from outside.
pub(super) type Look = Box<dyn for<'s> Fn(&'s Server) -> BoxFuture<'s, String> + Send + Sync>;

/// What `laptop` gets from a tool: its text, or the codes of the reasons against.
pub(super) fn call(tool: &'static str, arguments: Value) -> Look {
    call_as(LAPTOP, tool, arguments)
}

/// The same with another token.
pub(super) fn call_as(token: impl Into<String>, tool: &'static str, arguments: Value) -> Look {
    let token = token.into();
    Box::new(move |server| {
        let request =
            stateless(server, &token, "tools/call", json!({ "name": tool, "arguments": arguments }));
        Box::pin(told(request))
    })
}

/// What it gets the second time.
pub(super) fn second_call(tool: &'static str, arguments: Value) -> Look {
    let call = call(tool, arguments);
    Box::new(move |server| {
        let (first, second) = (call(server), call(server));
        Box::pin(async {
            first.await;
            second.await
        })
    })
}

/// What it gets while another call is under way.
pub(super) fn call_beside_another(tool: &'static str, arguments: Value) -> Look {
    let call = call(tool, arguments);
    Box::new(move |server| {
        let beside = call(server);
        Box::pin(async {
            let file = server.config().with_file_name("held");
            let hold = json!({ "name": "bench.hold", "arguments": { "file": file } });
            let held = tokio::spawn(stateless(server, LAPTOP, "tools/call", hold).send());
            eventually_async("the first call", || async { file.exists().then_some(()) }).await;
            let told = beside.await;
            fs::remove_file(file).unwrap();
            held.await.unwrap().unwrap().bytes().await.unwrap();
            told
        })
    })
}

/// In how many processes two calls of `bench` are that begin together, and how many
/// at most at once in one.
pub(super) fn two_calls_at_once() -> Look {
    let call = call("bench.together", json!({}));
    Box::new(move |server| {
        let (one, other) = (call(server), call(server));
        Box::pin(async {
            let (one, other) = tokio::join!(one, other);
            let (Some(one), Some(other)) = (one.split_once(' '), other.split_once(' ')) else {
                return format!("{one} and {other}");
            };
            let processes = if one.0 == other.0 { 1 } else { 2 };
            format!("in {processes}, {} at once", one.1.max(other.1))
        })
    })
}

/// How often a plugin took over from another release or configuration of it.
pub(super) fn replacements_in_the_log() -> Look {
    Box::new(|server| {
        let count = server.log().iter().filter(|line| line["message"] == "plugin replaced").count();
        Box::pin(async move { count.to_string() })
    })
}

/// What reading a resource gives.
pub(super) fn read(uri: &'static str) -> Look {
    Box::new(move |server| {
        let request = stateless(server, LAPTOP, "resources/read", json!({ "uri": uri }));
        Box::pin(async {
            match told(request).await {
                text if text.starts_with('{') => "read".to_owned(),
                other => other,
            }
        })
    })
}

/// What an agent may know of itself, at a JSON pointer; of a time, its hours.
pub(super) fn known(pointer: &'static str) -> Look {
    Box::new(move |server| {
        let request = stateless(server, LAPTOP, "resources/read", json!({ "uri": "about://policies" }));
        Box::pin(async move {
            let read: Value = serde_json::from_str(&told(request).await).unwrap_or_default();
            let about = read["contents"][0]["text"].as_str().unwrap_or_default();
            let about: Value = serde_json::from_str(about).unwrap_or_default();
            match about.pointer(pointer) {
                None => "nothing".to_owned(),
                Some(Value::String(text)) => text.rsplit('T').next().unwrap_or_default().to_owned(),
                Some(value) => value.to_string(),
            }
        })
    })
}

/// What becomes of questions to a model that is nowhere, the last of them.
pub(super) fn ask(prompts: Vec<String>) -> Look {
    let asks: Vec<_> = prompts
        .into_iter()
        .map(|prompt| call("llm.query", json!({ "model": "local/m", "prompt": prompt })))
        .collect();
    Box::new(move |server| {
        let asked: Vec<_> = asks.iter().map(|ask| ask(server)).collect();
        Box::pin(async {
            let mut last = String::new();
            for asked in asked {
                last = asked.await;
            }
            last
        })
    })
}

/// Whether the log notes a question as much like a pasted repository.
pub(super) fn noted(prompt: String) -> Look {
    let ask = ask(vec![prompt]);
    Box::new(move |server| {
        let asked = ask(server);
        Box::pin(async move {
            let calls = || server.log().iter().filter(|line| line["target"] == "call").count();
            let before = calls();
            asked.await;
            // Calls are logged always, and lines in their order.
            eventually_async("the call's line", || async { (calls() > before).then_some(()) }).await;
            let found = server.logged(|line| line["target"] == "llm" && line["score"].is_number());
            if found.is_some() { "noted" } else { "not noted" }.to_owned()
        })
    })
}

/// What getting a prompt gives.
pub(super) fn get(prompt: &'static str) -> Look {
    Box::new(move |server| {
        let request = stateless(server, LAPTOP, "prompts/get", json!({ "name": prompt }));
        Box::pin(async {
            match told(request).await {
                text if text.starts_with('{') => "got".to_owned(),
                other => other,
            }
        })
    })
}

/// What a call gets that comes with another header.
pub(super) fn call_with(header: &'static str, value: &'static str) -> Look {
    Box::new(move |server| {
        let echo = json!({ "name": "core.echo", "arguments": { "text": "hello" } });
        Box::pin(told(stateless(server, LAPTOP, "tools/call", echo).header(header, value)))
    })
}

/// Why edits were refused, and that what was in force before them is so still.
pub(super) fn refusals() -> Look {
    Box::new(|server| {
        let errors =
            server.log().into_iter().filter(|line| line["target"] == "config" && line["level"] == "ERROR");
        let words = errors.map(|line| {
            let words = if line["reason"].is_string() { &line["reason"] } else { &line["message"] };
            words.as_str().unwrap_or_default().to_owned()
        });
        let words = words.collect::<Vec<_>>().join("; ");
        Box::pin(async move { format!("{words} (generation {})", ready(server).await["generation"]) })
    })
}

/// How the log says that the plugin runs, or the code of why it does not.
pub(super) fn bench_in_the_log() -> Look {
    Box::new(|server| {
        let log = server.log();
        let last = log.iter().rfind(|line| {
            let place = line["place"].as_str().unwrap_or_default();
            line["target"] == "plugin" && (line["plugin"] == "bench" || place.ends_with("/bench"))
        });
        let word = last.and_then(|line| line["code"].as_str().or_else(|| line["isolation"].as_str()));
        let word = word.unwrap_or_default().to_owned();
        Box::pin(async { word })
    })
}

/// The version of `bench` that runs, once an upgrade that lies in [`NEXT`] has
/// been installed and was refused.
pub(super) fn version_after_a_refused_upgrade() -> Look {
    let version = call("bench.version", json!({}));
    Box::new(move |server| {
        let folder = server.config().parent().unwrap().to_owned();
        let (next, own) = (folder.join(NEXT).join("bench"), folder.join("plugins.d/bench"));
        if next.exists() {
            fs::rename(&own, folder.join("before")).unwrap();
            fs::rename(next, own).unwrap();
            eventually("the upgrade to be refused", || {
                server.logged(|line| line["code"] == "retired_too_large")
            });
        }
        version(server)
    })
}

/// How soon a token counts whose file is written by another of its names, of
/// which the kernel tells those nothing who watch the one in config.yaml.
pub(super) fn a_token_changed_unseen() -> Look {
    Box::new(|server| {
        Box::pin(async {
            let file = server.config().with_file_name(NEXT).join("token");
            let token = format!("{}-{LAPTOP}", fs::read_to_string(&file).unwrap().len());
            fs::write(file, &token).unwrap();
            let call = call_as(token, "core.echo", json!({ "text": "hello" }));
            let begun = Instant::now();
            while begun.elapsed() < A_WHILE {
                if call(server).await == "hello" {
                    return "soon".to_owned();
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            "later".to_owned()
        })
    })
}

/// Where the door is that the log told of last, by its IP address, and what it
/// answers `reviewer`'s token, which is no agent's.
pub(super) fn door(message: &'static str, path: &'static str) -> Look {
    Box::new(move |server| {
        let line = eventually("the door", || server.log().into_iter().rfind(|it| it["message"] == message));
        let address: SocketAddr = line["address"].as_str().unwrap().parse().unwrap();
        let request = http().get(format!("http://{address}{path}")).bearer_auth(REVIEWER);
        Box::pin(async move {
            match request.send().await {
                Ok(response) => format!("{} {}", address.ip(), response.status().as_u16()),
                Err(_) => format!("{} closed", address.ip()),
            }
        })
    })
}

/// What becomes of the first of twenty connections that ask nothing.
pub(super) fn the_first_of_many_connections() -> Look {
    Box::new(|server| {
        Box::pin(async {
            let mut strangers = Vec::new();
            for _ in 0..20 {
                strangers.push(TcpStream::connect(server.address).await.unwrap());
            }
            // Connections are taken one after another.
            ready(server).await;
            let over = timeout(A_WHILE / 2, strangers[0].read(&mut [0])).await;
            if over.is_ok() { "gives way".to_owned() } else { "stays".to_owned() }
        })
    })
}

/// What becomes of a request whose head does not come to its end.
pub(super) fn half_a_head() -> Look {
    Box::new(|server| {
        Box::pin(async {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.unwrap();
            let over = timeout(A_WHILE * 3, stream.read(&mut [0])).await;
            if over.is_ok() { "given up".to_owned() } else { "waited for".to_owned() }
        })
    })
}

/// Whether the log warns of a wrong token.
pub(super) fn a_warning_in_the_log() -> Look {
    let (wrong, right) =
        (call_as("wrong", "core.echo", json!({})), call("core.echo", json!({ "text": "hello" })));
    Box::new(move |server| {
        let (wrong, right) = (wrong(server), right(server));
        Box::pin(async move {
            let lines = |target: &str| server.log().iter().filter(|line| line["target"] == target).count();
            let (warnings, calls) = (lines("auth"), lines("call"));
            wrong.await;
            right.await;
            // Calls are logged always, and lines in their order.
            eventually_async("the call's line", || async { (lines("call") > calls).then_some(()) }).await;
            if lines("auth") > warnings { "logged".to_owned() } else { "not logged".to_owned() }
        })
    })
}

/// Which address the log has for somebody who enters with a wrong token and this
/// header.
pub(super) fn address_of_a_failure(name: &'static str, value: &'static str) -> Look {
    Box::new(move |server| {
        let url = server.url("/mcp");
        Box::pin(async move {
            let failures =
                || server.log().into_iter().filter(|line| line["target"] == "auth").collect::<Vec<_>>();
            let before = failures().len();
            http().post(url).bearer_auth("wrong").header(name, value).send().await.unwrap();
            let line = eventually_async("the failure's line", || async { failures().get(before).cloned() });
            line.await["address"].as_str().unwrap().to_owned()
        })
    })
}

/// What an agent gets that an edit removes.
pub(super) fn call_of_a_removed_agent() -> Look {
    let call = call_as(REVIEWER, "core.echo", json!({ "text": "hello" }));
    Box::new(move |server| {
        let text = fs::read_to_string(server.config()).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        config["agents"].as_object_mut().unwrap().remove("reviewer");
        let until = verdicts(server) + 1;
        fs::write(server.config(), format!("{config:#}\n")).unwrap();
        eventually("the removal to be in force or held", || (verdicts(server) >= until).then_some(()));
        call(server)
    })
}

/// What is seen once `laptop` was to reach every address there is.
pub(super) fn after_a_wide_edit(look: Look) -> Look {
    Box::new(move |server| {
        let text = fs::read_to_string(server.config()).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        config["agents"]["laptop"]["egress"] = json!([reachable("0.0.0.0/0")]);
        let until = verdicts(server) + 1;
        fs::write(server.config(), format!("{config:#}\n")).unwrap();
        eventually("the edit to be in force or held", || (verdicts(server) >= until).then_some(()));
        look(server)
    })
}

/// An answer in a few words: a tool's text, the codes of a refusal, the message
/// of an error, or the status and the word of a request that went no further.
async fn told(request: reqwest::RequestBuilder) -> String {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    // What takes long comes as a stream of events, of which the last is the answer.
    let json = text.lines().rev().find_map(|line| line.strip_prefix("data:")).unwrap_or(&text);
    let body: Value = serde_json::from_str(json).unwrap();
    if let Some(word) = body["error"].as_str() {
        return format!("{status} {word}");
    }
    let denial = |holder: &Value| holder["mcp-universal-server/denial"]["reasons"].as_array().cloned();
    if let Some(reasons) = denial(&body["result"]["_meta"]).or_else(|| denial(&body["error"]["data"])) {
        let codes: Vec<_> = reasons.iter().filter_map(|reason| reason["code"].as_str()).collect();
        return codes.join(", ");
    }
    let text = body["result"]["content"][0]["text"].as_str().or_else(|| body["error"]["message"].as_str());
    text.map_or_else(|| body["result"].to_string(), ToOwned::to_owned)
}

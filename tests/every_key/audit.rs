//! The keys under `audit`.

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use mcp_universal_server::audit::public_half;
use serde_json::{Value, json};
use server_core::secret::SigningKey;

use super::{
    case::{Case, case},
    look::{Look, call},
};
use crate::{
    audit::folder,
    support::{REVIEWER, Server, client::http, eventually_async},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn cases() -> Vec<Case> {
    let audit = |key: &str, before: Value, after: Value| {
        case(format!("audit.{key}"), before, after).with("agents.*.limits.rate_limit", json!("100000/s"))
    };
    let keys = ["1", "2"].map(|digit| digit.repeat(64));
    let public = keys.each_ref().map(|key| public_half(&SigningKey::from_hex(key).unwrap()).to_hex());
    vec![
        audit("durability", json!("os"), json!("strict"))
            .with("admin.token", json!("${REVIEWER_TOKEN}"))
            .with("admin.listen", json!("127.0.0.1:0"))
            .shows(syncs(), "in groups", "for every call"),
        audit("key", json!("${file:one.key}"), json!("${file:two.key}"))
            .beside(|folder, _| {
                for (name, digit) in [("one.key", "1"), ("two.key", "2")] {
                    fs::write(folder.join(name), digit.repeat(64)).unwrap();
                }
            })
            .shows(signer(), &public[0], &public[1]),
        audit("segment_bytes", json!(1 << 20), json!(65_536)).shows(segments(), "one", "several"),
        audit("segment_seconds", json!(86_400), json!(1)).shows(segments(), "one", "several"),
        audit("keep_days", json!(400), json!(1)).with("audit.segment_seconds", json!(1)).shows(
            first_segment(),
            "kept",
            "removed",
        ),
        audit("keep_bytes", json!(1 << 30), json!(131_072)).with("audit.segment_bytes", json!(65_536)).shows(
            first_segment(),
            "kept",
            "removed",
        ),
    ]
}

/// How often the disk is waited for.
fn syncs() -> Look {
    const CALLS: u64 = 40;
    let echo = call("core.echo", json!({ "text": "x" }));
    Box::new(move |server| {
        let calls: Vec<_> = (0..CALLS).map(|_| echo(server)).collect();
        Box::pin(async move {
            let before = count(server).await;
            for call in calls {
                call.await;
            }
            if count(server).await - before >= CALLS { "for every call" } else { "in groups" }.to_owned()
        })
    })
}

async fn count(server: &Server) -> u64 {
    let line = eventually_async("a door", || async {
        server.log().into_iter().rfind(|line| line["message"] == "admin listening")
    })
    .await;
    let address: SocketAddr = line["address"].as_str().unwrap().parse().unwrap();
    let request = http().get(format!("http://{address}/metrics")).bearer_auth(REVIEWER);
    let metrics = request.send().await.unwrap().text().await.unwrap();
    let line = metrics.lines().find(|line| line.starts_with("audit_syncs_total "));
    let line = line.unwrap_or_else(|| panic!("no audit_syncs_total in {metrics}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// With which key checkpoints are signed.
fn signer() -> Look {
    Box::new(|server| {
        let log = server.log();
        let last = log.iter().rfind(|line| line["message"] == "audit checkpoint");
        let key = last.and_then(|line| line["public_key"].as_str()).unwrap_or_default().to_owned();
        Box::pin(async { key })
    })
}

/// How many segments there are, after some calls.
fn segments() -> Look {
    after_calls(|server| {
        let segments = fs::read_dir(folder(server)).unwrap().map(|entry| entry.unwrap().path());
        match segments.filter(|path| path.extension().is_some_and(|it| it == "jsonl")).count() {
            1 => "one",
            _ => "several",
        }
    })
}

/// Whether the first segment is there, once it would be ten days old.
fn first_segment() -> Look {
    after_calls(|server| {
        let first = folder(server).join("0000000000000001.jsonl");
        let Ok(file) = fs::File::options().write(true).open(first) else { return "removed" };
        file.set_modified(SystemTime::now() - 10 * DAY).unwrap();
        "kept"
    })
}

fn after_calls(look: fn(&Server) -> &'static str) -> Look {
    let echo = call("core.echo", json!({ "text": "x" }));
    Box::new(move |server| {
        let calls: Vec<_> = (0..20).map(|_| echo(server)).collect();
        Box::pin(async move {
            for call in calls {
                call.await;
            }
            look(server).to_owned()
        })
    })
}

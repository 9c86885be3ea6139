//! `kill -9` at any moment.
//!
//! `AUDIT_ROUNDS` says how often.

use std::{
    env, fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use mcp_universal_server::audit::ArgumentsKey;
use serde_json::{Value, json};

use super::{config, findings, records};
use crate::support::{
    LAPTOP, Server,
    client::{Client, Era},
    eventually,
};

const CLIENTS: usize = 4;

/// How many calls of a round are answered at least.
const CALLS: usize = 10;

#[test]
fn a_server_that_is_killed_has_kept_every_record_that_a_client_has_seen_the_effect_of() {
    let rounds = env::var("AUDIT_ROUNDS").map_or(6, |text| text.parse().unwrap());
    let state = tempfile::tempdir().unwrap();
    let config =
        format!("{}state: {{ dir: {} }}\n", config("{ segment_bytes: 65536 }"), state.path().display());
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        acknowledged.extend(killed(&config, round));
    }
    // The next start sets right what the last one has left.
    drop(Server::start(&config));
    let folder = mcp_universal_server::audit::folder(state.path());
    let found = findings(&folder);
    assert_eq!(found.problems, []);
    all_are_on_record(state.path(), &records(&folder), &acknowledged);
}

/// Calls until the server is killed. The texts that were answered.
fn killed(config: &str, round: u64) -> Vec<String> {
    let mut server = Server::start(config);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for client in 0..CLIENTS {
        let (seen, connecting) =
            (seen.clone(), runtime.block_on(Client::connect(&server, LAPTOP, Era::Stateless)));
        runtime.spawn(async move {
            for call in 0.. {
                let text = format!("{round}-{client}-{call}");
                let Ok(result) = connecting.call("core.echo", json!({ "text": text })).await else { return };
                assert_ne!(result.is_error, Some(true), "{result:?}");
                seen.lock().unwrap().push(text);
            }
        });
    }
    // Not the same moment twice, and none that the calls know of.
    let calls = CALLS + usize::try_from(round * 7 % 20).unwrap();
    eventually("calls to be answered", || (seen.lock().unwrap().len() >= calls).then_some(()));
    std::thread::sleep(Duration::from_micros(round.wrapping_mul(7_919_317) % 5_000));
    server.signal("-KILL");
    server.ended();
    runtime.shutdown_timeout(Duration::from_secs(5));
    Arc::into_inner(seen).unwrap().into_inner().unwrap()
}

fn all_are_on_record(state: &Path, records: &[Value], acknowledged: &[String]) {
    let key = ArgumentsKey::read(state).unwrap();
    let mut calls = std::collections::HashMap::new();
    for record in records {
        if let Some(hash) = record["arguments_hmac"].as_str() {
            calls.insert(hash.to_owned(), record["call"].clone());
        }
    }
    let ended: std::collections::HashSet<_> = records
        .iter()
        .filter(|record| record["event"] == "outcome" && record["outcome"] == "ok")
        .map(|record| record["call"].to_string())
        .collect();
    let missing: Vec<_> = acknowledged
        .iter()
        .filter(|text| {
            let hash = key.hash(json!({ "text": text }).to_string().as_bytes());
            !calls.get(&hash).is_some_and(|call| ended.contains(&call.to_string()))
        })
        .collect();
    assert_eq!(missing, [""; 0], "of {} calls that were answered", acknowledged.len());
}

#[test]
fn a_byte_of_a_real_segment_that_is_flipped_is_detected_wherever_it_is() {
    let mut server = Server::start(&config("{}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(super::outcome(&server, LAPTOP, "x")), "ok");
    server.signal("-TERM");
    server.ended();
    let folder = super::folder(&server);
    let path = folder.join("0000000000000001.jsonl");
    let right = fs::read(&path).unwrap();
    // Of every line, since none is shorter; every byte is a unit test's.
    for at in (0..right.len()).step_by(61) {
        let mut bytes = right.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        assert!(!findings(&folder).sound, "byte {at} of {}", right.len());
    }
    fs::write(&path, &right).unwrap();
    assert!(findings(&folder).sound);
}

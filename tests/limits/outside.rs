//! A thousand requests to elsewhere at once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex},
};

use serde_json::{Value, json};

use super::crowds::{CALLS, answer, counts, told};
use crate::support::{
    LAPTOP, Server,
    client::{http, stateless, stateless_with},
    eventually_async,
    outside::upstream::{Upstream, ok},
};

/// So many requests run to one host at the same time.
const PER_HOST: usize = 32;

/// Holds whoever comes until it is opened, and counts.
#[derive(Default)]
struct Gate {
    state: Mutex<Passing>,
    opened: Condvar,
}

#[derive(Default)]
struct Passing {
    open: bool,
    inside: usize,
    most: usize,
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.inside += 1;
        state.most = state.most.max(state.inside);
        let mut state = self.opened.wait_while(state, |state| !state.open).unwrap();
        state.inside -= 1;
    }

    fn open(&self) {
        self.state.lock().unwrap().open = true;
        self.opened.notify_all();
    }
}

fn config(hosts: &[&Upstream]) -> String {
    let rules = json!(hosts.iter().map(|host| format!("http://{}", host.address)).collect::<Vec<_>>());
    format!(
        r#"version: 1
server: {{ listen: "127.0.0.1:0", max_calls: 4096 }}
tenants:
  research: {{ tools: ["*"], capabilities: ["network:outbound"], egress: {rules} }}
agents:
  laptop: {{ tenant: research, token: "${{LAPTOP_TOKEN}}", tools: ["*"], capabilities: ["network:outbound"], egress: {rules},
             limits: {{ rate_limit: "1000/s burst 5000", concurrency: 1024, timeout_seconds: 120 }} }}
plugins:
  entries:
    http: {{ isolation: in_process, capabilities: ["network:outbound"] }}
"#
    )
}

fn fetch(upstream: &Upstream) -> Value {
    json!({ "name": "http.fetch", "arguments": { "url": format!("http://{}/", upstream.address) } })
}

#[tokio::test]
async fn of_a_thousand_requests_at_once_to_a_host_as_many_run_as_may_and_others_have_room() {
    let gate = Arc::<Gate>::default();
    let slow = {
        let gate = gate.clone();
        Upstream::serve(move |_| {
            gate.pass();
            ok("hello")
        })
    };
    let other = Upstream::serve(|_| ok("hello"));
    let server = Server::start(&config(&[&slow, &other]));
    let client = http();
    let mut calls: Vec<_> = (0..CALLS)
        .map(|_| tokio::spawn(answer(stateless_with(&client, &server, LAPTOP, "tools/call", fetch(&slow)))))
        .collect();
    eventually_async("all that are refused to be so, and the others to run", || async {
        let done = calls.iter().filter(|call| call.is_finished()).count();
        let inside = gate.state.lock().unwrap().inside;
        assert!(done <= CALLS - PER_HOST && inside <= PER_HOST, "{done} are done, {inside} run");
        (done == CALLS - PER_HOST && inside == PER_HOST).then_some(())
    })
    .await;
    // Who goes elsewhere has nothing to do with it.
    assert_eq!(told(&answer(stateless(&server, LAPTOP, "tools/call", fetch(&other))).await), "served");
    gate.open();
    let mut seen = BTreeMap::new();
    for call in calls.drain(..) {
        *seen.entry(told(&call.await.unwrap())).or_default() += 1;
    }
    assert_eq!(seen, counts(&[("served", PER_HOST), ("egress_busy", CALLS - PER_HOST)]));
    // Every place is free again.
    let again: Vec<_> = (0..PER_HOST)
        .map(|_| tokio::spawn(answer(stateless_with(&client, &server, LAPTOP, "tools/call", fetch(&slow)))))
        .collect();
    for call in again {
        assert_eq!(told(&call.await.unwrap()), "served");
    }
    assert_eq!(gate.state.lock().unwrap().most, PER_HOST);
    assert_eq!(slow.received().len(), 2 * PER_HOST, "who is refused is not heard of");
}

//! Every key of the configuration does something: a client sees the difference
//! when it changes in a running server, or the log says that it cannot.
//!
//! Each key of the JSON Schema has exactly one case in `every_key/table.rs`. The
//! harness writes the configuration once with one value of that key and once
//! with another, so that nothing but the key can be what made the difference.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{PATIENCE, program};

mod audit;
mod case;
mod egress;
mod look;
mod schema;
mod table;

use case::{Benches, case};

/// How many servers run at the same time: they wait more than they work.
const AT_ONCE: usize = 6;

#[test]
fn every_key_has_one_case_and_every_case_a_key() {
    let output = program().arg("schema").output().unwrap();
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys = schema::keys(&schema);
    assert!(keys.contains("agents.*.limits.rate_limit"), "the schema was not read whole: {keys:?}");
    let cases: Vec<_> = table::cases().into_iter().map(|case| case.key).collect();
    assert_eq!(complaints(&keys, &cases), Vec::<String>::new());
}

#[test]
fn a_change_of_every_key_shows() {
    let benches = Benches::default();
    let cases = Mutex::new(table::cases().into_iter());
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    // Not in the `while let`: the lock would be held for all of the loop.
                    let next = cases.lock().unwrap().next();
                    let Some(case) = next else { return };
                    let run = AssertUnwindSafe(|| case.run(&benches, PATIENCE));
                    let ran =
                        catch_unwind(run).unwrap_or_else(|_| Err(format!("`{}`: see the panic", case.key)));
                    failures.lock().unwrap().extend(ran.err());
                }
            });
        }
    });
    assert_eq!(failures.into_inner().unwrap(), Vec::<String>::new());
}

#[test]
fn a_key_without_a_case_and_a_case_without_a_key_are_named() {
    let keys = ["server.listen", "server.speed", "version"].map(ToOwned::to_owned).into();
    let cases = ["version", "server.listen", "server.colour", "version"].map(ToOwned::to_owned);
    assert_eq!(
        complaints(&keys, &cases),
        [
            "`server.speed` has no case in tests/every_key/table.rs",
            "`server.colour` has a case, and the schema has no such key",
            "`version` has more than one case",
        ]
    );
}

#[test]
fn a_key_that_nothing_reads_is_found_out() {
    let benches = Benches::default();
    let deaf = case("agents.*.deny", json!([]), json!(["core.sum"])).shows(
        look::call("core.echo", json!({ "text": "hello" })),
        "hello",
        "tool_denied_to_agent",
    );
    let found = deaf.run(&benches, Duration::ZERO).unwrap_err();
    assert_eq!(
        found,
        "`agents.*.deny`: after the edit a client should see `tool_denied_to_agent`, and sees `hello`"
    );
    let twice = case("agents.*.deny", json!([]), json!(["core.sum"])).shows(
        look::call("core.echo", json!({ "text": "hello" })),
        "hello",
        "hello",
    );
    assert_eq!(
        twice.run(&benches, Duration::ZERO).unwrap_err(),
        "`agents.*.deny`: its case expects no difference"
    );
}

fn complaints(keys: &BTreeSet<String>, cases: &[String]) -> Vec<String> {
    let mut once = BTreeSet::new();
    let twice: Vec<_> = cases.iter().filter(|key| !once.insert((*key).clone())).collect();
    let missing =
        keys.difference(&once).map(|key| format!("`{key}` has no case in tests/every_key/table.rs"));
    let unknown =
        once.difference(keys).map(|key| format!("`{key}` has a case, and the schema has no such key"));
    let twice = twice.into_iter().map(|key| format!("`{key}` has more than one case"));
    missing.chain(unknown).chain(twice).collect()
}

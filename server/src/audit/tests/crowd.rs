//! Calls that come at the same time.

use std::thread;

use server_core::audit::Admission;

use super::*;

const THREADS: u64 = 8;
const CALLS: u64 = 300;

#[test]
fn calls_that_come_at_once_are_each_on_record_once_before_they_run() {
    let state = tempfile::tempdir().unwrap();
    let audit = Audit::open(state.path(), &AuditSettings::default(), None, Arc::default()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (keeper, runtime) = (&audit.0.keeper, &runtime);
            scope.spawn(move || {
                for call in 0..CALLS {
                    let name = thread * CALLS + call;
                    match keeper.admit(body(Event::Decision, json!({ "call": name }))) {
                        Admission::Recorded => {}
                        Admission::Unavailable => panic!("call {name} was refused"),
                        Admission::Pending(written) => runtime.block_on(written).unwrap(),
                    }
                }
            });
        }
    });
    // Nothing waits any more: the server could be killed now.
    let folder = segment::folder(state.path());
    let lines = fs::read_to_string(folder.join("0000000000000001.jsonl")).unwrap();
    let records = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut calls: Vec<u64> = records.filter_map(|record| record["call"].as_u64()).collect();
    calls.sort_unstable();
    assert_eq!(calls, (0..THREADS * CALLS).collect::<Vec<_>>());
    audit.close();
    assert_eq!(verify(&folder, &Held::default()).unwrap().problems, []);
}

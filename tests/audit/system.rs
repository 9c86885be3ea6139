//! Disks that are full, read-only, frozen or gone, each in a world of its own that
//! only root can make. `cargo xtask test --system` runs these.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{config, findings, outcome, records};
use crate::{
    reload::ready,
    support::{LAPTOP, PROGRAM, Server, eventually_async},
};

/// A server that runs `prepare` in a mount namespace of its own before, with the
/// folder of its state as `$1`.
fn server_in(prepare: &str, audit: &str) -> Server {
    Server::start_with(&config(audit), |folder, command| {
        let state = folder.join("state");
        fs::create_dir_all(&state).unwrap();
        let mut wrapped = Command::new("unshare");
        wrapped.args(["--mount", "sh", "-euc", &format!("{prepare}; exec \"$2\" serve"), "sh"]);
        wrapped.args([&state, Path::new(PROGRAM)]);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        wrapped.current_dir(folder);
        wrapped.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        *command = wrapped;
    })
}

/// The state's folder, as the server sees it.
fn state(server: &Server) -> PathBuf {
    let inside = server.config().with_file_name("state");
    PathBuf::from(format!("/proc/{}/root{}", server.id(), inside.display()))
}

/// Runs a command in the server's world, with the folder of its state as `$1`.
fn inside(server: &Server, command: &str) {
    let state = server.config().with_file_name("state");
    let status = Command::new("nsenter")
        .args(["--mount", "--target", &server.id().to_string(), "sh", "-euc", command, "sh"])
        .arg(state)
        .status()
        .unwrap();
    assert!(status.success(), "{command}");
}

async fn until(server: &Server, expected: &str) {
    eventually_async(expected, || async { (outcome(server, LAPTOP, "x").await == expected).then_some(()) })
        .await;
    let is_ready = expected == "ok";
    eventually_async("/readyz", || async { (ready(server).await["ready"] == is_ready).then_some(()) }).await;
}

fn gap(server: &Server) -> Value {
    records(&state(server).join("audit")).into_iter().find(|it| it["event"] == "gap").unwrap()
}

#[tokio::test]
#[ignore = "needs the right to mount: cargo xtask test --system"]
async fn a_full_disk_refuses_calls_until_there_is_room_and_has_room_for_saying_so() {
    let server = server_in("mount -t tmpfs -o size=4m tmpfs \"$1\"", "{}");
    until(&server, "ok").await;
    let filler = state(&server).join("filler");
    let mut full = vec![0; 8 << 20];
    // As much as there is room for.
    while fs::write(&filler, &full).is_err() {
        full.truncate(full.len() - 4096);
    }
    until(&server, "audit_unavailable").await;
    let audit = state(&server).join("audit");
    eventually_async("the record that calls are refused", || async {
        records(&audit).iter().any(|it| it["event"] == "refusing").then_some(())
    })
    .await;
    fs::remove_file(&filler).unwrap();
    until(&server, "ok").await;
    let gap = gap(&server);
    assert!(gap["why"].as_str().unwrap().ends_with("No space left on device (os error 28)"), "{gap}");
    assert!(gap["refused_calls"].as_u64() > Some(0) && gap["lost_records"] == 0, "{gap}");
    assert_eq!(findings(&audit).problems, []);
}

#[tokio::test]
#[ignore = "needs the right to mount: cargo xtask test --system"]
async fn a_server_that_stops_on_a_full_disk_says_so_on_record() {
    let mut server = server_in("mount --bind \"$1\" \"$1\"; mount -t tmpfs -o size=4m tmpfs \"$1\"", "{}");
    until(&server, "ok").await;
    let filler = state(&server).join("filler");
    let mut full = vec![0; 8 << 20];
    while fs::write(&filler, &full).is_err() {
        full.truncate(full.len() - 4096);
    }
    until(&server, "audit_unavailable").await;
    // The world goes with its last process.
    let keeper = fs::File::open(state(&server).join("audit")).unwrap();
    server.signal("-TERM");
    server.ended();
    let kept = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&keeper)));
    let records = records(&kept);
    assert!(records.iter().any(|it| it["event"] == "stop"), "{:?}", records.last());
    assert_eq!(findings(&kept).problems, []);
}

#[tokio::test]
#[ignore = "needs the right to mount: cargo xtask test --system"]
async fn a_disk_that_is_read_only_at_the_start_refuses_calls_until_it_is_not() {
    let prepare = "\"$2\" serve & first=$!; until [ -s \"$1/audit-keys/arguments.key\" ] && [ -s \"$1/audit/0000000000000001.jsonl\" ] && [ -s \"$1/plugin-releases.json\" -o -s \"$1/last-good.json\" ]; do sleep 0.05; done; \
        kill -TERM $first; wait $first; mount --bind \"$1\" \"$1\"; mount -o remount,ro,bind \"$1\"";
    let server = server_in(prepare, "{}");
    // The address is that of the first server until the second one has told its own.
    eventually_async("the second server", || async {
        (server.log().iter().filter(|line| line["message"] == "listening").count() == 2).then_some(())
    })
    .await;
    let server = server.at_its_last_address();
    until(&server, "audit_unavailable").await;
    inside(&server, "mount -o remount,rw,bind \"$1\"");
    until(&server, "ok").await;
    assert!(gap(&server)["why"].as_str().unwrap().contains("Read-only file system"));
    assert_eq!(findings(&state(&server).join("audit")).problems, []);
}

#[tokio::test]
async fn an_audit_that_vanishes_is_put_back_out_of_the_open_file() {
    let server = Server::start(&config("{}"));
    assert_eq!(outcome(&server, LAPTOP, "x").await, "ok");
    let audit = super::folder(&server);
    let before = records(&audit).len();
    fs::remove_dir_all(&audit).unwrap();
    // The writer looks with every group of records.
    eventually_async("the audit to be back", || async {
        outcome(&server, LAPTOP, "x").await;
        audit.join("0000000000000001.jsonl").exists().then_some(())
    })
    .await;
    eventually_async("calls", || async { (outcome(&server, LAPTOP, "x").await == "ok").then_some(()) }).await;
    let records = records(&audit);
    assert!(records.len() > before);
    assert!(
        records.iter().any(|it| it["event"] == "gap" && it["why"] == "its file is not in its place any more")
    );
    assert_eq!(findings(&audit).problems, []);
}

#[tokio::test]
async fn a_state_dir_that_vanishes_refuses_calls_until_it_is_back() {
    let server = Server::start(&config("{}"));
    assert_eq!(outcome(&server, LAPTOP, "x").await, "ok");
    let state = server.config().with_file_name("state");
    let elsewhere = state.with_file_name("elsewhere");
    fs::rename(&state, &elsewhere).unwrap();
    until(&server, "audit_unavailable").await;
    assert!(!state.exists(), "the server makes no other folder in its place");
    fs::rename(&elsewhere, &state).unwrap();
    until(&server, "ok").await;
    assert_eq!(findings(&super::folder(&server)).problems, []);
}

#[tokio::test]
#[ignore = "needs a file system of its own to freeze: cargo xtask test --system"]
async fn a_disk_that_does_not_answer_costs_a_call_two_seconds_and_not_its_turn() {
    let prepare = "truncate -s 32M disk; mkfs.ext4 -q disk; mount -o loop disk \"$1\"";
    let server = server_in(prepare, "{ durability: strict }");
    until(&server, "ok").await;
    inside(&server, "fsfreeze --freeze \"$1\"");
    let thaw = Thaw(&server);
    let begun = Instant::now();
    assert_eq!(outcome(&server, LAPTOP, "x").await, "audit_unavailable");
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(1900) && took < Duration::from_secs(5), "{took:?}");
    let begun = Instant::now();
    assert_eq!(outcome(&server, LAPTOP, "x").await, "audit_unavailable");
    assert!(begun.elapsed() < Duration::from_secs(1), "the next one is refused at once");
    assert_eq!(ready(&server).await["ready"], false);
    drop(thaw);
    until(&server, "ok").await;
    assert_eq!(findings(&state(&server).join("audit")).problems, []);
}

/// The call that is writing when the disk stops has to wait for the kernel. Nobody
/// else does.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a file system of its own to freeze: cargo xtask test --system"]
async fn a_disk_that_stops_under_a_call_keeps_that_call_and_refuses_the_others() {
    let prepare = "truncate -s 32M disk; mkfs.ext4 -q disk; mount -o loop disk \"$1\"";
    let server = Arc::new(server_in(prepare, "{ durability: os }"));
    until(&server, "ok").await;
    inside(&server, "fsfreeze --freeze \"$1\"");
    let thaw = Thaw(&server);
    let asking = (0..4).map(|_| {
        let server = server.clone();
        tokio::spawn(async move { outcome(&server, LAPTOP, "x").await })
    });
    let mut asking: Vec<_> = asking.collect();
    eventually_async("all but one to be refused", || async {
        (asking.iter().filter(|it| it.is_finished()).count() == 3).then_some(())
    })
    .await;
    assert_eq!(outcome(&server, LAPTOP, "x").await, "audit_unavailable");
    let held = asking.extract_if(.., |it| !it.is_finished()).next().unwrap();
    drop(thaw);
    for refused in asking {
        assert_eq!(refused.await.unwrap(), "audit_unavailable");
    }
    let held = held.await.unwrap();
    assert!(["ok", "audit_unavailable"].contains(&held.as_str()), "{held}");
    until(&server, "ok").await;
    assert_eq!(findings(&state(&server).join("audit")).problems, []);
}

/// A file system that stays frozen outlives the test, and cannot be unmounted.
struct Thaw<'s>(&'s Server);

impl Drop for Thaw<'_> {
    fn drop(&mut self) {
        inside(self.0, "fsfreeze --unfreeze \"$1\"");
    }
}

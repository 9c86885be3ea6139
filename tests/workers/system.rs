//! What the kernel says of workers, where the server is root and where it is not.
//! `cargo xtask test --system` runs these.

use std::{
    collections::HashSet,
    fs::{self, Permissions},
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::json;
use server_core::settings::Isolation;

use super::{refused, reviewer, serve, workers};
use crate::support::{
    Server, bundled, eventually,
    testbench::{Testbench, build_that_attacks},
};

const USER: u32 = 1000;

/// Processes of that user, ended when dropped.
struct Others(Vec<Child>);

impl Others {
    fn new(count: usize) -> Self {
        let sleep = || Command::new("sleep").arg("600").uid(USER).gid(USER).stdin(Stdio::null()).spawn();
        Self((0..count).map(|_| sleep().unwrap()).collect())
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Copies what lies in a folder to where everybody can read it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, Permissions::from_mode(0o755)).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let name = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            copy(&entry, &name);
        } else {
            fs::copy(&entry, &name).unwrap();
        }
    }
}

/// Where a server finds the program, whoever it is.
fn public_program(folder: &Path) -> PathBuf {
    let program = folder.join("mcp-universal-server");
    fs::copy(crate::support::PROGRAM, &program).unwrap();
    program
}

/// A line of what the kernel says of a process.
fn status(process: u32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap().split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
#[ignore = "needs root: cargo xtask test --system"]
async fn a_server_of_roots_has_workers_of_nobodys() {
    let (_bench, server) = serve("{ processes: 2 }");
    let client = reviewer(&server).await;
    let sleep = || client.text("bench.sleep", json!({ "ms": 1000 }));
    tokio::join!(sleep(), sleep(), sleep());
    let workers = workers(&server);
    assert_eq!(workers.len(), 2);
    let mut users = HashSet::new();
    for worker in workers {
        let ids = status(worker, "Uid");
        let user: u32 = ids.split(' ').next().unwrap().parse().unwrap();
        // Numbers that no distribution gives out, and all four the same.
        assert!(user >= 0x7000_0000, "{ids}");
        assert_eq!(ids, [user; 4].map(|it| it.to_string()).join(" "));
        assert_eq!(status(worker, "Gid"), ids);
        assert_eq!(status(worker, "Groups"), "");
        for rights in ["CapPrm", "CapEff", "CapInh", "CapAmb"] {
            assert_eq!(status(worker, rights), "0".repeat(16), "{rights}");
        }
        assert_eq!((status(worker, "NoNewPrivs"), status(worker, "Seccomp")), ("1".into(), "2".into()));
        users.insert(user);
    }
    assert_eq!(users.len(), 2, "each is somebody else");
}

#[tokio::test]
#[ignore = "needs root: cargo xtask test --system"]
async fn a_server_of_an_ordinary_user_confines_its_workers_just_as_well() {
    let _others = Others::new(40);
    let bench = Testbench::isolated(Isolation::Process).with_worker("{ threads: 5 }");
    fs::set_permissions(bench.path(), Permissions::from_mode(0o755)).unwrap();
    let program = public_program(bench.path());
    copy(bundled::folder(), &bench.path().join("bundled"));
    let server = Server::start_as(&program, &bench.config("{}"), |folder, command| {
        chown(folder, Some(USER), Some(USER)).unwrap();
        command.env("MCP_BUNDLED_DIR", bench.path().join("bundled")).uid(USER).gid(USER);
    });
    let client = reviewer(&server).await;
    assert_eq!(client.text("bench.version", json!({})).await, "1.0.1");
    let loaded = eventually("the plugin", || {
        server.logged(|line| line["message"] == "plugin loaded" && line["plugin"] == "bench")
    });
    assert_eq!((&loaded["uid"], &loaded["seccomp"]), (&json!(USER), &json!(true)));
    assert!(loaded["landlock"].as_u64() >= Some(1), "{loaded}");
    // As many as it may have, however many tasks the user has otherwise.
    assert_eq!(client.text("bench.harm", json!({ "way": "threads" })).await, "5");
    for way in ["read", "connect", "exec", "fork", "kill"] {
        let found = client.text("bench.attack", json!({ "way": way })).await;
        assert_eq!(found, "Operation not permitted (os error 1)", "{way}");
    }
    let (code, _) = refused(&client, "bench.harm", json!({ "way": "abort" })).await;
    assert_eq!(code, "worker_lost");
    assert_eq!(client.text("bench.version", json!({})).await, "1.0.1");
}

/// What a container has that drops all capabilities and lets nobody gain any: a root that
/// cannot become anybody else.
#[tokio::test]
#[ignore = "needs root and util-linux: cargo xtask test --system"]
async fn a_root_without_capabilities_confines_its_workers_just_as_well() {
    let bench = Testbench::isolated(Isolation::Process).with_worker("{ threads: 5 }");
    bench.install_unasked(&build_that_attacks(2), 2);
    let script = bench.path().join("without-capabilities");
    let program = crate::support::PROGRAM;
    let text = format!(
        "#!/bin/sh\nexec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs {program} \"$@\"\n"
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    let server = Server::start_as(&script, &bench.config("{}"), |_, _| {});
    assert_eq!(status(server.pid(), "CapEff"), "0".repeat(16));
    let client = reviewer(&server).await;
    assert_eq!(client.text("bench.version", json!({})).await, "1.0.2");
    let loaded = eventually("the plugin", || {
        server.logged(|line| line["message"] == "plugin loaded" && line["plugin"] == "bench")
    });
    assert_eq!((&loaded["uid"], &loaded["seccomp"]), (&json!(0), &json!(true)));
    assert!(loaded["landlock"].as_u64() >= Some(1), "{loaded}");
    assert_eq!(client.text("bench.harm", json!({ "way": "threads" })).await, "5");
    let constructed = client.text("bench.constructed", json!({})).await;
    assert!(constructed.contains("read: Permission denied (os error 13)"), "{constructed}");
    for way in ["read", "connect", "exec", "fork", "kill"] {
        let found = client.text("bench.attack", json!({ "way": way })).await;
        assert_eq!(found, "Operation not permitted (os error 1)", "{way}");
    }
}

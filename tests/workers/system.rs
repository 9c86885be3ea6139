//! A server that is not root, as most are. `cargo xtask test --system` runs these.

use std::{
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

use super::{refused, reviewer};
use crate::support::{Server, bundled, eventually, testbench::Testbench};

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

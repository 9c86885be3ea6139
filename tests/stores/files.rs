//! Files.

use std::{fs, os::unix::fs::symlink};

use super::*;
use crate::support::{eventually_async, program};

/// A configuration with a root `docs`, which `laptop` may read, and `drafts`, which
/// its tenant may not.
const DOCS: &str = r#"version: 1
server: { listen: "127.0.0.1:0" }
files:
  roots:
    docs: { path: ./docs, description: "The handbook" }
    drafts: { path: ./drafts }
tenants:
  research: { tools: ["*"], capabilities: ["fs:read"], files: [docs] }
agents:
  laptop:
    tenant: research
    token: "${LAPTOP_TOKEN}"
    tools: ["fs.*"]
    capabilities: ["fs:read"]
    files: [docs, drafts]
"#;

fn server(config: &str) -> Server {
    Server::start_with(config, |folder, _| {
        fs::create_dir_all(folder.join("docs/guides")).unwrap();
        fs::create_dir(folder.join("drafts")).unwrap();
        fs::write(folder.join("docs/guides/install.md"), "# Install\n\nRun the *installer*.\n").unwrap();
        fs::write(folder.join("docs/.secret"), "hidden").unwrap();
        fs::write(folder.join("outside"), "outside").unwrap();
        symlink("../outside", folder.join("docs/way-out")).unwrap();
    })
}

#[tokio::test]
async fn an_agent_lists_reads_and_searches_what_it_is_granted() {
    let server = server(DOCS);
    for era in ERAS {
        let laptop = Client::connect(&server, LAPTOP, era).await;
        assert_eq!(laptop.tools().await, ["fs.list", "fs.read", "fs.search"], "{era:?}");
        let read = json!({ "root": "docs", "path": "guides/install.md" });
        assert_eq!(laptop.text("fs.read", read).await, "# Install\n\nRun the *installer*.\n");
    }
    let roots = told(&server, "fs.list", json!({})).await;
    assert_eq!(roots["roots"], json!([{ "name": "docs", "description": "The handbook" }]));
    let list = told(&server, "fs.list", json!({ "root": "docs" })).await;
    let entries = list["entries"].as_array().unwrap();
    let names: Vec<_> = entries.iter().map(|entry| (&entry["name"], &entry["kind"])).collect();
    assert_eq!(names, [(&json!("guides"), &json!("folder")), (&json!("way-out"), &json!("symlink"))]);
    assert_eq!(
        told(&server, "fs.search", json!({ "root": "docs", "text": "INSTALLER", "ignore_case": true })).await,
        json!({
            "matches": [{ "path": "guides/install.md", "line": 3, "offset": 11, "text": "Run the *installer*." }],
            "files": 1, "skipped": { "special": 1 },
        })
    );
}

#[tokio::test]
async fn what_is_not_granted_or_hidden_is_refused_with_every_reason() {
    let server = server(DOCS);
    for (read, expected) in [
        (
            json!({ "root": "drafts", "path": "a" }),
            json!(["file_root_not_granted_to_tenant: tenant `research` is not granted file root `drafts`; \
                 add `drafts` to `tenants.research.files`"]),
        ),
        (
            json!({ "root": "etc", "path": "passwd" }),
            json!([
                "file_root_not_granted_to_agent: agent `laptop` is not granted file root `etc`; \
                 add `etc` to `agents.laptop.files`",
                "file_root_not_granted_to_tenant: tenant `research` is not granted file root `etc`; \
                 add `etc` to `tenants.research.files`"
            ]),
        ),
        (
            json!({ "root": "docs", "path": ".secret" }),
            json!(["hidden_file: `.secret` is hidden, and file root `docs` shows no hidden files; \
                 read other files, or set `files.roots.docs.hidden: true`"]),
        ),
        (
            json!({ "root": "docs", "path": "way-out" }),
            json!("`way-out` is a symbolic link or leads through one: links are not followed"),
        ),
    ] {
        assert_eq!(told(&server, "fs.read", read.clone()).await, expected, "{read}");
    }
}

#[tokio::test]
async fn an_edit_of_a_root_or_a_grant_counts_without_a_restart() {
    let server = server(DOCS);
    let secret = json!({ "root": "docs", "path": ".secret" });
    let sees = async |what: &str, expected: Value| {
        eventually_async(what, || async {
            (told(&server, "fs.read", secret.clone()).await == expected).then_some(())
        })
        .await;
    };
    let open = DOCS.replace("docs: { path: ./docs,", "docs: { path: ./docs, hidden: true,");
    fs::write(server.config(), &open).unwrap();
    sees("hidden files to be there", json!("hidden")).await;
    fs::write(server.config(), open.replace("files: [docs, drafts]", "files: [drafts]")).unwrap();
    let denied = "file_root_not_granted_to_agent: agent `laptop` is not granted file root `docs`; \
                  add `docs` to `agents.laptop.files`";
    sees("the grant to be gone", json!([denied])).await;
    // Without any root, the tools are not even listed.
    fs::write(server.config(), open.replace("files: [docs, drafts]", "files: []")).unwrap();
    let laptop = Client::connect(&server, LAPTOP, ERAS[1]).await;
    eventually_async("the tools to be gone", || async { laptop.tools().await.is_empty().then_some(()) })
        .await;
}

#[test]
fn a_root_that_holds_what_is_the_servers_own_is_refused() {
    for (path, complaint) in [
        (".", "agents could read the server's own state below"),
        ("./state/x", "agents could read the server's own state below"),
        ("/, hidden: true", "agents could read the server's own state below"),
        ("/proc/self", "is the kernel's, and no place for files"),
        ("./config.yaml", "is no folder"),
        ("./link", "agents could read the server's own state below"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("state/x")).unwrap();
        fs::create_dir(folder.path().join("drafts")).unwrap();
        symlink(folder.path(), folder.path().join("link")).unwrap();
        fs::write(folder.path().join("config.yaml"), DOCS.replace("./docs", path)).unwrap();
        let mut check = program();
        check.arg("check").current_dir(folder.path()).env("LAPTOP_TOKEN", LAPTOP);
        let output = check.output().unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(complaint), "{path}: {said}");
        assert_eq!(output.status.code(), Some(78), "{path}");
    }
}

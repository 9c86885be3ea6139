//! Files.

use std::{fs, os::unix::fs::symlink};

use super::*;

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

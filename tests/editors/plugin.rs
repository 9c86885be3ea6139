//! A release of a plugin takes over however it is brought.

use serde_json::json;

use super::*;
use crate::support::{
    REVIEWER, Server,
    client::{Client, Era},
    eventually_async,
    testbench::{Testbench, build},
};

/// Brings three releases, one after the other. `$1` is the plugin's folder, `$2`
/// one that holds the new release.
pub(super) async fn comes_by(line: &str) {
    let bench = Testbench::new();
    let server = Server::start(&format!("{}reload: {{ poll_ms: 60000 }}\n", bench.config("{}")));
    let client = Client::connect(&server, REVIEWER, Era::Session).await;
    for release in 2..5 {
        let out = bench.path().join(format!("out-{release}"));
        fs::create_dir(&out).unwrap();
        bench.sign(&build(release), &out);
        let mut command = Command::new("sh");
        command.args(["-euc", line, "sh"]).args([bench.folder(), out.join("bench")]);
        feed(&mut command, "");
        let version = format!("1.0.{release}");
        eventually_async(&format!("{version} by {line}"), || async {
            (client.text("bench.version", json!({})).await == version).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn with_cp() {
    comes_by(r#"cp "$2"/* "$1""#).await;
}

#[tokio::test]
async fn with_mv_of_its_files() {
    comes_by(r#"mv "$2"/* "$1""#).await;
}

#[tokio::test]
async fn with_redirections() {
    comes_by(r#"for file in "$2"/*; do cat "$file" > "$1/${file##*/}"; done"#).await;
}

#[tokio::test]
async fn with_mv_of_its_folder() {
    comes_by(r#"mv "$1" "$2.old"; mv "$2" "$1""#).await;
}

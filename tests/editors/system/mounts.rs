//! Bind mounts, as a container has them. The edits are made on the host's side.

use std::net::SocketAddr;

use serde_json::Value;

use super::{desk::ADMIN, *};
use crate::support::{PROGRAM, client::http, eventually, eventually_async};

/// Makes the command start in a world of its own, in which `host` is mounted where
/// the server looks for its files.
fn mounted(command: &mut Command, host: &Path, at: &Path) {
    let mut wrapped = Command::new("unshare");
    wrapped.args(["--mount", "sh", "-euc", r#"mount --bind "$1" "$2"; exec "$3" serve"#, "sh"]);
    wrapped.args([host, at, Path::new(PROGRAM)]);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped.current_dir(command.get_current_dir().unwrap());
    wrapped.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    *command = wrapped;
}

#[tokio::test]
#[ignore = "needs the right to mount: cargo xtask test --system"]
async fn a_mounted_folder_sees_every_edit() {
    let mut desk = Desk::open_with(60_000, desk::lay, |root, command| {
        let inside = root.join("inside");
        fs::create_dir(&inside).unwrap();
        command.env("MCP_CONFIG", inside.join("config.yaml"));
        mounted(command, &root.join("etc"), &inside);
    });
    let warned = |line: &Value| line["message"].as_str().is_some_and(|it| it.contains("bind mount"));
    assert_eq!(desk.server.logged(warned), None);
    for line in [
        r#"cat > "$1""#,
        r#"cp "$2" "$1""#,
        r#"mv "$2" "$1""#,
        r#"mv "$1" "$1~"; cat > "$1"; rm "$1~""#,
        r#"cat > "$1.tmp"; mv "$1.tmp" "$1""#,
    ] {
        everywhere(&mut desk, |edit| shell(edit, line)).await;
    }
}

#[tokio::test]
#[ignore = "needs the right to mount: cargo xtask test --system"]
async fn a_mounted_file_is_warned_of_and_told_of_once_when_it_is_replaced() {
    let lay = |folder: &Path, files: &[(Piece, String)]| {
        desk::lay(folder, files);
        // What is mounted over.
        fs::create_dir(folder.with_file_name("host")).unwrap();
        let host = folder.with_file_name("host").join("config.yaml");
        fs::rename(folder.join("config.yaml"), host).unwrap();
        fs::write(folder.join("config.yaml"), "").unwrap();
    };
    let mut desk = Desk::open_with(100, lay, |root, command| {
        mounted(command, &root.join("host/config.yaml"), &root.join("etc/config.yaml"));
    });
    let host = desk.folder.with_file_name("host").join("config.yaml");
    let warning = desk.server.logged(|line| line["level"] == "WARN" && line["path"].is_string()).unwrap();
    assert_eq!(
        warning["message"],
        "the file itself is a bind mount: an editor that replaces it leaves the old one here"
    );
    let address: SocketAddr = eventually("the admin listener", || {
        desk.server.logged(|line| line["message"] == "admin listening")?["address"].as_str()?.parse().ok()
    });
    let get = |path: &str| http().get(format!("http://{address}{path}")).bearer_auth(ADMIN).send();
    let stale = || async {
        let status: Value = get("/status").await.unwrap().json().await.unwrap();
        let metrics = get("/metrics").await.unwrap().text().await.unwrap();
        let gauge =
            metrics.lines().find(|line| line.contains("_stale_bind_mount ") && !line.starts_with('#'));
        (status["config"]["stale_bind_mount"] == true, gauge.unwrap().ends_with(" 1"))
    };

    // In place, the edits come through, by the poll.
    for piece in [Piece::Main, Piece::Main, Piece::Secret, Piece::Main] {
        desk.edit(piece, |edit| {
            let path = if piece == Piece::Main { &host } else { &edit.path };
            fs::write(path, &edit.new).unwrap();
        })
        .await;
    }
    assert_eq!(stale().await, (false, false));

    // Replaced, it stays what it was.
    fs::rename(desk.begin(Piece::Main).aside, &host).unwrap();
    eventually_async("the stale mount to be told of", || async {
        (stale().await == (true, true)).then_some(())
    })
    .await;
    // Another edit that comes through shows that the server has looked once more.
    let before = crate::reload::ready(&desk.server).await["generation"].clone();
    let edit = desk.begin(Piece::Dotenv);
    fs::write(&edit.path, &edit.new).unwrap();
    eventually_async("the next generation", || async {
        (crate::reload::ready(&desk.server).await["generation"] != before).then_some(())
    })
    .await;
    let message = "the file that was mounted here has been replaced, so edits of it cannot be seen";
    let said = desk.server.log().into_iter().filter(|line| line["message"] == message).collect::<Vec<_>>();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0]["level"], "ERROR");
    assert!(said[0]["help"].as_str().unwrap().contains("mount the folder"), "{said:?}");
}

//! The units, as systemd reads them: `cargo xtask test --system` runs these.

use super::*;

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy");

#[test]
#[ignore = "needs systemd: cargo xtask test --system"]
fn the_unit_leaves_little_to_whoever_breaks_in() {
    let unit = Path::new(DEPLOY).join("mcp-universal-server.service");
    let mut command = Command::new("systemd-analyze");
    // In tenths: at most 2.0 of 10.
    command.args(["security", "--offline=true", "--no-pager", "--threshold=20"]).arg(unit);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Overall exposure level for mcp-universal-server.service: "), "{said}");
}

#[test]
#[ignore = "needs systemd: cargo xtask test --system"]
fn systemd_understands_every_line_of_the_units() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["mcp-universal-server.service", "mcp-universal-server.socket"] {
        let text = fs::read_to_string(Path::new(DEPLOY).join(name)).unwrap();
        // It also looks whether the program and the manual page are there.
        let text = text.replace("/opt/mcp-universal-server/mcp-universal-server", PROGRAM);
        let text =
            text.lines().filter(|line| !line.starts_with("Documentation=")).collect::<Vec<_>>().join("\n");
        fs::write(folder.path().join(name), format!("{text}\n")).unwrap();
    }
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "mcp-universal-server.service", "mcp-universal-server.socket"]);
    let output = command.current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let about_ours: Vec<_> = said.lines().filter(|line| line.contains("mcp-universal-server")).collect();
    assert_eq!(about_ours, [""; 0], "{said}");
}

/// systemd's own way to hand a socket over, where the first connection starts the
/// server.
#[tokio::test]
#[ignore = "needs systemd: cargo xtask test --system"]
async fn the_first_connection_starts_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = TWO_AGENTS.replace("127.0.0.1:0", &address.to_string());
    fs::write(folder.path().join("config.yaml"), config).unwrap();
    let mut command = Command::new("systemd-socket-activate");
    command.arg("--listen").arg(address.to_string());
    for name in ["LAPTOP_TOKEN", "REVIEWER_TOKEN", "MCP_BUNDLED_DIR"] {
        command.arg("--setenv").arg(name);
    }
    let mut manager = command
        .args([PROGRAM, "serve"])
        .current_dir(folder.path())
        .env("LAPTOP_TOKEN", LAPTOP)
        .env("REVIEWER_TOKEN", REVIEWER)
        .env("MCP_BUNDLED_DIR", crate::support::bundled::folder())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let url = format!("http://{address}/readyz");
    let ready = eventually_async("the server", || async {
        http().get(&url).timeout(Duration::from_secs(30)).send().await.ok()
    })
    .await;
    assert_eq!(ready.status(), 200);
    // The server took the manager's place, and its number.
    assert!(Command::new("kill").arg(manager.id().to_string()).status().unwrap().success());
    assert!(manager.wait().unwrap().success());
}

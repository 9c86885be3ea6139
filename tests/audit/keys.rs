//! The keys of an audit, and its settings, in a running server.

use std::fs;

use serde_json::Value;

use super::{audit_command, config, findings, folder, outcome, records};
use crate::support::{LAPTOP, Server, eventually};

fn checkpoint_key(server: &Server) -> String {
    let checkpoints = server.log().into_iter().rfind(|line| line["message"] == "audit checkpoint");
    checkpoints.map(|line| line["public_key"].as_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn another_key_signs_as_soon_as_its_file_has_another() {
    let server = Server::start_with(&config("{ key: \"${file:audit.key}\" }"), |folder, _| {
        fs::write(folder.join("audit.key"), format!("{}\n", "1".repeat(64))).unwrap();
    });
    let first =
        eventually("the first checkpoint", || Some(checkpoint_key(&server)).filter(|it| !it.is_empty()));
    fs::write(server.config().with_file_name("audit.key"), format!("{}\n", "2".repeat(64))).unwrap();
    let second = eventually("another key", || Some(checkpoint_key(&server)).filter(|it| *it != first));
    assert_eq!(outcome(&server, LAPTOP, "x").await, "ok");
    let records = records(&folder(&server));
    let announced = records.iter().find(|it| it["event"] == "key").unwrap();
    assert_eq!(
        (&announced["before"], &announced["public_key"]),
        (&Value::from(first.clone()), &Value::from(second))
    );
    for arguments in [&["verify", "--public-key", &first][..], &["verify"]] {
        let output = audit_command(&server, arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    // No key of the audit is where the audit is.
    assert!(!server.config().with_file_name("state").join("audit-keys/signing.key").exists());
}

#[tokio::test]
async fn a_key_that_is_none_refuses_the_edit() {
    let server = Server::start(&config("{}"));
    fs::write(server.config().with_file_name("audit.key"), "no key\n").unwrap();
    fs::write(server.config(), config("{ key: \"${file:audit.key}\" }")).unwrap();
    let line = eventually("the refusal", || {
        server.logged(|line| {
            line["target"] == "config" && line["level"] == "ERROR" && line["place"].is_string()
        })
    });
    assert_eq!(line["message"], "it holds no key, which is 64 hexadecimal digits");
    assert_eq!(line["help"], "make one with `openssl rand -hex 32`");
}

#[tokio::test]
async fn with_strict_durability_a_call_waits_for_the_disk() {
    let server = Server::start(&config("{ durability: strict }"));
    for n in 0..20 {
        assert_eq!(outcome(&server, LAPTOP, &n.to_string()).await, "ok");
    }
    let found = findings(&folder(&server));
    assert_eq!(found.problems, []);
}

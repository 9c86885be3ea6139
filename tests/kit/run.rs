//! `plugin run`, and that `serve` does none of it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::support::{
    LAPTOP, REVIEWER, Server, bundled,
    client::{Client, Era},
    eventually, eventually_async,
    output::{code, stderr},
    program,
    testbench::{Testbench, build},
};

/// `plugin run` on a folder with one library, as programs read it. What it keeps for
/// the time being lies in `kept` of that folder.
fn run(library: &[u8], config: Option<&str>) -> Server {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("built")).unwrap();
    fs::create_dir(folder.path().join("kept")).unwrap();
    fs::write(folder.path().join("built/libplugin.so"), library).unwrap();
    if let Some(config) = config {
        fs::write(folder.path().join("built/development.yaml"), config).unwrap();
    }
    let mut command = program();
    command
        .args(["plugin", "run", "built", "--json", "--listen", "127.0.0.1:0"])
        .env("DEVELOPER_TOKEN", LAPTOP)
        .env("REVIEWER_TOKEN", REVIEWER)
        .env("TMPDIR", folder.path().join("kept"));
    Server::run(command, folder)
}

/// Puts another library in the place of what is served, as a linker does.
fn built_again(server: &Server, library: &[u8]) {
    let built = server.folder().join("built");
    fs::write(built.join("new"), library).unwrap();
    fs::rename(built.join("new"), built.join("libplugin.so")).unwrap();
}

/// The plugin's folder in the installation of `plugin run`.
fn kept(server: &Server) -> Option<PathBuf> {
    fs::read_dir(server.folder().join("kept")).unwrap().next().map(|it| it.unwrap().path())
}

fn told(server: &Server, message: &str) -> Option<Value> {
    server.log().into_iter().rfind(|line| line["message"] == message)
}

#[tokio::test]
async fn an_unsigned_plugin_is_served_to_its_author_and_again_when_it_is_built() {
    let mut server = run(&build(1), None);
    let mode = eventually("the address", || told(&server, "development mode"));
    let url = server.url("/mcp");
    assert!(mode["warning"].as_str().unwrap().starts_with("DEVELOPMENT MODE: this plugin is not signed"));
    assert_eq!(
        (&mode["plugin"], &mode["version"], &mode["url"], &mode["token"], &mode["agent"]),
        (&json!("bench"), &json!("1.0.1"), &json!(url), &json!(LAPTOP), &json!("developer"))
    );
    let add =
        format!("claude mcp add --transport http bench {url} --header \"Authorization: Bearer {LAPTOP}\"");
    assert_eq!(mode["claude"], json!(add));
    let loaded = told(&server, "plugin loaded").unwrap();
    assert_eq!((&loaded["isolation"], &loaded["signer"]), (&json!("process"), &json!("development")));

    let client = Client::connect(&server, LAPTOP, Era::Stateless).await;
    assert_eq!(client.text("bench.version", json!({})).await, "1.0.1");
    // Other bytes under the same version are no forgery here.
    let mut same = build(1);
    same.extend_from_slice(b"built again");
    built_again(&server, &same);
    eventually("the same version, built again", || told(&server, "plugin replaced"));
    built_again(&server, &build(2));
    let client = &client;
    eventually_async("the next version", || async move {
        (client.text("bench.version", json!({})).await == "1.0.2").then_some(())
    })
    .await;

    built_again(&server, b"half a library");
    let failed = eventually("the failure", || {
        told(&server, "what was built cannot be served, so what was before goes on")
    });
    assert!(failed["error"].as_str().unwrap().contains("it is no shared library"), "{failed}");
    assert_eq!(client.text("bench.version", json!({})).await, "1.0.2");

    assert!(kept(&server).is_some());
    server.signal("-TERM");
    assert!(server.ended().success());
    assert_eq!(kept(&server), None);
}

const NOTHING_GRANTED: &str = r#"version: 1
server: { listen: "0.0.0.0:1", allowed_hosts: ["mcp.example.lan"] }
admin: { listen: "0.0.0.0:2", token: "${REVIEWER_TOKEN}" }
state: { dir: ./operators-state }
plugins:
  dir: ./plugins.d
  entries:
    http: { capabilities: [] }
tenants:
  development: { tools: ["*"] }
agents:
  developer: { tenant: development, token: "${DEVELOPER_TOKEN}", tools: ["*"] }
"#;

#[tokio::test]
async fn what_a_plugin_asks_for_is_told_as_the_lines_that_grant_it() {
    let library = fs::read(bundled::library("plugin-http")).unwrap();
    let server = run(&library, Some(NOTHING_GRANTED));
    assert!(server.address.ip().is_loopback());
    let client = Client::connect(&server, LAPTOP, Era::Stateless).await;
    assert_eq!(client.tools().await, Vec::<String>::new());
    let asked = eventually("what it asks for", || told(&server, "capabilities"));
    let lines = r#"plugins:
  entries:
    http: { capabilities: ["network:outbound"] }
tenants:
  development: { capabilities: ["network:outbound"], egress: ["api.example.com"] }
agents:
  developer: { capabilities: ["network:outbound"], egress: ["api.example.com"] }"#;
    assert_eq!(asked["missing"].as_str(), Some(lines));

    // Each where it belongs.
    let grant = r#"capabilities: ["network:outbound"], egress: ["api.example.com"], tools"#;
    let granted = NOTHING_GRANTED
        .replace("http: { capabilities: [] }", "http: { capabilities: [\"network:outbound\"] }")
        .replace("tools", grant);
    fs::write(server.folder().join("built/development.yaml"), granted).unwrap();
    eventually("the grant", || told(&server, "capabilities").filter(|line| line["missing"].is_null()));
    let client = &client;
    eventually_async("the tool", || async move {
        client.tools().await.contains(&"http.fetch".to_owned()).then_some(())
    })
    .await;
    assert!(!server.folder().join("built/operators-state").exists());
    assert_eq!(server.logged(|line| line["message"] == "admin listening"), None);
}

#[test]
fn nobody_else_can_reach_it() {
    let folder = tempfile::tempdir().unwrap();
    for (listen, variable) in [(Some("0.0.0.0:0"), None), (Some("[::]:0"), None), (None, Some("10.0.0.1:80"))]
    {
        let mut command = program();
        command.args(["plugin", "run", "."]).current_dir(folder.path());
        command.args(listen.into_iter().flat_map(|it| ["--listen", it]));
        variable.into_iter().for_each(|it| {
            command.env("MCP_LISTEN", it);
        });
        let output = command.output().unwrap();
        assert_eq!(code(&output), 64);
        assert!(stderr(&output).contains("other machines could reach it"), "{}", stderr(&output));
    }
}

#[test]
fn a_folder_without_a_plugin_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let run = |what: &str| {
        let output = program()
            .args(["plugin", "run", what, "--listen", "127.0.0.1:0"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (code(&output), stderr(&output))
    };
    assert_eq!(run("nowhere"), (1, "error: nowhere: there is no such folder\n".to_owned()));
    let nothing = "error: there is no plugin's `.so` in .: build it first\n";
    assert_eq!(run("."), (1, nothing.to_owned()));
    fs::write(folder.path().join("x.so"), "#!/bin/sh\n").unwrap();
    let (code, said) = run(".");
    assert!(
        code == 1 && said.starts_with("error: ./x.so: it is no shared library for 64-bit Linux"),
        "{said}"
    );
    fs::write(
        folder.path().join("Cargo.toml"),
        "[package]\nname = \"x\"\nversion = \"1.0.0\"\n\n[workspace]\n",
    )
    .unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/lib.rs"), "").unwrap();
    let no_cdylib = "error: ./Cargo.toml: it makes no plugin: add `[lib]` with `crate-type = [\"cdylib\"]`\n";
    assert_eq!(run("."), (1, no_cdylib.to_owned()));
}

/// The names of what a server on this configuration runs, and why it refused the rest.
fn served(config: &str, prepare: impl FnOnce(&Path, &mut Command)) -> (Value, Vec<String>) {
    let server = Server::start_with(config, |folder, command| {
        command.env("MCP_BUNDLED_DIR", folder.join("none"));
        prepare(folder, command);
    });
    let in_force = told(&server, "configuration in force").unwrap();
    let refused = server.log().into_iter().filter(|line| line["target"] == "plugin");
    let refused = refused.filter_map(|line| line["code"].as_str().map(ToOwned::to_owned));
    (in_force["plugins"].clone(), refused.collect())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_server_runs_nothing_that_is_not_signed_whatever_its_configuration_says() {
    // One that a trusted key signed, and one that `plugin run` did.
    let signed = Testbench::new();
    let developing = run(&build(1), None);
    let development = kept(&developing).unwrap();
    let everything = r#"plugins: ["*"], names: ["*"], capabilities: ["network:outbound", "llm:query", "fs:read", "db:read"], in_process: true"#;
    let agents = "tenants: { research: { tools: [\"*\"] } }\nagents: { laptop: { tenant: research, token: \"${LAPTOP_TOKEN}\", tools: [\"*\"] } }\n";
    let entries = [
        "{}",
        "{ bench: { isolation: in_process } }",
        "{ bench: { isolation: process, capabilities: [\"network:outbound\"] } }",
    ];
    for entry in entries {
        let config = |dirs: &str, keys: &str| {
            format!(
                "version: 1\nserver: {{ listen: \"127.0.0.1:0\" }}\nplugins:\n  {dirs}\n  require_landlock: false\n  entries: {entry}\n  trusted_keys: {{ {keys} }}\n{agents}"
            )
        };
        let key = format!("acme: {{ minisign: \"{}\", {everything} }}", signed.key());
        let installed = format!("development: {{ minisign: installed, {everything} }}");
        let place = |folder: &Path| folder.join("plugins.d/bench");

        let (plugins, _) =
            served(&config("dir: ./plugins.d", &key), |folder, _| copy(&signed.folder(), &place(folder)));
        assert_eq!(plugins, json!(1), "signed, it runs: {entry}");

        let unsigned = |folder: &Path| {
            copy(&signed.folder(), &place(folder));
            fs::remove_file(place(folder).join("plugin.json.minisig")).unwrap();
        };
        let (plugins, refused) = served(&config("dir: ./plugins.d", &key), |folder, _| unsigned(folder));
        assert_eq!((plugins, refused.as_slice()), (json!(0), &["unsigned".to_owned()][..]), "{entry}");

        // As the installation's own.
        let (plugins, refused) =
            served(&config("bundled_dir: ./plugins.d", &installed), |folder, command| {
                unsigned(folder);
                fs::copy(development.join("development.pub"), folder.join("plugins.d/bundled.pub")).unwrap();
                command.env_remove("MCP_BUNDLED_DIR");
            });
        assert_eq!((plugins, refused.as_slice()), (json!(0), &["unsigned".to_owned()][..]), "{entry}");

        // What `plugin run` signed is worth nothing elsewhere.
        let (plugins, refused) = served(&config("dir: ./plugins.d", &key), |folder, _| {
            copy(&development.join("plugins/bench"), &place(folder));
        });
        assert_eq!((plugins, refused.as_slice()), (json!(0), &["key_unknown".to_owned()][..]), "{entry}");
    }
}

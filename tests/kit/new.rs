//! `plugin new`.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Output};

use serde_json::Value;

use crate::support::{
    output::{code, stderr, stdout},
    program,
};

fn new(folder: &Path, arguments: &[&str]) -> Output {
    program().args(["plugin", "new"]).args(arguments).current_dir(folder).output().unwrap()
}

#[test]
fn a_new_plugin_is_a_crate_that_stands_alone() {
    let folder = tempfile::tempdir().unwrap();
    let output = new(folder.path(), &["acme-weather"]);
    assert_eq!((code(&output), stderr(&output)), (0, String::new()));
    let next = "acme-weather: a plugin with a tool, a resource and a prompt\n\n  cd acme-weather\n  cargo test\n  mcp-universal-server plugin run .\n\nThe last one builds it and serves it to you. src/lib.rs is where to go on.\n";
    assert_eq!(stdout(&output), next);

    let read = |path: &str| fs::read_to_string(folder.path().join("acme-weather").join(path)).unwrap();
    let manifest = read("Cargo.toml");
    for line in [
        "name = \"acme-weather\"",
        "crate-type = [\"cdylib\"]",
        "plugin-api = { path = \"plugin-api\" }",
        "[workspace]",
        "panic = \"unwind\"",
        "strip = true",
    ] {
        assert!(manifest.lines().any(|it| it == line), "{line}: {manifest}");
    }
    let library = read("src/lib.rs");
    for named in ["\"acme-weather.greet\"", "\"acme-weather://languages\"", "#[cfg(test)]"] {
        assert!(library.contains(named), "{named}");
    }
    assert!(read(".github/workflows/plugin.yml").contains("target/release/libacme_weather.so"));
    assert!(read("README.md").contains("target/release/libacme_weather.so"));
    assert!(read(".gitignore").lines().any(|line| line == ".env"));
    for file in ["Cargo.toml", "build.rs", "src/lib.rs", "abi/src/lib.rs", "contract/src/lib.rs"] {
        assert!(!read(&format!("plugin-api/{file}")).is_empty(), "{file}");
    }
    assert!(read(".env").starts_with("DEVELOPER_TOKEN=mus_"));
    let mode = fs::metadata(folder.path().join("acme-weather/.env")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let check = program()
        .args(["check", "development.yaml"])
        .current_dir(folder.path().join("acme-weather"))
        .output()
        .unwrap();
    assert_eq!((code(&check), stdout(&check).as_str()), (0, "development.yaml: ok\n"));
}

#[test]
fn a_folder_that_is_there_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let parent = folder.path().join("plugins");
    fs::create_dir(&parent).unwrap();
    let output = new(folder.path(), &["hello", "--dir", "plugins", "--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((code(&output), &said["folder"]), (0, &Value::from("plugins/hello")));
    fs::write(parent.join("hello/src/lib.rs"), "mine").unwrap();

    let output = new(folder.path(), &["hello", "--dir", "plugins"]);
    let there = "error: plugins/hello is there already, and nothing is overwritten: choose another name, or another folder with --dir\n";
    assert_eq!((code(&output), stderr(&output).as_str()), (1, there));
    assert_eq!(fs::read_to_string(parent.join("hello/src/lib.rs")).unwrap(), "mine");

    let output = new(folder.path(), &["hello", "--dir", "nowhere"]);
    let nowhere = "error: nowhere/hello cannot be made: No such file or directory (os error 2)\n";
    assert_eq!((code(&output), stderr(&output).as_str()), (1, nowhere));
}

#[test]
fn a_name_that_no_plugin_can_have_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["Hello", "../escape", "a/b", "core", "async", "-x", ""] {
        let output = new(folder.path(), &["--", name]);
        assert_eq!(code(&output), 64, "{name}: {}", stderr(&output));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

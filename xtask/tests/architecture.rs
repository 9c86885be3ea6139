//! The rules of ARCHITECTURE.md that a program can check.

// What clippy.toml allows in tests is then allowed in all of this file.
#![cfg(test)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What `server-core` must do without, however far down.
const NOT_IN_THE_CORE: &[&str] =
    &["abi_stable", "axum", "hyper", "libloading", "notify", "reqwest", "rmcp", "tokio"];

/// A file that passes 400 lines is asking to be two; at this it must be.
const LINES: usize = 450;

#[test]
fn the_core_decides_and_never_listens_connects_loads_or_waits() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "--package",
            "server-core",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names = tree.lines().filter_map(|line| line.split(' ').next()).collect::<Vec<_>>();
    assert!(names.contains(&"serde"), "this is not the tree of `server-core`:\n{tree}");
    for name in NOT_IN_THE_CORE {
        assert!(
            !names.contains(name),
            "`server-core` depends on `{name}`, see `cargo tree -p server-core -i {name}`; \
             ARCHITECTURE.md says what belongs into the core and why"
        );
    }
}

#[test]
fn a_file_is_about_one_thing_and_not_long() {
    for file in files("rs") {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(
            lines < LINES,
            "{} has {lines} lines: make it two; ARCHITECTURE.md says how the code is laid out",
            file.display()
        );
        assert!(
            !file.ends_with("mod.rs"),
            "{}: the project writes `x.rs` beside `x/`; see ARCHITECTURE.md",
            file.display()
        );
    }
}

#[test]
fn plugins_are_written_without_unsafe_code() {
    let plugins = root().join("plugins");
    // It stands for those who do not keep to the rules.
    let hostile = plugins.join("testbench/src/hostile.rs");
    for file in files("rs").into_iter().filter(|it| it.starts_with(&plugins) && *it != hostile) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            !text.contains("unsafe"),
            "{}: a plugin is safe Rust, the unsafe part is plugin-api's; see ARCHITECTURE.md",
            file.display()
        );
    }
}

/// Where the server may begin a connection: the connector, the databases that the
/// operator names, and the commands that speak to a server of their own.
const CONNECTS: &[&str] = &["server/src/egress/", "server/src/database/postgres/", "server/src/cli/"];

#[test]
fn nothing_but_the_connector_connects_to_elsewhere() {
    for file in files("rs").into_iter().filter(|it| it.starts_with(root().join("server/src"))) {
        let name = file.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let is_test = name.contains("/tests") || name.ends_with("/testing.rs");
        if is_test || CONNECTS.iter().any(|place| name.starts_with(place)) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("mod tests {").next().unwrap_or_default();
        for word in ["TcpStream::connect", "reqwest::Client", "lookup_host", "ToSocketAddrs"] {
            assert!(
                !code.contains(word),
                "{name} uses `{word}`: requests go out through `egress::Connector`; see ARCHITECTURE.md"
            );
        }
    }
    let dial = fs::read_to_string(root().join("server/src/egress/dial.rs")).unwrap();
    assert_eq!(dial.matches("TcpStream::connect").count(), 1);
    assert!(dial.contains("TcpStream::connect(checked.address())"), "it connects to what was checked");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The project's files with this extension.
fn files(extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy();
            if name.starts_with('.') || name == "target" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == extension) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no file ends in `.{extension}`");
    found
}

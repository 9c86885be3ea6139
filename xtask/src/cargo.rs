//! Asks cargo to build, and where it put what it built.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::Failure;

/// The package, and the executable, of the server.
const SERVER: &str = "mcp-universal-server";

/// The plugins that every installation has: the packages `plugin-…`.
const BUNDLED: &[&str] = &["about", "core", "database", "files", "http", "llm", "prompts"];

/// How to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

/// What a build made.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Built {
    /// The server's executable.
    pub(crate) server: PathBuf,
    /// Each bundled plugin's library.
    pub(crate) plugins: Vec<PathBuf>,
    /// The library of each other plugin that was asked for.
    pub(crate) more: Vec<PathBuf>,
    /// The executable of each other package that was asked for.
    pub(crate) programs: Vec<PathBuf>,
}

/// The workspace's folder.
pub(crate) fn root() -> Result<PathBuf, Failure> {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    package.as_deref().and_then(Path::parent).map(Path::to_owned).ok_or_else(not_under_cargo)
}

/// The cargo that runs this program, in the workspace's folder.
pub(crate) fn cargo() -> Result<Command, Failure> {
    let mut cargo = Command::new(env::var_os("CARGO").ok_or_else(not_under_cargo)?);
    cargo.current_dir(root()?);
    Ok(cargo)
}

/// The folder that cargo builds in.
pub(crate) fn target() -> Result<PathBuf, Failure> {
    let output = cargo()?
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    let metadata = serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default();
    text(&metadata, "/target_directory")
        .map(PathBuf::from)
        .ok_or_else(|| "cargo did not say where it builds".to_owned())
}

/// Builds the server, the bundled plugins, more plugins and more programs: all at
/// once, so that cargo builds what they share in one way.
pub(crate) fn build(profile: Profile, more: &[&str], programs: &[&str]) -> Result<Built, Failure> {
    let mut build = cargo()?;
    build.args(["build", "--message-format=json-render-diagnostics", "--package", SERVER]);
    for plugin in BUNDLED.iter().chain(more) {
        build.args(["--package", &format!("plugin-{plugin}")]);
    }
    build.args(programs.iter().flat_map(|package| ["--package", package]));
    if profile == Profile::Release {
        build.arg("--release");
    }
    let output =
        build.stderr(Stdio::inherit()).output().map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        return Err("the build failed; what it says stands above".to_owned());
    }
    artifacts(&String::from_utf8_lossy(&output.stdout), more, programs)
}

/// Picks the server and the plugins out of cargo's messages.
fn artifacts(messages: &str, more: &[&str], programs: &[&str]) -> Result<Built, Failure> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let artifacts =
        messages.filter(|message| text(message, "/reason") == Some("compiler-artifact")).collect::<Vec<_>>();
    let of = |target: &str| {
        let target = target.to_owned();
        artifacts.iter().filter(move |it| text(it, "/target/name") == Some(&target))
    };
    let program = |package: &str| {
        let found = of(package).find_map(|it| text(it, "/executable"));
        found.map(PathBuf::from).ok_or_else(|| not_built(package))
    };
    let libraries = |plugins: &[&str]| {
        let libraries = plugins.iter().map(|plugin| {
            let target = format!("plugin_{plugin}");
            let found = of(&target).find_map(library);
            found.ok_or_else(|| not_built(&target))
        });
        libraries.collect::<Result<Vec<_>, _>>()
    };
    Ok(Built {
        plugins: libraries(BUNDLED)?,
        more: libraries(more)?,
        programs: programs.iter().map(|package| program(package)).collect::<Result<_, _>>()?,
        server: program(SERVER)?,
    })
}

/// The text at a place of a JSON document.
pub(crate) fn text<'a>(json: &'a Value, pointer: &str) -> Option<&'a str> {
    json.pointer(pointer)?.as_str()
}

/// The dynamic library among an artifact's files.
fn library(artifact: &Value) -> Option<PathBuf> {
    let files = artifact.get("filenames")?.as_array()?;
    files
        .iter()
        .filter_map(Value::as_str)
        .map(PathBuf::from)
        .find(|file| file.extension().is_some_and(|it| it == env::consts::DLL_EXTENSION))
}

fn not_built(target: &str) -> Failure {
    format!("cargo did not say where it put `{target}`")
}

fn not_under_cargo() -> Failure {
    "this program is run by cargo: `cargo xtask`".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = r#"
        {"reason":"compiler-artifact","target":{"kind":["lib"],"name":"serde"},"filenames":["/t/deps/libserde.rlib"],"executable":null}
        {"reason":"build-script-executed","package_id":"serde"}
        Some build script wrote this line.
        {"reason":"compiler-artifact","target":{"kind":["cdylib","rlib"],"name":"plugin_core"},"filenames":["/t/libplugin_core.rlib","/t/libplugin_core.so"],"executable":null}
        {"reason":"compiler-artifact","target":{"kind":["cdylib","rlib"],"name":"plugin_about"},"filenames":["/t/libplugin_about.so"],"executable":null}
        {"reason":"compiler-artifact","target":{"kind":["cdylib","rlib"],"name":"plugin_database"},"filenames":["/t/libplugin_database.so"],"executable":null}
        {"reason":"compiler-artifact","target":{"kind":["cdylib","rlib"],"name":"plugin_files"},"filenames":["/t/libplugin_files.so"],"executable":null}
        {"reason":"compiler-artifact","target":{"kind":["cdylib","rlib"],"name":"plugin_http"},"filenames":["/t/libplugin_http.so"],"executable":null}
        {"reason":"compiler-artifact","target":{"kind":["cdylib","rlib"],"name":"plugin_llm"},"filenames":["/t/libplugin_llm.so"],"executable":null}
        {"reason":"compiler-artifact","target":{"kind":["cdylib","rlib"],"name":"plugin_prompts"},"filenames":["/t/libplugin_prompts.so"],"executable":null}
        {"reason":"compiler-artifact","target":{"kind":["cdylib","rlib"],"name":"plugin_extra"},"filenames":["/t/libplugin_extra.so"],"executable":null}
        {"reason":"compiler-artifact","target":{"kind":["bin"],"name":"measure"},"filenames":["/t/measure"],"executable":"/t/measure"}
        {"reason":"compiler-artifact","target":{"kind":["lib"],"name":"mcp_universal_server"},"filenames":["/t/libmcp_universal_server.rlib"],"executable":null}
        {"reason":"compiler-artifact","target":{"kind":["bin"],"name":"mcp-universal-server"},"filenames":["/t/mcp-universal-server"],"executable":"/t/mcp-universal-server"}
        {"reason":"build-finished","success":true}
    "#;

    #[test]
    fn the_paths_are_those_that_cargo_says() {
        let built = artifacts(MESSAGES, &["extra"], &["measure"]).unwrap();
        assert_eq!(built.server, Path::new("/t/mcp-universal-server"));
        let plugins = [
            "/t/libplugin_about.so",
            "/t/libplugin_core.so",
            "/t/libplugin_database.so",
            "/t/libplugin_files.so",
            "/t/libplugin_http.so",
            "/t/libplugin_llm.so",
            "/t/libplugin_prompts.so",
        ];
        assert_eq!(built.plugins, plugins.map(PathBuf::from));
        assert_eq!(built.more, [Path::new("/t/libplugin_extra.so")]);
        assert_eq!(built.programs, [Path::new("/t/measure")]);
    }

    #[test]
    fn a_path_that_cargo_does_not_say_is_an_error() {
        for (without, expected) in [
            ("libplugin_core.so", "cargo did not say where it put `plugin_core`"),
            ("\"executable\":\"/t/mcp", "cargo did not say where it put `mcp-universal-server`"),
        ] {
            let messages =
                MESSAGES.lines().filter(|line| !line.contains(without)).collect::<Vec<_>>().join("\n");
            assert_eq!(artifacts(&messages, &[], &[]), Err(expected.to_owned()));
        }
    }
}

//! The files of a new plugin: its crate, and the SDK beside it.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use plugin_contract::{InvalidName, PluginName};

/// The SDK's sources, by their path below its folder.
const SDK: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// The plugin's own files, as they are for one that is called `hello`: a plugin of
/// this workspace, and what makes a crate of it that stands alone.
const CRATE: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("template/manifest.toml")),
    ("src/lib.rs", include_str!("../../../../../plugins/hello/src/lib.rs")),
    ("rustfmt.toml", include_str!("../../../../../rustfmt.toml")),
    ("development.yaml", include_str!("template/development.yaml")),
    ("README.md", include_str!("template/readme.md")),
    (".github/workflows/plugin.yml", include_str!("template/workflow.yml")),
    (".gitignore", include_str!("template/gitignore")),
];

/// The name that these files have for the plugin.
const NAME: &str = "hello";
/// And for what cargo calls its library.
const LIBRARY: &str = "@library@";

/// Plugins that every server has already.
const BUNDLED: [&str; 7] = ["about", "core", "database", "files", "http", "llm", "prompts"];

/// What cargo or the compiler takes for something else, where a crate is called so:
/// keywords, crates that the plugin uses, and those that come with the compiler.
const TAKEN: &str = "abstract alloc as async await become box break const continue crate do dyn else enum \
     extern false final fn for gen if impl in let loop macro match mod move mut override plugin-abi \
     plugin-api plugin-contract priv proc-macro pub ref return schemars self serde serde-json static std \
     struct super test trait true try type typeof unsafe unsized use virtual where while yield";

/// So that names of tools, which may have 64 characters, can begin with it.
const LONGEST: usize = 48;

/// Reads the name of a plugin that can be written.
pub(super) fn name(text: &str) -> Result<PluginName, InvalidName> {
    let invalid = |rule| Err(InvalidName::new("name for a new plugin", text, rule));
    let name: PluginName = text.parse()?;
    if text.len() > LONGEST {
        return invalid("names of its tools begin with it, so it has at most 48 characters");
    }
    if BUNDLED.contains(&text) {
        return invalid("a plugin that comes with the server is called so");
    }
    if TAKEN.split_whitespace().any(|taken| taken == text) {
        return invalid("it means something else to Rust, as the name of a crate");
    }
    Ok(name)
}

/// Writes a plugin of this name into `folder`, which is empty. `token` is what its
/// author connects to `plugin run` with.
pub(super) fn write(folder: &Path, name: &PluginName, token: &str) -> io::Result<()> {
    let library = name.as_str().replace('-', "_");
    for (path, text) in CRATE {
        let text = text.replace(LIBRARY, &library).replace(NAME, name.as_str());
        file(&folder.join(path), 0o666, text.as_bytes())?;
    }
    file(&folder.join(".env"), 0o600, format!("DEVELOPER_TOKEN={token}\n").as_bytes())?;
    let sdk = folder.join("plugin-api");
    SDK.iter().try_for_each(|(path, bytes)| file(&sdk.join(path), 0o666, bytes))
}

fn file(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use server_core::config;

    use super::*;

    #[test]
    fn a_name_is_a_plugins_and_a_crates_and_nobodys_yet() {
        for good in ["hello", "acme-weather", "a", "x1"] {
            assert_eq!(name(good).unwrap().as_str(), good);
        }
        let long = "a".repeat(49);
        for (bad, rule) in [
            ("", "1 to 64 of a-z, 0-9 and `-`, beginning with a letter"),
            ("../x", "1 to 64 of a-z, 0-9 and `-`, beginning with a letter"),
            ("Hello", "1 to 64 of a-z, 0-9 and `-`, beginning with a letter"),
            (long.as_str(), "names of its tools begin with it, so it has at most 48 characters"),
            ("core", "a plugin that comes with the server is called so"),
            ("fn", "it means something else to Rust, as the name of a crate"),
            ("plugin-api", "it means something else to Rust, as the name of a crate"),
        ] {
            let error = name(bad).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{bad}` is no ")) && error.ends_with(rule), "{error}");
        }
    }

    #[test]
    fn every_bundled_plugin_has_its_name_to_itself() {
        let settings = config::without_file("0123456789-0123456789-0123456789-0123456789").unwrap();
        let bundled: Vec<_> = settings.plugins.entries.keys().map(PluginName::as_str).collect();
        assert_eq!(bundled, BUNDLED);
    }

    #[test]
    fn the_sdk_needs_nothing_of_the_workspace() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-api");
        for (path, bytes) in SDK {
            if !path.ends_with("Cargo.toml") {
                assert_eq!(&fs::read(root.join(path)).unwrap(), bytes, "{path}");
                continue;
            }
            let text = std::str::from_utf8(bytes).unwrap();
            assert!(!text.contains("workspace") && text.contains("\nrust-version = \"1."), "{path}: {text}");
        }
        for path in ["Cargo.toml", "build.rs", "src/lib.rs", "abi/src/lib.rs", "contract/src/op/http.rs"] {
            assert!(SDK.iter().any(|(it, _)| *it == path), "{path}");
        }
    }
}

//! Tells the crate which machine it is built for: plugins must be built for the same.
//! And packs the sources of the SDK, so that `plugin new` can put them beside a crate:
//! until it is published, there is no other way to it without this repository.
//!
//! Writes `sdk.rs`, a list of paths below `plugin-api` with what each file holds.
//! Manifests that inherit from the workspace are written out.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// What of the SDK a plugin is built from.
const PARTS: [&str; 7] =
    ["Cargo.toml", "build.rs", "src", "abi/Cargo.toml", "abi/src", "contract/Cargo.toml", "contract/src"];

fn main() -> Result<(), Box<dyn Error>> {
    let server = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let root = server.parent().ok_or("the server has no folder")?;
    let sdk = root.join("plugin-api");
    let workspace = Workspace::of(&fs::read_to_string(root.join("Cargo.toml"))?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut say = io::stdout();
    let target = env::var("TARGET")?;
    writeln!(say, "cargo::rerun-if-changed=build.rs\ncargo::rustc-env=SERVER_TARGET={target}")?;
    writeln!(say, "cargo::rerun-if-changed={}", root.join("Cargo.toml").display())?;

    let mut files = Vec::new();
    for part in PARTS {
        writeln!(say, "cargo::rerun-if-changed={}", sdk.join(part).display())?;
        collect(&sdk.join(part), &mut files)?;
    }
    let mut list = String::from("[\n");
    for (number, file) in files.iter().enumerate() {
        let path = file.strip_prefix(&sdk)?.display().to_string();
        let source = if path.ends_with("Cargo.toml") {
            let written = out.join(format!("sdk-{number}.toml"));
            fs::write(&written, workspace.written_out(&fs::read_to_string(file)?)?)?;
            written
        } else {
            file.clone()
        };
        list.push_str(&format!("    ({path:?}, include_bytes!({:?})),\n", source.display().to_string()));
    }
    list.push_str("]\n");
    fs::write(out.join("sdk.rs"), list)?;
    Ok(())
}

/// The files at a path, in the order of their names.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = fs::read_dir(path)?.map(|it| Ok(it?.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    entries.iter().try_for_each(|entry| collect(entry, files))
}

/// What packages inherit, by key.
struct Workspace {
    package: BTreeMap<String, String>,
    dependencies: BTreeMap<String, String>,
}

impl Workspace {
    fn of(manifest: &str) -> Self {
        let section = |name: &str| {
            let lines = manifest.lines().skip_while(|line| *line != name).skip(1);
            let lines = lines.take_while(|line| !line.starts_with('['));
            lines
                .filter_map(|line| line.split_once(" = "))
                .map(|(key, value)| (key.into(), value.into()))
                .collect()
        };
        Self { package: section("[workspace.package]"), dependencies: section("[workspace.dependencies]") }
    }

    /// A manifest with all that it inherits, but for lints, which are no matter of
    /// whoever builds it.
    fn written_out(&self, manifest: &str) -> Result<String, Box<dyn Error>> {
        let mut text = String::new();
        let mut section = "";
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line;
            }
            if section.starts_with("[lints") {
                continue;
            }
            let Some(key) = line.strip_suffix(".workspace = true") else {
                text.push_str(line);
                text.push('\n');
                continue;
            };
            let inherited = if section == "[package]" { &self.package } else { &self.dependencies };
            let value = inherited.get(key).ok_or_else(|| format!("the workspace has no `{key}`"))?;
            // The SDK's crates lie within one another.
            text.push_str(&format!("{key} = {}\n", value.replace("\"plugin-api/", "\"")));
        }
        Ok(format!("{}\n", text.trim_end()))
    }
}

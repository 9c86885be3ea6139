//! Which release of each plugin has run here, so that none goes back: an old,
//! rightly signed version may be the one with the hole.

use std::{
    collections::BTreeMap,
    fs::{DirBuilder, File},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use plugin_contract::{Manifest, Package, PluginName};
use serde::{Deserialize, Serialize};
use server_core::registry::Refusal;

use super::{fault::Fault, folder};

const FILE: &str = "plugin-releases.json";
const MAX_FILE: u64 = 16 << 20;

/// The highest release of each plugin that was loaded, in a file.
#[derive(Debug)]
pub(crate) struct Marks {
    file: PathBuf,
    marks: BTreeMap<PluginName, Mark>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    release: u64,
    version: semver::Version,
    sha256: String,
}

impl Marks {
    /// Reads the marks of the server that keeps its state in `state_dir`. A file
    /// that cannot be read is a refusal: without it, every downgrade would pass.
    pub(crate) fn read(state_dir: &Path) -> Result<Self, Refusal> {
        let file = state_dir.join(FILE);
        let marks = match folder::read_file(&file, MAX_FILE)? {
            None => BTreeMap::new(),
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                let fault = Fault::new(
                    "marks_invalid",
                    format!("it does not tell which plugin releases ran here: {error}"),
                    "restore it from a backup; or delete it, and every release counts as new",
                );
                fault.at(&file)
            })?,
        };
        Ok(Self { file, marks })
    }

    /// Refuses a package that is older than one that ran here, or that claims to
    /// be one that ran here and has other bytes.
    pub(crate) fn check(&self, package: &Package) -> Result<(), Fault> {
        let Package { manifest, artifact, .. } = package;
        let Some(mark) = self.marks.get(&manifest.name) else { return Ok(()) };
        let Mark { release, version, sha256 } = mark;
        let ran = format!("{version}, release {release}");
        if manifest.release < *release {
            let Manifest { name, version, release: old, .. } = manifest;
            return Err(Fault::new(
                "downgrade",
                format!("it is version {version}, release {old}; what ran here is newer: version {ran}"),
                format!(
                    "install release {release} or a later one; to go back on purpose, remove `{name}` from {}",
                    self.file.display()
                ),
            ));
        }
        let same = manifest.release == *release || manifest.version == *version;
        if same && artifact.sha256 != *sha256 {
            return Err(Fault::new(
                "changed_under_same_version",
                format!(
                    "its library is another one than that of version {ran}, which ran here, and it claims the same {}",
                    if manifest.version == *version { "version" } else { "release" }
                ),
                "give a changed plugin a new version and a higher release, and sign it again",
            ));
        }
        Ok(())
    }

    /// Remembers a package that was loaded, on disk before this returns.
    pub(crate) fn record(&mut self, package: &Package) -> Result<(), Refusal> {
        let mark = Mark {
            release: package.manifest.release,
            version: package.manifest.version.clone(),
            sha256: package.artifact.sha256.clone(),
        };
        let name = &package.manifest.name;
        if self.marks.get(name) == Some(&mark) {
            return Ok(());
        }
        let mut marks = self.marks.clone();
        marks.insert(name.clone(), mark);
        write(&self.file, &marks).map_err(|error| {
            let fault = Fault::new(
                "marks_unwritable",
                format!("that `{name}` ran here cannot be remembered: {error}"),
                "make the folder writable for the server's user (`state.dir`)",
            );
            fault.at(&self.file)
        })?;
        self.marks = marks;
        Ok(())
    }
}

/// Replaces the file in one step, so that a crash leaves the old or the new one.
fn write(file: &Path, marks: &BTreeMap<PluginName, Mark>) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut next = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer_pretty(&mut next, marks)?;
    next.write_all(b"\n")?;
    next.as_file().sync_all()?;
    next.persist(file)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::plugin::testing::{package, put};

    fn release(version: &str, release: u64, library: &str) -> Package {
        let mut package = package();
        package.manifest.version = version.parse().unwrap();
        package.manifest.release = release;
        package.artifact.sha256 = library.to_owned();
        package
    }

    #[test]
    fn a_plugin_only_ever_goes_forward() {
        let state = tempfile::tempdir().unwrap();
        let mut marks = Marks::read(state.path()).unwrap();
        let first = release("1.2.0", 12, "aa");
        marks.check(&first).unwrap();
        marks.record(&first).unwrap();

        let marks = Marks::read(state.path()).unwrap();
        let file = state.path().join("plugin-releases.json");
        for (package, refusal) in [
            (release("1.2.0", 12, "aa"), None),
            (release("1.3.0", 13, "bb"), None),
            (
                release("1.1.0", 11, "bb"),
                Some((
                    "downgrade",
                    "it is version 1.1.0, release 11; what ran here is newer: version 1.2.0, release 12".to_owned(),
                    format!(
                        "install release 12 or a later one; to go back on purpose, remove `weather` from {}",
                        file.display()
                    ),
                )),
            ),
            (
                release("1.2.0", 13, "bb"),
                Some((
                    "changed_under_same_version",
                    "its library is another one than that of version 1.2.0, release 12, which ran here, and it claims the same version".to_owned(),
                    "give a changed plugin a new version and a higher release, and sign it again".to_owned(),
                )),
            ),
            (
                release("1.2.1", 12, "bb"),
                Some((
                    "changed_under_same_version",
                    "its library is another one than that of version 1.2.0, release 12, which ran here, and it claims the same release".to_owned(),
                    "give a changed plugin a new version and a higher release, and sign it again".to_owned(),
                )),
            ),
        ] {
            let refused = marks.check(&package).err().map(|fault| fault.at(Path::new("")));
            let expected = refusal.map(|(code, message, help)| Refusal {
                place: PathBuf::new(),
                code,
                message,
                help,
            });
            assert_eq!(refused, expected);
        }
    }

    #[test]
    fn the_file_is_the_servers_alone() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join("new");
        let mut marks = Marks::read(&folder).unwrap();
        marks.record(&release("1.2.0", 12, "aa")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join(FILE)), 0o600);
    }

    #[test]
    fn a_file_that_says_nothing_lets_nothing_pass() {
        let state = tempfile::tempdir().unwrap();
        put(state.path().join(FILE), "{");
        let refusal = Marks::read(state.path()).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            format!(
                "plugin refused: {}: it does not tell which plugin releases ran here: EOF while parsing an object at line 1 column 1; restore it from a backup; or delete it, and every release counts as new",
                state.path().join(FILE).display()
            )
        );
    }
}

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

use super::{fault::Fault, folder::Folder};

const FILE: &str = "plugin-releases.json";
const MAX_FILE: u64 = 16 << 20;

/// Releases of one plugin that are remembered.
const MAX_RELEASES: usize = 256;

/// The releases of each plugin that ran here, in a file.
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
    /// Those before it, the oldest first; a file of earlier versions has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    before: Vec<Release>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    release: u64,
    version: semver::Version,
    sha256: String,
}

impl Mark {
    fn last(&self) -> Release {
        let Self { release, version, sha256, .. } = self.clone();
        Release { release, version, sha256 }
    }

    /// With a release after those it knows.
    fn and(mark: Option<&Self>, Release { release, version, sha256 }: Release) -> Self {
        let mut before: Vec<_> =
            mark.into_iter().flat_map(|it| it.before.iter().cloned().chain([it.last()])).collect();
        before.retain(|it| it.release != release);
        let forgotten = (before.len() + 1).saturating_sub(MAX_RELEASES);
        before.drain(..forgotten);
        Self { release, version, sha256, before }
    }
}

impl Marks {
    /// Reads the marks of the server that keeps its state in `state_dir`. A file
    /// that cannot be read, or that others could have put there, is a refusal:
    /// without it, every downgrade would pass.
    pub(crate) fn read(state_dir: &Path) -> Result<Self, Refusal> {
        let file = state_dir.join(FILE);
        let bytes = match Folder::open(state_dir)? {
            Some(folder) => folder.read(FILE, MAX_FILE)?,
            None => None,
        };
        let marks = match bytes {
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
        let Release { release, version, .. } = &mark.last();
        if manifest.release < *release {
            let (ran, Manifest { name, version, release: old, .. }) = (version, manifest);
            return Err(Fault::new(
                "downgrade",
                format!(
                    "it is version {version}, release {old}; what ran here is newer: version {ran}, release {release}"
                ),
                format!(
                    "install release {release} or a later one; to go back on purpose, remove `{name}` from {}",
                    self.file.display()
                ),
            ));
        }
        let claims = |it: &&Release| {
            (it.release == manifest.release || it.version == manifest.version) && it.sha256 != artifact.sha256
        };
        if let Some(Release { release, version, .. }) = mark.before.iter().chain([&mark.last()]).find(claims)
        {
            return Err(Fault::new(
                "changed_under_same_version",
                format!(
                    "its library is another one than that of version {version}, release {release}, which ran here, and it claims the same {}",
                    if manifest.version == *version { "version" } else { "release" }
                ),
                "give a changed plugin a new version and a higher release, and sign it again",
            ));
        }
        Ok(())
    }

    /// Remembers a package that was loaded, on disk before this returns.
    pub(crate) fn record(&mut self, package: &Package) -> Result<(), Refusal> {
        let ran = Release {
            release: package.manifest.release,
            version: package.manifest.version.clone(),
            sha256: package.artifact.sha256.clone(),
        };
        let name = &package.manifest.name;
        let known = self.marks.get(name);
        if known.is_some_and(|mark| mark.last() == ran) {
            return Ok(());
        }
        let mut marks = self.marks.clone();
        marks.insert(name.clone(), Mark::and(known, ran));
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
mod tests;

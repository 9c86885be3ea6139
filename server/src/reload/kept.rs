//! Configurations that were in force: the last five, to go back to, and a copy
//! of the latest in `state.dir`, to start from if the files cannot be used.

use std::{
    collections::VecDeque,
    fs::{DirBuilder, File},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use server_core::{config::Source, registry::Refusal};

use super::status::KeptGeneration;
use crate::plugin::folder::{self, Folder, Links};

/// How many generations before the current one can be put in force again.
const GENERATIONS: usize = 5;

/// The copy's name in `state.dir`.
const FILE: &str = "last-good.json";
/// More than all files of a configuration may hold, written as JSON.
const MAX_FILE: u64 = 128 << 20;

/// A configuration as it was written, without its secrets.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// The generation with which it came into force.
    pub(super) generation: u64,
    pub(super) config_sha256: String,
    pub(super) since: Timestamp,
    /// config.yaml, then the files that it includes.
    pub(super) sources: Arc<[Source]>,
}

/// The last configurations that were in force, the current one last.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Kept>);

impl History {
    /// A configuration has come into force.
    pub(super) fn add(&mut self, kept: Kept) {
        self.0.push_back(kept);
        while self.0.len() > GENERATIONS + 1 {
            self.0.pop_front();
        }
    }

    /// Of a generation, by default the one before the current one.
    pub(super) fn find(&self, generation: Option<u64>) -> Option<&Kept> {
        let mut before = self.0.iter().rev().skip(1);
        match generation {
            // A generation in which only plugins changed has the configuration
            // of the one before it.
            Some(generation) => self.0.iter().rev().find(|kept| kept.generation <= generation),
            None => before.next(),
        }
    }

    /// Those that can be found, the latest first.
    pub(super) fn list(&self) -> Vec<KeptGeneration> {
        let entry = |kept: &Kept| KeptGeneration {
            generation: kept.generation,
            config_sha256: kept.config_sha256.clone(),
            since: kept.since,
        };
        self.0.iter().rev().map(entry).collect()
    }
}

/// The copy, as it is written.
#[derive(Serialize, Deserialize)]
struct Copy {
    saved: Timestamp,
    config_sha256: String,
    sources: Vec<CopiedSource>,
}

#[derive(Serialize, Deserialize)]
struct CopiedSource {
    path: PathBuf,
    text: String,
}

/// Why there is no copy to start from.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoCopy {
    /// There is none, or it cannot be read.
    #[error("there is no copy of the last good configuration at {}: {error}", path.display())]
    Unreadable {
        /// The copy.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Replaces the copy in one step.
pub(super) fn save(state_dir: &Path, kept: &Kept) -> io::Result<()> {
    let sources = kept
        .sources
        .iter()
        .map(|source| CopiedSource { path: source.path.clone(), text: source.text.clone() });
    let copy =
        Copy { saved: kept.since, config_sha256: kept.config_sha256.clone(), sources: sources.collect() };
    DirBuilder::new().recursive(true).mode(0o700).create(state_dir)?;
    // Made for its owner only: a plugin's configuration may hold anything.
    let mut next = tempfile::NamedTempFile::new_in(state_dir)?;
    // Written at once: a large configuration is a hundred thousand pieces of JSON.
    let mut text = serde_json::to_vec_pretty(&copy)?;
    text.push(b'\n');
    next.write_all(&text)?;
    next.as_file().sync_all()?;
    next.persist(state_dir.join(FILE))?;
    File::open(state_dir)?.sync_all()
}

/// Reads the copy back, to start from. Whoever can write it decides who may do
/// what, so one that others could have written is none.
pub(super) fn load(state_dir: &Path) -> Result<Vec<Source>, NoCopy> {
    let read = || -> io::Result<Vec<u8>> {
        let refused = |refusal: Refusal| {
            io::Error::other(format!("{}: {}; {}", refusal.place.display(), refusal.message, refusal.help))
        };
        let folder = Folder::open(state_dir).map_err(refused)?.ok_or(io::ErrorKind::NotFound)?;
        Ok(folder.read(FILE, MAX_FILE).map_err(refused)?.ok_or(io::ErrorKind::NotFound)?)
    };
    let copy = read().and_then(|bytes| sources(&bytes));
    copy.map_err(|error| NoCopy::Unreadable { path: state_dir.join(FILE), error })
}

/// The configuration that was in force last on a server that keeps its state in
/// `state_dir`, if there was one: config.yaml, then the files it included. To be
/// looked at only: somebody else may have written it.
#[must_use]
pub fn last_good(state_dir: &Path) -> Option<Vec<Source>> {
    let bytes = folder::look(&state_dir.join(FILE), MAX_FILE, Links::Refuse);
    bytes.and_then(|bytes| sources(&bytes)).ok()
}

fn sources(bytes: &[u8]) -> io::Result<Vec<Source>> {
    let copy: Copy = serde_json::from_slice(bytes)?;
    Ok(copy.sources.into_iter().map(|it| Source { path: it.path, text: it.text }).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn kept(generation: u64) -> Kept {
        Kept {
            generation,
            config_sha256: format!("{generation:064}"),
            since: Timestamp::UNIX_EPOCH,
            sources: Arc::new([Source {
                path: "config.yaml".into(),
                text: format!("version: 1 # {generation}\n"),
            }]),
        }
    }

    #[test]
    fn five_generations_before_the_current_one_can_be_found() {
        let mut history = History::default();
        for generation in [1, 2, 3, 5, 6, 7, 8] {
            history.add(kept(generation));
        }
        for (asked, found) in
            [(None, Some(7)), (Some(8), Some(8)), (Some(4), Some(3)), (Some(2), Some(2)), (Some(1), None)]
        {
            assert_eq!(history.find(asked).map(|kept| kept.generation), found, "{asked:?}");
        }
        assert_eq!(history.list().iter().map(|it| it.generation).collect::<Vec<_>>(), [8, 7, 6, 5, 3, 2]);
    }

    #[test]
    fn the_first_generation_has_none_before_it() {
        let mut history = History::default();
        assert!(history.find(None).is_none());
        history.add(kept(1));
        assert!(history.find(None).is_none());
    }

    #[test]
    fn a_copy_is_for_its_owner_only_and_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let none = load(&state).unwrap_err().to_string();
        assert!(none.starts_with("there is no copy of the last good configuration at "), "{none}");
        for generation in [1, 2] {
            save(&state, &kept(generation)).unwrap();
            let [source] = load(&state).unwrap().try_into().unwrap();
            assert_eq!(source.text, format!("version: 1 # {generation}\n"));
        }
        assert!(last_good(&state).is_some());
        let mode = std::fs::metadata(state.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(&state).unwrap().count(), 1);
    }

    #[test]
    fn a_copy_that_others_could_have_written_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (state, copy) = (folder.path().join("state"), folder.path().join("state").join(FILE));
        save(&state, &kept(1)).unwrap();
        for (path, mode) in [(&copy, 0o666), (&state, 0o777)] {
            let right = std::fs::metadata(path).unwrap().permissions();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
            let none = load(&state).unwrap_err().to_string();
            assert!(none.contains("writable") || none.contains("write"), "{none}");
            std::fs::set_permissions(path, right).unwrap();
        }
        assert!(load(&state).is_ok());
        std::fs::remove_file(&copy).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &copy, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(load(&state).unwrap_err().to_string().contains("no regular file"));
        assert!(last_good(&state).is_none());
    }
}

//! The kernel's file events, which make a look come sooner. Whether anything has
//! changed is for the files' content to say.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ffi::OsString,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};
use tokio::sync::Notify;
use tracing::warn;

use super::status::ReloadStatus;

/// How many symbolic links lead to a file at most; the kernel's own bound.
const LINKS: usize = 40;

/// Watches folders. An event in one of them is a hint that a look is worth it.
pub(super) struct FileEvents {
    hint: Arc<Notify>,
    status: Arc<ReloadStatus>,
    watcher: Option<RecommendedWatcher>,
    /// By path, each with what was there when its watch was set: a watch stays
    /// with a folder that is moved away, and sees nothing of the one in its place.
    folders: BTreeMap<PathBuf, FolderId>,
    /// Events were lost, so the watches may be too.
    broken: Arc<AtomicBool>,
}

type FolderId = (u64, u64);

impl FileEvents {
    /// Watches nothing yet.
    pub(super) fn new(hint: Arc<Notify>, status: Arc<ReloadStatus>) -> Self {
        let mut events =
            Self { hint, status, watcher: None, folders: BTreeMap::new(), broken: Arc::default() };
        events.begin();
        events
    }

    /// Watches the folders through which `files` are reached, and `folders`
    /// themselves; no others any more.
    pub(super) fn follow<'p>(
        &mut self,
        files: impl IntoIterator<Item = &'p Path>,
        folders: impl IntoIterator<Item = PathBuf>,
    ) {
        if self.broken.swap(false, Ordering::Relaxed) {
            self.begin();
        }
        let Some(watcher) = &mut self.watcher else { return };
        let paths: BTreeSet<PathBuf> = files.into_iter().flat_map(hops).chain(folders).collect();
        let wanted: BTreeMap<PathBuf, FolderId> =
            paths.into_iter().filter_map(|path| Some((path.clone(), folder_id(&path)?))).collect();
        for (path, id) in &self.folders {
            if wanted.get(path) != Some(id) {
                // It is gone, or the watch with it.
                let _ = watcher.unwatch(path);
            }
        }
        for (path, id) in &wanted {
            if self.folders.get(path) == Some(id) {
                continue;
            }
            if let Err(error) = watcher.watch(path, RecursiveMode::NonRecursive) {
                self.status.update(|status| status.watch_errors += 1);
                warn!(target: "config", %error, folder = %path.display(), "the folder cannot be watched; changes are polled");
            }
        }
        self.folders = wanted;
    }

    fn begin(&mut self) {
        self.folders.clear();
        let (hint, broken, status) = (self.hint.clone(), self.broken.clone(), self.status.clone());
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            match &event {
                // Our own reads arrive as accesses too; to wake up for them would
                // never end.
                Ok(event) if is_read(event.kind) => return,
                Ok(event) if !event.need_rescan() => {}
                Ok(_) | Err(_) => {
                    status.update(|status| status.watch_errors += 1);
                    broken.store(true, Ordering::Relaxed);
                }
            }
            hint.notify_one();
        });
        self.watcher = watcher
            .inspect_err(|error| {
                self.status.update(|status| status.watch_errors += 1);
                warn!(target: "config", %error, "the kernel's file events are not available; changes are polled");
            })
            .ok();
    }
}

fn is_read(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

fn folder_id(path: &Path) -> Option<FolderId> {
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_dir)?;
    Some((metadata.dev(), metadata.ino()))
}

/// Every folder in which a change may lead a path elsewhere: the one that holds
/// the file, and those of the links on the way. A mounted ConfigMap, for one, is
/// a link to a link, and only the second is ever replaced.
fn hops(path: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let Ok(path) = std::path::absolute(path) else { return folders };
    let mut ahead: VecDeque<OsString> = parts(&path);
    let mut at = PathBuf::from("/");
    let mut links = 0;
    while let Some(part) = ahead.pop_front() {
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        match fs::read_link(&next) {
            Ok(target) if links < LINKS => {
                links += 1;
                folders.push(at.clone());
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                let mut through = parts(&target);
                through.append(&mut ahead);
                ahead = through;
            }
            _ => at = next,
        }
    }
    at.pop();
    folders.push(at);
    folders
}

fn parts(path: &Path) -> VecDeque<OsString> {
    use std::path::Component::{Normal, ParentDir};

    let parts = path.components().filter(|part| matches!(part, Normal(_) | ParentDir));
    parts.map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_link_on_the_way_to_a_file_is_a_hop() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        for name in ["mount", "mount/..v1", "other"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        fs::write(root.join("mount/..v1/config.yaml"), "").unwrap();
        symlink("..v1", root.join("mount/..data")).unwrap();
        symlink("..data/config.yaml", root.join("mount/config.yaml")).unwrap();
        symlink(root.join("mount"), root.join("other/link")).unwrap();
        let hops: BTreeSet<_> = hops(&root.join("other/link/../mount/config.yaml")).into_iter().collect();
        let expected = ["mount", "mount/..v1", "other"].map(|name| root.join(name));
        assert_eq!(hops, BTreeSet::from(expected));
    }

    #[test]
    fn links_that_lead_in_a_circle_end() {
        let folder = tempfile::tempdir().unwrap();
        symlink("b", folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("b")).unwrap();
        assert!(hops(&folder.path().join("a")).len() <= LINKS + 1);
    }

    #[tokio::test]
    async fn a_folder_that_is_replaced_is_watched_again() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("folder");
        let file = folder.join("file");
        fs::create_dir(&folder).unwrap();
        let hint = Arc::new(Notify::new());
        let mut events = FileEvents::new(hint.clone(), Arc::default());
        for number in 0..3 {
            events.follow([file.as_path()], []);
            fs::write(&file, number.to_string()).unwrap();
            hint.notified().await;
            fs::rename(&folder, root.path().join(number.to_string())).unwrap();
            fs::create_dir(&folder).unwrap();
        }
    }
}

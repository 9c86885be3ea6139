//! What tells whether anything changed since the last time.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::cargo::Built;

/// The state of what was built and of what is staged in `place`, one line a file.
pub(super) fn of(built: &Built, place: &Path) -> io::Result<String> {
    let mut files = vec![built.server.clone()];
    files.extend_from_slice(&built.plugins);
    walk(place, &mut files)?;
    files.iter().map(|file| line(file)).collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files.push(path.clone());
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// A file's contents are told by its inode and the time it was last written.
fn line(file: &Path) -> io::Result<String> {
    let it = fs::symlink_metadata(file)?;
    Ok(format!(
        "{:o} {} {} {}.{:09} {}\n",
        it.mode(),
        it.ino(),
        it.len(),
        it.mtime(),
        it.mtime_nsec(),
        file.display()
    ))
}

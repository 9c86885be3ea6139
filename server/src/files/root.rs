//! The one way to a file: beneath its root, and as what it is.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use plugin_contract::op::FileKind;
use rustix::{
    fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2},
    io::Errno,
};
use server_core::settings::FileRoot;
use tracing::warn;

use super::{FileError, path::Below};

/// The kernel follows no `..` out of the root, no symbolic link at all, and enters
/// no other file system that is mounted below it.
///
/// A link that stays beneath the root would be safe to follow, but then a name
/// would no longer say which file it is: what is hidden could be read by another
/// name, and a search could go in circles. Mounts are refused for the sake of
/// /proc, /sys and /dev, where a plain file is no plain file.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_XDEV);

/// A root, opened.
pub(crate) struct Root<'s> {
    pub(super) name: &'s str,
    pub(super) settings: &'s FileRoot,
    folder: OwnedFd,
}

impl<'s> Root<'s> {
    /// Opens the folder as the operator wrote it, links and all. Once for each
    /// call, so that a folder that was replaced is the new one.
    pub(crate) fn open(name: &'s str, settings: &'s FileRoot) -> Result<Self, FileError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(CWD, &settings.path, flags, Mode::empty()).map_err(|error| {
            warn!(
                target: "files",
                root = name,
                path = %settings.path.display(),
                %error,
                "a file root cannot be opened: see `files.roots.{name}.path`"
            );
            FileError::failed(format!("root `{name}` cannot be read at present"))
        })?;
        let root = Self { name, settings, folder };
        // What is not there for the root itself is not there at all.
        match openat2(&root.folder, ".", flags, Mode::empty(), BENEATH) {
            Err(error @ (Errno::NOSYS | Errno::PERM)) => {
                let message = "files cannot be read safely here: the server needs Linux 5.6 or newer, \
                               and no sandbox around it that forbids `openat2`";
                warn!(target: "files", %error, "{message}");
                Err(FileError::failed(message))
            }
            _ => Ok(root),
        }
    }

    /// The path that an agent wrote, unless the root hides it.
    pub(super) fn path(&self, text: &str) -> Result<Below, FileError> {
        let path = Below::parse(text)?;
        path.shown_by(self.name, self.settings)?;
        Ok(path)
    }

    /// A folder, to see what is in it.
    pub(super) fn folder(&self, path: &Below) -> Result<OwnedFd, FileError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        self.beneath(path, flags).map_err(|error| self.error(path, error))
    }

    /// A file and how large it is. What is none is never opened, since opening a
    /// device or a pipe may do something: first comes a look at what it is.
    pub(super) fn file(&self, path: &Below) -> Result<(File, u64), FileError> {
        let look = |flags| {
            let opened = self.beneath(path, flags)?;
            Ok((fstat(&opened)?, opened))
        };
        let error = |error| self.error(path, error);
        let (seen, _) = look(OFlags::PATH).map_err(error)?;
        match kind(&seen) {
            FileKind::File => {}
            FileKind::Folder => {
                return Err(FileError::invalid(format!("`{path}` is a folder: list it instead")));
            }
            FileKind::Symlink | FileKind::Other => {
                return Err(FileError::invalid(format!("`{path}` is a device, a pipe or a socket")));
            }
        }
        let (opened, file) = look(OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY).map_err(error)?;
        if (opened.st_dev, opened.st_ino, opened.st_mode) != (seen.st_dev, seen.st_ino, seen.st_mode) {
            return Err(FileError::failed(format!("`{path}` was replaced just now: try again")));
        }
        Ok((File::from(file), u64::try_from(opened.st_size).unwrap_or_default()))
    }

    fn beneath(&self, path: &Below, flags: OFlags) -> Result<OwnedFd, Errno> {
        openat2(&self.folder, path.as_str(), flags | OFlags::CLOEXEC, Mode::empty(), BENEATH)
    }

    pub(super) fn error(&self, path: &Below, error: Errno) -> FileError {
        let root = self.name;
        match error {
            Errno::NOENT => FileError::not_found(format!("root `{root}` has no `{path}`")),
            Errno::NOTDIR => FileError::not_found(format!("`{path}`, or a part of it, is no folder")),
            Errno::LOOP => FileError::invalid(format!(
                "`{path}` is a symbolic link or leads through one: links are not followed"
            )),
            Errno::XDEV => FileError::invalid(format!(
                "`{path}` is on another file system, which has to be a root of its own"
            )),
            Errno::ACCESS | Errno::PERM => FileError::failed(format!("the server may not read `{path}`")),
            error => {
                let error = io::Error::from(error);
                FileError::failed(format!("`{path}` cannot be read: {error}"))
            }
        }
    }
}

impl AsFd for Root<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }
}

/// What a file is.
pub(super) fn kind(stat: &Stat) -> FileKind {
    kind_of(FileType::from_raw_mode(stat.st_mode))
}

pub(super) fn kind_of(file_type: FileType) -> FileKind {
    match file_type {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Folder,
        FileType::Symlink => FileKind::Symlink,
        _ => FileKind::Other,
    }
}

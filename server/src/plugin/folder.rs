//! Folders that plugins are read from. Whoever can write one can run code in the
//! server, so nothing is read that others could have written, and nothing through
//! a link.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStringExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{self, AtFlags, CWD, FileType, Mode, OFlags, Stat},
    io::Errno,
    process,
};
use server_core::registry::Refusal;

use super::fault::Fault;

/// How files are opened: a pipe or a device must not make anybody wait.
pub(crate) const FILE: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);
/// The same for folders.
pub(crate) const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// The code of what the system does not let be read.
pub(crate) const UNREADABLE: &str = "unreadable";
const NO_FILE: &str = "it is no regular file";
const LINK: &str = "it is a symbolic link, which is not followed";

/// An open folder that nobody but root and the server's user can write.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

/// What may be a plugin in a folder of plugins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) name: OsString,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Folder,
    LinkToFolder,
    /// A library that somebody forgot to put into a folder.
    Library,
}

/// Whether a file may be reached through a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    Follow,
    Refuse,
}

/// Tells one content of a file from another. Whoever can write a file can set the
/// time it was modified, but not the time it was changed. That clock ticks every
/// few milliseconds, which is why files must have stood unchanged for longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, u64),
    changed: (i64, u64),
}

impl Stamp {
    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

impl Folder {
    /// Opens the folder that an operator names; a link there is the operator's
    /// own. `None` if there is none.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, Refusal> {
        match Self::open_at(CWD, path.as_os_str(), path, OFlags::empty()) {
            Ok(folder) => Ok(Some(folder)),
            Err(OpenError::Missing) => Ok(None),
            Err(OpenError::Refused(refusal)) => Err(refusal),
        }
    }

    /// The folders and libraries in this one, hidden ones left out, in the order of
    /// their names.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>, Refusal> {
        list(self.fd.as_fd()).map_err(|error| unreadable(error).at(&self.path))
    }

    /// Opens one of [`entries`](Self::entries).
    pub(crate) fn enter(&self, entry: &Entry) -> Result<Self, Refusal> {
        let path = self.path.join(&entry.name);
        match entry.kind {
            Kind::Folder => {}
            Kind::LinkToFolder => return Err(link("folder").at(&path)),
            Kind::Library => {
                let fault = Fault::new(
                    "library_alone",
                    "it is a library that lies in no plugin's folder",
                    "put it into a folder of its own, as `plugin sign` makes it",
                );
                return Err(fault.at(&path));
            }
        }
        match Self::open_at(&self.fd, &entry.name, &path, OFlags::NOFOLLOW) {
            Ok(folder) => Ok(folder),
            Err(OpenError::Missing) => Err(unreadable(Errno::NOENT).at(&path)),
            Err(OpenError::Refused(refusal)) => Err(refusal),
        }
    }

    /// Reads a file of this folder, once, if it is there and not larger than `max`.
    pub(crate) fn read(&self, name: &str, max: u64) -> Result<Option<Vec<u8>>, Refusal> {
        let place = self.path.join(name);
        match fs::openat(&self.fd, name, FILE | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(fd) => read(fd, max).map(Some).map_err(|fault| fault.at(&place)),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP) => Err(link("file").at(&place)),
            Err(error) => Err(unreadable(error).at(&place)),
        }
    }

    /// What the system says of a file of this folder, if it says anything.
    pub(crate) fn stamp(&self, name: &str) -> Option<Stamp> {
        fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).ok().as_ref().map(Stamp::of)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn open_at(at: impl AsFd, name: &OsStr, path: &Path, flags: OFlags) -> Result<Self, OpenError> {
        let fd = match fs::openat(at, name, FOLDER | flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Err(OpenError::Missing),
            Err(error) => return Err(OpenError::Refused(unreadable(error).at(path))),
        };
        fs::fstat(&fd)
            .map_err(unreadable)
            .and_then(|stat| owned(&stat))
            .map_err(|fault| OpenError::Refused(fault.at(path)))?;
        Ok(Self { fd, path: path.to_owned() })
    }
}

impl Entry {
    /// Whether it is a folder itself, and no link to one.
    pub(crate) fn is_folder(&self) -> bool {
        self.kind == Kind::Folder
    }
}

/// The folders and libraries in an open folder, hidden ones left out, in the order
/// of their names.
pub(crate) fn list(folder: BorrowedFd<'_>) -> rustix::io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_bytes().starts_with(b".") {
            continue;
        }
        let stat = match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // Gone since it was listed.
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(error),
        };
        let link = kind(&stat) == FileType::Symlink;
        let target = fs::statat(folder, name, AtFlags::empty()).map(|stat| kind(&stat));
        let kind = match target {
            Ok(FileType::Directory) if link => Kind::LinkToFolder,
            Ok(FileType::Directory) => Kind::Folder,
            Ok(FileType::RegularFile) if name.to_bytes().ends_with(b".so") => Kind::Library,
            _ => continue,
        };
        entries.push(Entry { name: OsString::from_vec(name.to_bytes().to_vec()), kind });
    }
    entries.sort_unstable();
    Ok(entries)
}

enum OpenError {
    Missing,
    Refused(Refusal),
}

/// Reads a file that an operator names, such as a public key. Links are followed.
/// `None` if there is none.
pub(crate) fn read_file(path: &Path, max: u64) -> Result<Option<Vec<u8>>, Refusal> {
    match fs::open(path, FILE, Mode::empty()) {
        Ok(fd) => read(fd, max).map(Some).map_err(|fault| fault.at(path)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(unreadable(error).at(path)),
    }
}

/// Reads a file for somebody at a terminal, who may read what others wrote, but
/// waits for no pipe and fills no memory.
pub(crate) fn look(path: &Path, max: u64, links: Links) -> io::Result<Vec<u8>> {
    let flags = match links {
        Links::Follow => FILE,
        Links::Refuse => FILE | OFlags::NOFOLLOW,
    };
    let fd = fs::open(path, flags, Mode::empty()).map_err(|error| match (error, links) {
        (Errno::LOOP, Links::Refuse) => io::Error::other(LINK),
        (error, _) => error.into(),
    })?;
    let stat = fs::fstat(&fd)?;
    if kind(&stat) != FileType::RegularFile {
        return Err(io::Error::other(NO_FILE));
    }
    bytes(fd, &stat, max)?.ok_or_else(|| io::Error::other(too_large(max)))
}

fn read(fd: OwnedFd, max: u64) -> Result<Vec<u8>, Fault> {
    let stat = fs::fstat(&fd).map_err(unreadable)?;
    if kind(&stat) != FileType::RegularFile {
        return Err(Fault::new("not_a_file", NO_FILE, "put the file itself there"));
    }
    owned(&stat)?;
    bytes(fd, &stat, max).map_err(unreadable)?.ok_or_else(|| {
        Fault::new("file_too_large", too_large(max), "install the file that the plugin's author signed")
    })
}

/// A regular file's bytes; `None` if they are more than `max`.
pub(crate) fn bytes(fd: OwnedFd, stat: &Stat, max: u64) -> io::Result<Option<Vec<u8>>> {
    if u64::try_from(stat.st_size).is_ok_and(|size| size > max) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    // One byte more than allowed, to see whether there is one: the file may grow
    // between the look at its size and here.
    File::from(fd).take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= max).then_some(bytes))
}

fn too_large(max: u64) -> String {
    format!("it is larger than {max} bytes")
}

pub(crate) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Refuses what others than root and the server's user could have written.
fn owned(stat: &Stat) -> Result<(), Fault> {
    owned_by(stat.st_mode, stat.st_uid, process::geteuid().as_raw())
}

fn owned_by(mode: u32, owner: u32, server: u32) -> Result<(), Fault> {
    let mode = mode & 0o7777;
    if mode & 0o022 != 0 {
        return Err(Fault::new(
            "writable_by_others",
            format!("group or others can write it (mode {mode:04o})"),
            "run `chmod go-w` on it, and look whether what it holds is what you put there",
        ));
    }
    if owner != 0 && owner != server {
        return Err(Fault::new(
            "foreign_owner",
            format!("it belongs to user {owner}, neither root nor the server's user {server}"),
            "run `chown root` on it, and look whether what it holds is what you put there",
        ));
    }
    Ok(())
}

fn link(what: &str) -> Fault {
    Fault::new("symbolic_link", LINK, format!("put the {what} itself there"))
}

fn unreadable(error: impl Into<io::Error>) -> Fault {
    let error: io::Error = error.into();
    Fault::new(UNREADABLE, format!("it cannot be read: {error}"), "make it readable for the server's user")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_the_servers_user_may_have_written_what_is_read() {
        for (mode, owner, server, message) in [
            (0o100_644, 0, 1000, ""),
            (0o100_644, 1000, 1000, ""),
            (0o040_700, 0, 0, ""),
            (0o100_644, 1001, 1000, "it belongs to user 1001, neither root nor the server's user 1000"),
            (0o100_644, 1000, 0, "it belongs to user 1000, neither root nor the server's user 0"),
            (0o100_664, 1000, 1000, "group or others can write it (mode 0664)"),
            (0o041_777, 0, 0, "group or others can write it (mode 1777)"),
        ] {
            let refusal = owned_by(mode, owner, server).map_err(|fault| fault.at(Path::new("")));
            assert_eq!(refusal.err().map_or(String::new(), |it| it.message), message);
        }
    }
}

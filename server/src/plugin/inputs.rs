//! What a load of plugins depends on, as far as it can be seen in passing. The
//! server looks several times a second, so it reads what is small and takes large
//! files by what the kernel says of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::ffi::OsStringExt,
    },
    path::{Path, PathBuf},
};

use jiff::civil::Date;
use rustix::{
    fs::{self, AtFlags, CWD, FileType, Mode, OFlags, Stat},
    io::Errno,
};
use server_core::{
    id::KeyName,
    settings::{KeySource, PluginSettings},
};
use sha2::{Digest, Sha256};

use super::{
    Installation,
    folder::{self, Entry, FILE, Stamp},
    package::{MANIFEST, MAX_MANIFEST, MAX_SIGNATURE, SIGNATURE},
    trust::MAX_KEY_FILE,
};

/// What a load depends on. Two that are equal promise the same of a load, as long
/// as the configuration is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginInputs {
    roots: Vec<(PathBuf, Result<Root, Errno>)>,
    /// The installation's own key, if the settings trust it.
    key: Option<(PathBuf, File)>,
    /// Trusted keys whose last day is over.
    expired: BTreeSet<KeyName>,
}

/// A folder of plugins' folders.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Root {
    access: Access,
    entries: Vec<(Entry, Option<Result<Plugin, Errno>>)>,
}

/// A plugin's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plugin {
    access: Access,
    files: BTreeMap<OsString, File>,
}

/// Who could have written a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Access {
    mode: u32,
    owner: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum File {
    /// One that is small: its content counts.
    Small(Access, [u8; 32]),
    /// One that is not.
    Large(Access, Stamp),
    /// A folder, a link, a pipe, or a file that plugins are not made of: that it
    /// is there counts.
    Other(FileType),
    Unseen(Errno),
}

impl PluginInputs {
    /// Looks at all of it. Nothing of it is believed, so nothing is refused, and
    /// whatever cannot be read is a part of what is seen.
    pub(crate) fn now(installation: &Installation, settings: &PluginSettings, today: Date) -> Self {
        let bundled = installation.folder(settings);
        let trusts_installed = settings.trusted_keys.values().any(|key| key.minisign == KeySource::Installed);
        let key = trusts_installed.then(|| {
            let path = installation.key(&bundled);
            let file = small(CWD, path.as_os_str(), OFlags::empty(), MAX_KEY_FILE);
            (path, file.unwrap_or_else(File::Unseen))
        });
        let expired = settings.trusted_keys.iter().filter(|(_, key)| key.expired(today));
        let roots = [Some(&bundled), settings.dir.as_ref()];
        Self {
            roots: roots.into_iter().flatten().map(|path| (path.clone(), root(path))).collect(),
            key,
            expired: expired.map(|(name, _)| name.clone()).collect(),
        }
    }

    /// The folders in which changes are to be expected, as far as they are there.
    #[must_use]
    pub fn folders(&self) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        for (path, root) in &self.roots {
            let Ok(root) = root else { continue };
            folders.push(path.clone());
            let plugins = root.entries.iter().filter(|(_, plugin)| matches!(plugin, Some(Ok(_))));
            folders.extend(plugins.map(|(entry, _)| path.join(&entry.name)));
        }
        if let Some((key, _)) = &self.key
            && let Some(folder) = key.parent().filter(|folder| folder.is_dir())
            && !folders.iter().any(|it| it == folder)
        {
            folders.push(folder.to_owned());
        }
        folders
    }
}

impl Access {
    fn of(stat: &Stat) -> Self {
        Self { mode: stat.st_mode & 0o7777, owner: stat.st_uid }
    }
}

fn root(path: &Path) -> Result<Root, Errno> {
    let fd = fs::open(path, folder::FOLDER, Mode::empty())?;
    let look = |entry: Entry| {
        let plugin = entry.is_folder().then(|| plugin(fd.as_fd(), &entry.name));
        (entry, plugin)
    };
    let entries = folder::list(fd.as_fd())?.into_iter().map(look).collect();
    Ok(Root { access: Access::of(&fs::fstat(&fd)?), entries })
}

fn plugin(root: BorrowedFd<'_>, name: &OsStr) -> Result<Plugin, Errno> {
    let fd = fs::openat(root, name, folder::FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
    let mut files = BTreeMap::new();
    for entry in fs::Dir::read_from(&fd)? {
        let name = entry?.file_name().to_bytes().to_vec();
        // Whoever copies files gives them such names until they are whole.
        if !name.starts_with(b".") {
            let name = OsString::from_vec(name);
            let file = file(fd.as_fd(), &name).unwrap_or_else(File::Unseen);
            files.insert(name, file);
        }
    }
    Ok(Plugin { access: Access::of(&fs::fstat(&fd)?), files })
}

fn file(folder: BorrowedFd<'_>, name: &OsStr) -> Result<File, Errno> {
    let stat = fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = folder::kind(&stat);
    let max = match name.to_str() {
        _ if kind != FileType::RegularFile => return Ok(File::Other(kind)),
        Some(MANIFEST) => MAX_MANIFEST,
        Some(SIGNATURE) => MAX_SIGNATURE,
        Some(library) if library.ends_with(".so") => {
            return Ok(File::Large(Access::of(&stat), Stamp::of(&stat)));
        }
        _ => return Ok(File::Other(kind)),
    };
    small(folder, name, OFlags::NOFOLLOW, max)
}

fn small(folder: BorrowedFd<'_>, name: &OsStr, flags: OFlags, max: u64) -> Result<File, Errno> {
    let fd = fs::openat(folder, name, FILE | flags, Mode::empty())?;
    let stat = fs::fstat(&fd)?;
    let kind = folder::kind(&stat);
    if kind != FileType::RegularFile {
        return Ok(File::Other(kind));
    }
    let bytes =
        folder::bytes(fd, &stat, max).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    Ok(match bytes {
        Some(bytes) => File::Small(Access::of(&stat), Sha256::digest(bytes).into()),
        None => File::Large(Access::of(&stat), Stamp::of(&stat)),
    })
}

#[cfg(test)]
mod tests;

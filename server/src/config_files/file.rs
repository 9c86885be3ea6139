//! Reading a file that may turn out to be anything: never more than a limit,
//! and nothing that could keep the reader waiting for somebody to write.

use std::{
    fs::{FileType, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is none, or no right to read it, …
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A pipe, a folder, …
    #[error("it is {0}, not a regular file")]
    NotRegular(&'static str),
    /// More than anybody needs.
    #[error("it is larger than {} KiB", .0 / 1024)]
    TooLarge(usize),
    /// Not text.
    #[error("it is not UTF-8 text: byte {0} is the first that is not")]
    NotUtf8(usize),
}

impl FileError {
    /// Whether there is no such file.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// The first `limit` bytes of a file.
pub(super) fn beginning(path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
    // Opening a named pipe, or a device that has nothing to say, would wait.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let kind = file.metadata()?.file_type();
    if !kind.is_file() {
        return Err(FileError::NotRegular(described(kind)));
    }
    let mut bytes = Vec::new();
    file.take(u64::try_from(limit).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Bytes as text, if there are at most `limit`.
pub(super) fn text(bytes: Vec<u8>, limit: usize) -> Result<String, FileError> {
    if bytes.len() > limit {
        return Err(FileError::TooLarge(limit));
    }
    String::from_utf8(bytes).map_err(|error| FileError::NotUtf8(error.utf8_error().valid_up_to()))
}

fn described(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_read_and_only_up_to_their_limit() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for (path, message) in [
            (folder.path(), "it is a folder, not a regular file"),
            (&pipe, "it is a named pipe, not a regular file"),
            (Path::new("/dev/zero"), "it is a device, not a regular file"),
        ] {
            assert_eq!(beginning(path, 1).unwrap_err().to_string(), message);
        }
        let file = folder.path().join("file");
        std::fs::write(&file, [b'x'; 4096]).unwrap();
        assert_eq!(beginning(&file, 10).unwrap(), [b'x'; 10]);
        assert_eq!(beginning(&file, 10_000).unwrap(), [b'x'; 4096]);
        assert!(beginning(&folder.path().join("none"), 1).unwrap_err().is_absent());
    }

    #[test]
    fn text_is_utf8_within_the_limit() {
        for (bytes, said) in [
            (b"abc".to_vec(), Ok("abc")),
            (vec![b'x'; 2049], Err("it is larger than 2 KiB")),
            (b"ab\xff".to_vec(), Err("it is not UTF-8 text: byte 2 is the first that is not")),
        ] {
            let text = text(bytes, 2048).map_err(|error| error.to_string());
            assert_eq!(text.as_deref().map_err(String::as_str), said);
        }
    }
}

//! A library in memory that nobody can change any more, not even this process:
//! what was verified is what is loaded.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, memfd_create},
    io::Errno,
};

use crate::plugin::{elf::Facts, fault::Fault, image::LibraryImage};

const SEALS: SealFlags =
    SealFlags::WRITE.union(SealFlags::GROW).union(SealFlags::SHRINK).union(SealFlags::SEAL);

/// A file without a name that holds a verified library.
#[derive(Debug)]
pub(crate) struct Sealed {
    fd: OwnedFd,
    size: u64,
    /// What it links to, where that is known.
    needed: Vec<String>,
}

impl Sealed {
    /// Copies the library and seals the copy.
    pub(crate) fn of(image: &LibraryImage) -> Result<Self, Fault> {
        Self::new(image).map_err(|error| {
            Fault::new(
                "memory_refused",
                format!("the system gives no memory to load it from: {error}"),
                "allow executable memfds (`sysctl vm.memfd_noexec` below 2), and enough memory",
            )
        })
    }

    /// One that another process made and sealed.
    pub(crate) fn received(fd: OwnedFd) -> io::Result<Self> {
        if !fcntl_get_seals(&fd)?.contains(SEALS) {
            return Err(io::Error::other("it is not sealed"));
        }
        let size = u64::try_from(fstat(&fd)?.st_size).map_err(io::Error::other)?;
        Ok(Self { fd, size, needed: Vec::new() })
    }

    /// Its bytes, by number.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The C library's libraries that it links to.
    pub(crate) fn needed(&self) -> &[String] {
        &self.needed
    }

    fn new(image: &LibraryImage) -> io::Result<Self> {
        let mut file = File::from(create()?);
        file.write_all(image.library().bytes())?;
        let fd = OwnedFd::from(file);
        fcntl_add_seals(&fd, SEALS)?;
        let needed = Facts::of(image.library().bytes()).map(|facts| facts.needed).unwrap_or_default();
        Ok(Self { needed, ..Self::received(fd)? })
    }
}

impl AsFd for Sealed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Kernels before 6.3 do not know the flag that later ones may insist on.
fn create() -> rustix::io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create("plugin", flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => memfd_create("plugin", flags),
        created => created,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn a_sealed_library_cannot_be_changed() {
        let library = LibraryImage::unchecked(b"library");
        let sealed = Sealed::new(&library).unwrap();
        let file = File::from(sealed.fd);
        let mut bytes = [0; 7];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"library");
        let refused = io::ErrorKind::PermissionDenied;
        assert_eq!(file.write_at(b"L", 0).unwrap_err().kind(), refused);
        assert_eq!(file.write_at(b"L", 7).unwrap_err().kind(), refused);
        assert_eq!(file.set_len(0).unwrap_err().kind(), refused);
    }
}

//! Hands verified bytes to the dynamic linker. All that is unsafe in loading
//! plugins is in this file.

#![allow(unsafe_code, reason = "running foreign code cannot be checked by a compiler")]

use std::{
    mem::ManuallyDrop,
    os::fd::{AsFd, AsRawFd},
};

use libloading::os::unix::{self, RTLD_LOCAL, RTLD_NOW};
use plugin_abi::abi_stable::library::{AbiHeader, AbiHeaderRef, ROOT_MODULE_LOADER_NAME_WITH_NUL};

use crate::plugin::{
    fault::{Fault, quote},
    in_process::{Sealed, mapping},
};

/// A library in this process. It stays there: what it made may point into it for
/// as long as the process lives, so nothing ever unloads one.
#[derive(Debug)]
pub(crate) struct Library {
    handle: ManuallyDrop<unix::Library>,
    /// Held for ever too: glibc knows a library by the name it was opened with,
    /// and would take `/proc/self/fd/7` for the one before, were 7 given out again.
    file: ManuallyDrop<Sealed>,
}

/// Whether the linker might have answered with another library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It might: this process loads many.
    Needed,
    /// This process loads no other, and may not look any more.
    Needless,
}

impl Library {
    /// Loads a library and runs its constructors.
    pub(crate) fn load(file: Sealed) -> Result<Self, Fault> {
        let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
        let flags = RTLD_NOW | RTLD_LOCAL | libc::RTLD_NODELETE;
        // SAFETY: the constructors that run here are those of a library which a
        // trusted key signed for running in this process, or, for `plugin sign`,
        // of one that its author is about to sign. Its bytes are sealed, so they
        // are those that were verified, and its segments are whole.
        let handle = unsafe { unix::Library::open(Some(&path), flags) };
        let handle = handle.map(ManuallyDrop::new).map_err(|error| {
            let cause = cause(&error);
            let cause = cause.strip_prefix(&path).unwrap_or(&cause).trim_start_matches(": ");
            Fault::new(
                "library_unloadable",
                format!("the dynamic linker refuses it: {}", quote(cause)),
                "build it on the oldest Linux it is to run on, without libraries that are missing here",
            )
        })?;
        Ok(Self { handle, file: ManuallyDrop::new(file) })
    }

    /// The memory that it was loaded from.
    pub(crate) fn file(&self) -> &Sealed {
        &self.file
    }

    /// The header that every plugin exports, not yet looked at.
    /// The linker knows libraries by name, so where there may have been another one
    /// before, it is `looked` whether this is it.
    pub(super) fn header(&self, looked: Look) -> Result<AbiHeaderRef, Fault> {
        let no_plugin = || {
            Fault::new(
                "no_plugin",
                "it is a library without a plugin in it",
                "export one with `plugin_api::export!`",
            )
        };
        let name = ROOT_MODULE_LOADER_NAME_WITH_NUL.as_bytes();
        // SAFETY: the symbol is only taken for an address here; a pointer to a byte
        // is valid for that, whatever stands there.
        let symbol = unsafe { self.handle.get::<*const u8>(name) }.map_err(|_| no_plugin())?;
        let address = symbol.as_raw_ptr().cast::<AbiHeader>();
        if address.is_null() || !address.is_aligned() {
            return Err(no_plugin());
        }
        let is_ours = match looked {
            Look::Needless => Ok(true),
            Look::Needed => mapping::is_from(address.addr(), size_of::<AbiHeader>(), self.file.as_fd()),
        };
        match is_ours {
            Ok(true) => {}
            Ok(false) => {
                return Err(Fault::new(
                    "wrong_library",
                    "the dynamic linker answered with another library than the one that was verified",
                    "restart the server; if it happens again, report it",
                ));
            }
            Err(error) => {
                return Err(Fault::new(
                    "mapping_unknown",
                    format!("where it was loaded to cannot be seen: {error}"),
                    "let the server read /proc/self/maps",
                ));
            }
        }
        // SAFETY: the symbol's address is a pointer to an `AbiHeader`, which is plain
        // bytes: aligned, and mapped whole from a file that nobody can change and
        // that is never unmapped. `upgrade` looks at its magic string before it takes
        // it for more.
        let header = unsafe { self.handle.get::<AbiHeaderRef>(name) }.map_err(|_| no_plugin())?;
        Ok(*header)
    }
}

/// Loads one of the C library's own libraries, before a plugin's that needs it.
pub(crate) fn preload(name: &str) -> Result<(), Fault> {
    // SAFETY: what plugins may link to is the C library's, and runs nothing when it
    // is loaded. It stays.
    let library = unsafe { unix::Library::open(Some(name), RTLD_NOW | RTLD_LOCAL) };
    library.map(std::mem::forget).map_err(|error| {
        Fault::new(
            "library_unloadable",
            format!("the dynamic linker refuses what it links to: {}", quote(&cause(&error))),
            "build it on the oldest Linux it is to run on, without libraries that are missing here",
        )
    })
}

/// The linker's own words, which libloading keeps behind its own.
fn cause(error: &libloading::Error) -> String {
    match error {
        libloading::Error::DlOpen { source } => source.to_string(),
        other => other.to_string(),
    }
}

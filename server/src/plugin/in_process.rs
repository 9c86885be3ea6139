//! Plugins inside the server's own process: their code is loaded for good, and
//! nothing but their signer's word keeps it in its place.

mod instance;
mod libraries;
mod library;
mod mapping;
mod module;
mod sealed;

pub(crate) use instance::InProcess;
pub(crate) use libraries::{Known, Libraries, Sha};
pub(crate) use library::{Library, preload};
pub(crate) use module::Module;
pub(crate) use sealed::Sealed;

pub use libraries::Retired;

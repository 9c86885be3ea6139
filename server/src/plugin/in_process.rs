//! Plugins inside the server's own process: their code is loaded for good, and
//! nothing but their signer's word keeps it in its place.

mod instance;
mod library;
mod mapping;
mod module;
mod sealed;

pub(crate) use instance::InProcess;
pub(crate) use library::Library;
pub(crate) use module::Module;

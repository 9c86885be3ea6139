//! A library's bytes: as they lie in a folder, and as they may be loaded.

use plugin_contract::Artifact;
use sha2::{Digest, Sha256};

use super::{elf::Facts, fault::Fault};

/// The code of a library that is not the one that was signed, or not yet.
pub(crate) const CHANGED: &str = "library_changed";

/// A library that somebody put somewhere.
pub(crate) struct RawLibrary {
    bytes: Vec<u8>,
    sha256: [u8; 32],
}

/// A library that may reach the dynamic linker: the one that was signed, and
/// nothing that would take the process down.
pub(crate) struct LibraryImage(RawLibrary);

impl RawLibrary {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let sha256 = Sha256::digest(&bytes).into();
        Self { bytes, sha256 }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(crate) fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    pub(crate) fn sha256_hex(&self) -> String {
        self.sha256.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Refuses another library than the one that was signed.
    pub(crate) fn is(&self, signed: &Artifact) -> Result<(), Fault> {
        if self.size() != signed.size {
            let message = format!("it has {} bytes, {} were signed", self.size(), signed.size);
            return Err(differs(&message));
        }
        if self.sha256_hex() != signed.sha256 {
            return Err(differs("its bytes were changed"));
        }
        Ok(())
    }
}

impl LibraryImage {
    /// The library that `signed` speaks of, which a trusted key vouches for.
    pub(crate) fn signed_as(signed: &Artifact, library: RawLibrary) -> Result<Self, Fault> {
        library.is(signed)?;
        Facts::of(library.bytes())?.check()?;
        Ok(Self(library))
    }

    /// A library that its own author is about to sign, and therefore trusts.
    pub(crate) fn of_its_author(library: RawLibrary) -> Result<Self, Fault> {
        Facts::of(library.bytes())?.check()?;
        Ok(Self(library))
    }

    /// Bytes that no test loads.
    #[cfg(test)]
    pub(crate) fn unchecked(bytes: &[u8]) -> Self {
        Self(RawLibrary::new(bytes.to_vec()))
    }

    pub(crate) fn library(&self) -> &RawLibrary {
        &self.0
    }
}

/// Refuses where there is no library, or another one.
pub(crate) fn differs(message: &str) -> Fault {
    Fault::new(
        CHANGED,
        format!("it is not the library that was signed: {message}"),
        "install the plugin's files again, all of them, as its author gave them",
    )
}

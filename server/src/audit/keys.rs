//! The keys of an audit: one signs checkpoints, the other makes hashes of arguments
//! that only its holder can compare with arguments.
//!
//! They do not lie in the audit's own folder, so that a copy of that gives neither
//! away; and the signing key may be kept elsewhere altogether (`audit.key`).

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use ed25519_dalek::Signer;
use hmac::{Hmac, Mac};
use server_core::secret::SigningKey;
use sha2::Sha256;

use super::chain::Hash;

/// The folder of the keys in `state.dir`.
const FOLDER: &str = "audit-keys";
const SIGNING: &str = "signing.key";
const ARGUMENTS: &str = "arguments.key";

/// Signs checkpoints.
#[derive(Clone)]
pub(crate) struct CheckpointKey(ed25519_dalek::SigningKey);

impl CheckpointKey {
    pub(crate) fn new(key: &SigningKey) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(key.expose()))
    }

    /// The key that checks its signatures.
    pub(crate) fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

/// Checks the signatures of checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(ed25519_dalek::VerifyingKey);

impl PublicKey {
    /// A key given as 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let Hash(bytes) = Hash::parse(text.to_ascii_lowercase().as_bytes())?;
        ed25519_dalek::VerifyingKey::from_bytes(&bytes).ok().map(Self)
    }

    /// Its 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        Hash(self.0.to_bytes()).to_string()
    }

    pub(crate) fn verifies(self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
    }
}

/// Makes keyed hashes of arguments.
#[derive(Clone)]
pub struct ArgumentsKey(Hmac<Sha256>);

impl ArgumentsKey {
    fn new(key: &SigningKey) -> Option<Self> {
        Hmac::new_from_slice(key.expose()).ok().map(Self)
    }

    /// The first 16 bytes of the HMAC-SHA256, in hexadecimal.
    #[must_use]
    pub fn hash(&self, arguments: &[u8]) -> String {
        let mut hmac = self.0.clone();
        hmac.update(arguments);
        let mut digits = Hash(hmac.finalize().into_bytes().into()).to_string();
        digits.truncate(32);
        digits
    }

    /// The one of a server that keeps its state in `state_dir`, if there is one.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is none.
    pub fn read(state_dir: &Path) -> io::Result<Self> {
        let path = path(state_dir, ARGUMENTS);
        let key = read(&path)?.ok_or(io::ErrorKind::NotFound)?;
        Self::new(&key).ok_or_else(|| no_key(&path))
    }
}

/// The key of `state_dir` that checkpoints are signed with where no other is
/// configured. It is made if there is none.
pub(crate) fn signing(state_dir: &Path) -> io::Result<CheckpointKey> {
    Ok(CheckpointKey::new(&read_or_make(&path(state_dir, SIGNING))?))
}

/// The key for hashes of arguments. It is made if there is none.
pub(crate) fn arguments(state_dir: &Path) -> io::Result<ArgumentsKey> {
    let path = path(state_dir, ARGUMENTS);
    ArgumentsKey::new(&read_or_make(&path)?).ok_or_else(|| no_key(&path))
}

/// The public half of a configured key.
#[must_use]
pub fn public_half(key: &SigningKey) -> PublicKey {
    CheckpointKey::new(key).public()
}

fn path(state_dir: &Path, name: &str) -> PathBuf {
    state_dir.join(FOLDER).join(name)
}

fn read_or_make(path: &Path) -> io::Result<SigningKey> {
    match read(path)? {
        Some(key) => Ok(key),
        None => make(path),
    }
}

fn read(path: &Path) -> io::Result<Option<SigningKey>> {
    match fs::read_to_string(path) {
        Ok(text) => SigningKey::from_hex(text.trim_end()).map(Some).ok_or_else(|| no_key(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Made beside its place and put there in one step: half a key is none.
fn make(path: &Path) -> io::Result<SigningKey> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(no_randomness)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let next = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
    writeln!(file, "{}", Hash(bytes))?;
    file.sync_all()?;
    fs::rename(&next, path)?;
    fs::File::open(folder)?.sync_all()?;
    Ok(SigningKey::new(bytes))
}

pub(crate) fn no_randomness(error: getrandom::Error) -> io::Error {
    io::Error::other(error.to_string())
}

fn no_key(path: &Path) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{} holds no key, which is 64 hexadecimal digits", path.display()),
    )
}

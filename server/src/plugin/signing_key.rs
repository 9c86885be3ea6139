//! Keys that sign plugins, in minisign's own format.

use std::{io, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use minisign::{KeyPair, PError, PublicKey, SecretKey, SecretKeyBox};

use super::{
    folder::{self, Links},
    signature::KeyId,
    trust::MAX_KEY_FILE,
};

/// What the `minisign` crate says of a password that does not fit.
const WRONG_PASSWORD: &str = "Wrong password for that key";
/// Where a key's bytes say how its password becomes a key; zeros are for none.
const DERIVATION: std::ops::Range<usize> = 2..4;
const SECRET_KEY_BYTES: usize = 158;

/// A secret key, ready to sign.
pub struct SigningKey(SecretKey);

/// A new pair of keys, as minisign writes them to files.
pub struct NewKeys {
    /// For the `.key` file.
    pub secret: String,
    /// For the `.pub` file.
    pub public: String,
    /// The line of the latter that goes into `plugins.trusted_keys`.
    pub public_line: String,
    /// The number by which signatures name the key.
    pub key_id: String,
}

/// A key that cannot be used or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Its file cannot be read.
    #[error("{}: it cannot be read: {error}", path.display())]
    Unreadable {
        /// Which file.
        path: Box<Path>,
        /// Why.
        error: io::Error,
    },
    /// There is no password to open it with.
    #[error("{}: the password cannot be read: {error}", path.display())]
    NoPassword {
        /// Which file.
        path: Box<Path>,
        /// Why.
        error: io::Error,
    },
    /// The password is another one.
    #[error("{}: the password is wrong", path.display())]
    WrongPassword {
        /// Which file.
        path: Box<Path>,
    },
    /// Something else is in the file.
    #[error("{}: it is no minisign secret key; `mcp-universal-server plugin keygen` makes one", path.display())]
    NoKey {
        /// Which file.
        path: Box<Path>,
    },
    /// The library failed.
    #[error("no key could be made: {0}")]
    Library(#[from] PError),
}

impl NewKeys {
    /// Makes a key. One with a password takes a second to open, on purpose.
    pub fn generate(password: Option<String>) -> Result<Self, KeyError> {
        let protected = password.is_some();
        let KeyPair { pk, mut sk } = KeyPair::generate_encrypted_keypair(Some(password.unwrap_or_default()))?;
        let key_id = key_id(pk.keynum());
        let comment = if protected {
            format!("minisign encrypted secret key {key_id}")
        } else {
            // minisign asks for a password unless the key says that it has none.
            let mut bytes = sk.to_bytes();
            if let Some(derivation) = bytes.get_mut(DERIVATION) {
                derivation.fill(0);
            }
            sk = SecretKey::from_bytes(&bytes)?;
            format!("minisign secret key {key_id}")
        };
        let public_line = pk.to_base64();
        Ok(Self {
            secret: sk.to_box(Some(&comment))?.into_string(),
            public: format!("untrusted comment: minisign public key {key_id}\n{public_line}\n"),
            public_line,
            key_id,
        })
    }
}

impl SigningKey {
    /// Reads a key's file. `password` is asked only for a key that has one.
    pub fn read(path: &Path, password: impl FnOnce() -> io::Result<String>) -> Result<Self, KeyError> {
        let place = || Box::from(path);
        let no_key = || KeyError::NoKey { path: place() };
        let text = folder::look(path, MAX_KEY_FILE, Links::Follow)
            .map_err(|error| KeyError::Unreadable { path: place(), error })?;
        let text = String::from_utf8(text).map_err(|_| no_key())?;
        let bytes = text.lines().nth(1).and_then(|line| BASE64.decode(line.trim()).ok());
        let bytes = bytes.filter(|bytes| bytes.len() == SECRET_KEY_BYTES).ok_or_else(no_key)?;
        // minisign writes no checksum into such a key, which the library demands.
        if bytes.get(DERIVATION) == Some(&[0, 0]) {
            return SecretKey::from_bytes(&bytes).map(Self).map_err(|_| no_key());
        }
        let open = |password: String| {
            let key = SecretKeyBox::from(text.clone()).into_secret_key(Some(password));
            key.map(Self).map_err(|error| error.to_string())
        };
        // Other tools leave a key open without saying so in it.
        match open(String::new()) {
            Err(error) if error == WRONG_PASSWORD => {}
            opened => return opened.map_err(|_| no_key()),
        }
        let password = password().map_err(|error| KeyError::NoPassword { path: place(), error })?;
        open(password).map_err(|error| match error.as_str() {
            WRONG_PASSWORD => KeyError::WrongPassword { path: place() },
            _ => no_key(),
        })
    }

    /// The number by which signatures name the key, as minisign prints it.
    #[must_use]
    pub fn key_id(&self) -> String {
        key_id(self.0.keynum())
    }

    /// The signature of `bytes`, as minisign writes it to a file.
    pub fn sign(&self, bytes: &[u8], trusted_comment: &str) -> Result<String, KeyError> {
        let untrusted = format!("signature from minisign secret key {}", self.key_id());
        let public = PublicKey::from_secret_key(&self.0)?;
        let signature =
            minisign::sign(Some(&public), &self.0, bytes, Some(trusted_comment), Some(&untrusted))?;
        Ok(signature.into_string())
    }
}

fn key_id(bytes: &[u8]) -> String {
    KeyId::new(bytes).map(|id| id.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::plugin::signature::{self, Signature};

    // Made with `minisign -G -W`, for this test alone.
    const MINISIGN_KEY: &str = "untrusted comment: minisign encrypted secret key\nRWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAATUySkbTCadUZ9qF1xAtoNDl2DhGqkGcGwN8PkR0tIbM0L8Svowcv1LCKasM+1ppnNaYCBtOOg/jG07dXb8Q+Ud0EPDa53CaWAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    const MINISIGN_PUBLIC: &str = "RWRNTJKRtMJp1bCKasM+1ppnNaYCBtOOg/jG07dXb8Q+Ud0EPDa53CaW";

    fn signs(keys: &NewKeys, secret: &SigningKey) {
        let signature = secret.sign(b"bytes", "weather 1.2.0 release=12").unwrap();
        let signature = Signature::parse(signature.as_bytes()).ok().unwrap();
        let public = signature::PublicKey::parse(&keys.public).unwrap();
        assert!(public.verifies(b"bytes", &signature));
        assert_eq!(signature.comment(), "weather 1.2.0 release=12");
        assert_eq!(secret.key_id(), keys.key_id);
        assert_eq!(public.id().to_string(), keys.key_id);
    }

    #[test]
    fn a_key_without_a_password_opens_without_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("team.key");
        let keys = NewKeys::generate(None).unwrap();
        fs::write(&path, &keys.secret).unwrap();
        let secret = SigningKey::read(&path, || panic!("it has no password")).unwrap();
        signs(&keys, &secret);
    }

    #[test]
    fn a_key_that_minisign_made_without_a_password_signs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("team.key");
        fs::write(&path, MINISIGN_KEY).unwrap();
        let secret = SigningKey::read(&path, || panic!("it has no password")).unwrap();
        let signature = secret.sign(b"bytes", "weather 1.2.0 release=12").unwrap();
        let signature = Signature::parse(signature.as_bytes()).ok().unwrap();
        assert!(signature::PublicKey::parse(MINISIGN_PUBLIC).unwrap().verifies(b"bytes", &signature));
    }

    #[test]
    fn a_key_with_a_password_opens_with_that_one_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("team.key");
        let keys = NewKeys::generate(Some("correct horse".to_owned())).unwrap();
        fs::write(&path, &keys.secret).unwrap();
        let secret = SigningKey::read(&path, || Ok("correct horse".to_owned())).unwrap();
        signs(&keys, &secret);
        let wrong = SigningKey::read(&path, || Ok("battery staple".to_owned())).err().unwrap();
        assert_eq!(wrong.to_string(), format!("{}: the password is wrong", path.display()));
    }

    #[test]
    fn another_file_is_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("team.key");
        for text in ["", "x\ny\n", &NewKeys::generate(None).unwrap().public] {
            fs::write(&path, text).unwrap();
            let error = SigningKey::read(&path, || panic!("it has no password")).err().unwrap();
            assert_eq!(
                error.to_string(),
                format!(
                    "{}: it is no minisign secret key; `mcp-universal-server plugin keygen` makes one",
                    path.display()
                )
            );
        }
    }
}

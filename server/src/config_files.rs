//! The files a configuration is read from: config.yaml, `.env` beside it, and
//! the files its secrets name.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use server_core::config::{Environment, Source};
use sha2::{Digest, Sha256};

/// Where a configuration is read from.
#[derive(Clone, Debug)]
pub struct ConfigFiles {
    config: PathBuf,
    dotenv: PathBuf,
}

/// A configuration's files could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No such file, no right to read it, …
    #[error("cannot read {}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Not text.
    #[error("{} is not UTF-8 text: byte {at} is the first that is not", path.display())]
    NotUtf8 {
        /// Which file.
        path: PathBuf,
        /// Where.
        at: usize,
    },
    /// `.env` breaks its format.
    #[error("{}: {message}", path.display())]
    Dotenv {
        /// Which file.
        path: PathBuf,
        /// What is wrong, without the value.
        message: String,
    },
}

impl ConfigFiles {
    /// Reads `config`, and `.env` in the same folder.
    #[must_use]
    pub fn new(config: impl Into<PathBuf>) -> Self {
        let config = config.into();
        let dotenv = config.with_file_name(".env");
        Self { config, dotenv }
    }

    /// The configuration file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.config
    }

    /// Reads config.yaml and `.env` as they are now.
    pub fn read(&self) -> Result<(Source, SystemEnvironment), ReadError> {
        let bytes =
            fs::read(&self.config).map_err(|error| ReadError::Io { path: self.config.clone(), error })?;
        let text = String::from_utf8(bytes).map_err(|error| ReadError::NotUtf8 {
            path: self.config.clone(),
            at: error.utf8_error().valid_up_to(),
        })?;
        let environment = SystemEnvironment::with_dotenv(&self.dotenv)?;
        Ok((Source { path: self.config.clone(), text }, environment))
    }

    /// What the files and `secrets` hold now, as one digest; a file that cannot
    /// be read counts as such.
    #[must_use]
    pub fn fingerprint(&self, secrets: &[PathBuf]) -> [u8; 32] {
        let mut digest = Sha256::new();
        for path in [&self.config, &self.dotenv].into_iter().chain(secrets) {
            match fs::read(path) {
                Ok(bytes) => {
                    digest.update([1]);
                    digest.update(Sha256::digest(&bytes));
                }
                Err(_) => digest.update([0]),
            }
        }
        digest.finalize().into()
    }
}

/// The process's environment, then `.env`, and the file system.
#[derive(Debug, Default)]
pub struct SystemEnvironment {
    dotenv: HashMap<String, String>,
}

impl SystemEnvironment {
    fn with_dotenv(path: &Path) -> Result<Self, ReadError> {
        let lines = match dotenvy::from_path_iter(path) {
            Ok(lines) => lines,
            Err(error) if error.not_found() => return Ok(Self::default()),
            Err(dotenvy::Error::Io(error)) => return Err(ReadError::Io { path: path.to_owned(), error }),
            Err(error) => return Err(Self::malformed(path, &error)),
        };
        let dotenv = lines.collect::<Result<_, _>>().map_err(|error| Self::malformed(path, &error))?;
        Ok(Self { dotenv })
    }

    /// The library's own message quotes the line, which may hold a secret.
    fn malformed(path: &Path, error: &dotenvy::Error) -> ReadError {
        let message = match error {
            dotenvy::Error::LineParse(line, at) => {
                let name = line.split('=').next().unwrap_or_default().trim();
                format!(
                    "the line of `{name}` cannot be read from its character {at} on; write NAME=value, quoted if it holds spaces"
                )
            }
            _ => "cannot be read; write NAME=value, one a line".to_owned(),
        };
        ReadError::Dotenv { path: path.to_owned(), message }
    }
}

impl Environment for SystemEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().or_else(|| self.dotenv.get(name).cloned())
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        fs::read_to_string(path).map_err(|error| error.to_string())
    }
}

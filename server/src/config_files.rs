//! The files a configuration is read from: config.yaml, `.env` beside it, and
//! the files its secrets name.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    fmt,
    path::{Path, PathBuf},
};

use server_core::config::{Environment, Source};

mod dotenv;
mod file;
mod inputs;

pub use dotenv::{InvalidLine, Wrong};
pub use file::FileError;
pub use inputs::Inputs;

/// How much is read of config.yaml: more than 1 MiB, so that the compiler sees
/// that it is too large, by more than the character that the cut may spoil.
const CONFIG_BYTES: usize = (1 << 20) + 8;
const DOTENV_BYTES: usize = 1 << 20;
const SECRET_BYTES: usize = 64 << 10;

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
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: FileError,
    },
    /// `.env` breaks its format.
    #[error("{}:{error}", path.display())]
    Dotenv {
        /// Which file.
        path: PathBuf,
        /// What is wrong, without the value.
        error: InvalidLine,
    },
}

/// What came of reading config.yaml and `.env`.
pub struct Reading {
    /// The bytes of what was read.
    pub inputs: Inputs,
    /// Whether config.yaml was not read, but is one that was kept.
    pub is_kept: bool,
    /// What they say, if they can be read.
    pub content: Result<(Source, SystemEnvironment), ReadError>,
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
        self.reading().content
    }

    /// The same, and keeps in mind what was read.
    #[must_use]
    pub fn reading(&self) -> Reading {
        let config = file::beginning(&self.config, CONFIG_BYTES);
        let dotenv = file::beginning(&self.dotenv, DOTENV_BYTES + 1);
        let mut inputs = Inputs::default();
        inputs.record(&self.config, CONFIG_BYTES, &config);
        inputs.record(&self.dotenv, DOTENV_BYTES + 1, &dotenv);
        let content = self.source(config).and_then(|source| Ok((source, self.environment(dotenv)?)));
        Reading { inputs, is_kept: false, content }
    }

    /// A configuration that was read before, with `.env` as it is now.
    #[must_use]
    pub fn reading_of(&self, sources: &[Source]) -> Reading {
        let dotenv = file::beginning(&self.dotenv, DOTENV_BYTES + 1);
        let mut inputs = Inputs::default();
        inputs.record(&self.dotenv, DOTENV_BYTES + 1, &dotenv);
        let source = sources
            .first()
            .cloned()
            .unwrap_or_else(|| Source { path: self.config.clone(), text: String::new() });
        let content = self.environment(dotenv).map(|environment| (source, environment));
        Reading { inputs, is_kept: true, content }
    }

    fn source(&self, bytes: Result<Vec<u8>, FileError>) -> Result<Source, ReadError> {
        let text = bytes.and_then(|mut bytes| {
            if bytes.len() == CONFIG_BYTES
                && let Err(error) = std::str::from_utf8(&bytes)
                && error.error_len().is_none()
            {
                bytes.truncate(error.valid_up_to());
            }
            file::text(bytes, CONFIG_BYTES)
        });
        let text = text.map_err(|error| ReadError::File { path: self.config.clone(), error })?;
        Ok(Source { path: self.config.clone(), text })
    }

    fn environment(&self, bytes: Result<Vec<u8>, FileError>) -> Result<SystemEnvironment, ReadError> {
        let path = || self.dotenv.clone();
        let text = match bytes.and_then(|bytes| file::text(bytes, DOTENV_BYTES)) {
            Err(error) if error.is_absent() => String::new(),
            text => text.map_err(|error| ReadError::File { path: path(), error })?,
        };
        let dotenv = dotenv::parse(&text).map_err(|error| ReadError::Dotenv { path: path(), error })?;
        Ok(SystemEnvironment { dotenv, files: RefCell::default() })
    }
}

/// The process's environment, then `.env`, and the file system. It reads every
/// file once and keeps in mind what it read.
pub struct SystemEnvironment {
    dotenv: HashMap<String, String>,
    files: RefCell<BTreeMap<PathBuf, SecretFile>>,
}

struct SecretFile {
    inputs: Inputs,
    text: Result<String, String>,
}

impl SystemEnvironment {
    /// The files that were asked for, also those that could not be read.
    #[must_use]
    pub fn inputs(self) -> Inputs {
        let files = self.files.into_inner().into_values();
        files.fold(Inputs::default(), |all, file| all.and(file.inputs))
    }
}

/// Without the values.
impl fmt::Debug for SystemEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemEnvironment").finish_non_exhaustive()
    }
}

impl Environment for SystemEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().or_else(|| self.dotenv.get(name).cloned())
    }

    fn is_of_dotenv(&self, name: &str) -> bool {
        std::env::var(name).is_err() && self.dotenv.contains_key(name)
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        let read = || {
            let bytes = file::beginning(path, SECRET_BYTES + 1);
            let mut inputs = Inputs::default();
            inputs.record(path, SECRET_BYTES + 1, &bytes);
            let text = bytes.and_then(|bytes| file::text(bytes, SECRET_BYTES));
            SecretFile { inputs, text: text.map_err(|error| error.to_string()) }
        };
        self.files.borrow_mut().entry(path.to_owned()).or_insert_with(read).text.clone()
    }
}

#[cfg(test)]
mod tests;

//! The files a configuration is read from: config.yaml, those that it includes,
//! `.env` beside it, and the files its secrets name.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use server_core::config::Source;

mod dotenv;
mod environment;
mod file;
mod inputs;
mod pattern;

pub use dotenv::{InvalidLine, Wrong};
pub use environment::{KeptEnvironment, SystemEnvironment, process_secrets};
pub use file::FileError;
pub use inputs::Inputs;

use inputs::Kind;

/// Where a configuration is read from.
#[derive(Clone, Debug)]
pub struct ConfigFiles {
    config: PathBuf,
    dotenv: PathBuf,
    given: HashMap<String, String>,
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
    /// The bytes of both.
    pub inputs: Inputs,
    /// What they say, if they can be read.
    pub content: Result<(Source, SystemEnvironment), ReadError>,
}

impl ConfigFiles {
    /// Reads `config`, and `.env` in the same folder.
    #[must_use]
    pub fn new(config: impl Into<PathBuf>) -> Self {
        let config = config.into();
        let dotenv = config.with_file_name(".env");
        Self { config, dotenv, given: HashMap::new() }
    }

    /// With a variable that has this value where neither the process's environment nor
    /// `.env` has it.
    #[must_use]
    pub fn given(mut self, name: &str, value: &str) -> Self {
        self.given.insert(name.to_owned(), value.to_owned());
        self
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
        let mut inputs = Inputs::default();
        let config = inputs.read(&self.config, Kind::Config);
        let dotenv = inputs.read(&self.dotenv, Kind::Dotenv);
        let content = self.source(config).and_then(|source| Ok((source, self.parsed(dotenv)?)));
        Reading { inputs, content }
    }

    /// What secrets come from, whatever became of config.yaml.
    pub fn environment(&self) -> Result<SystemEnvironment, ReadError> {
        self.reading_environment().1
    }

    /// The same, and keeps in mind what was read.
    pub fn reading_environment(&self) -> (Inputs, Result<SystemEnvironment, ReadError>) {
        let mut inputs = Inputs::default();
        let dotenv = inputs.read(&self.dotenv, Kind::Dotenv);
        let environment = self.parsed(dotenv);
        (inputs, environment)
    }

    fn source(&self, bytes: Result<Vec<u8>, FileError>) -> Result<Source, ReadError> {
        let text = config_text(bytes);
        let text = text.map_err(|error| ReadError::File { path: self.config.clone(), error })?;
        Ok(Source { path: self.config.clone(), text })
    }

    fn parsed(&self, dotenv: Result<Vec<u8>, FileError>) -> Result<SystemEnvironment, ReadError> {
        let path = || self.dotenv.clone();
        let text = match dotenv.and_then(|bytes| file::text(bytes, Kind::Dotenv.max_bytes())) {
            Err(error) if error.is_absent() => String::new(),
            text => text.map_err(|error| ReadError::File { path: path(), error })?,
        };
        let mut variables = self.given.clone();
        variables.extend(dotenv::parse(&text).map_err(|error| ReadError::Dotenv { path: path(), error })?);
        Ok(SystemEnvironment::new(variables, self.config.clone()))
    }
}

/// The text of a configuration, as far as it was read.
fn config_text(bytes: Result<Vec<u8>, FileError>) -> Result<String, FileError> {
    let limit = Kind::Config.read_bytes();
    bytes.and_then(|mut bytes| {
        if bytes.len() == limit
            && let Err(error) = std::str::from_utf8(&bytes)
            && error.error_len().is_none()
        {
            bytes.truncate(error.valid_up_to());
        }
        file::text(bytes, limit)
    })
}

#[cfg(test)]
mod tests;

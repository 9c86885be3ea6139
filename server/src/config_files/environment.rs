//! What a configuration refers to: variables, files with secrets, and files that
//! it includes.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use server_core::{
    config::{Environment, Found, Included, Problem, Severity, Source},
    redact,
    secret::Secret,
};

use super::{
    Inputs, config_text, file,
    inputs::Kind,
    pattern::{self, MAX_FILES},
};

/// Bytes of all included files together.
const MAX_BYTES: usize = 16 << 20;

/// The process's environment, then `.env`, and the file system. It reads every
/// file once and keeps in mind what it read.
pub struct SystemEnvironment {
    dotenv: HashMap<String, String>,
    /// The file that includes others; no pattern includes it.
    config: PathBuf,
    read: RefCell<Read>,
}

#[derive(Default)]
struct Read {
    inputs: Inputs,
    secrets: BTreeMap<PathBuf, Result<String, String>>,
    included: BTreeMap<PathBuf, Result<String, String>>,
    included_bytes: usize,
    /// Variables that were asked for: whoever asks for one means a secret.
    variables: BTreeSet<String>,
}

impl SystemEnvironment {
    pub(super) fn new(dotenv: HashMap<String, String>, config: PathBuf) -> Self {
        Self { dotenv, config, read: RefCell::default() }
    }

    /// The secrets that it gave, and those of the process and of `.env` that nobody
    /// asked for, by what they are called.
    #[must_use]
    pub fn secrets(&self) -> Vec<Secret> {
        let read = self.read.borrow();
        let asked = read.variables.iter().filter_map(|name| self.value(name));
        let files = read.secrets.values().filter_map(|content| content.clone().ok());
        let dotenv = self.dotenv.iter().filter(|(name, _)| redact::names_secret(name));
        let all = asked.chain(files).chain(dotenv.map(|(_, value)| value.clone())).map(Secret::new);
        all.chain(process_secrets()).collect()
    }

    /// What is odd about `.env` itself: that others on this machine can read it.
    #[must_use]
    pub fn doubt(&self) -> Option<Problem> {
        const OTHERS: u32 = 0o007;
        let path = self.config.with_file_name(".env");
        let mode = path.metadata().ok()?.mode();
        (mode & OTHERS != 0).then(|| Problem {
            severity: Severity::Warning,
            code: "exposed_secrets",
            message: format!(
                "everybody on this machine has rights to `.env`, which holds secrets: mode {:03o}",
                mode & 0o777
            ),
            help: Some(format!("chmod 600 {}", path.display())),
            path,
            line: 1,
            column: 1,
            config_path: String::new(),
            alias_line: None,
            snippet: None,
        })
    }

    fn value(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().or_else(|| self.dotenv.get(name).cloned())
    }

    /// What was asked for, also what could not be read.
    #[must_use]
    pub fn inputs(self) -> Inputs {
        self.read.into_inner().inputs
    }
}

/// The secrets of the process's environment, by what they are called.
pub fn process_secrets() -> impl Iterator<Item = Secret> {
    let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let secrets = variables.filter(|(name, _)| is_secret(name));
    secrets.map(|(_, value)| Secret::new(value.to_string_lossy()))
}

/// Whether a variable is called as secrets are. A shell's working directory is `PWD`.
fn is_secret(variable: &str) -> bool {
    !["PWD", "OLDPWD"].contains(&variable) && redact::names_secret(variable)
}

/// Without the values.
impl fmt::Debug for SystemEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemEnvironment").finish_non_exhaustive()
    }
}

impl Environment for SystemEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        self.read.borrow_mut().variables.insert(name.to_owned());
        self.value(name)
    }

    fn is_of_dotenv(&self, name: &str) -> bool {
        std::env::var(name).is_err() && self.dotenv.contains_key(name)
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        self.read.borrow_mut().secret(path)
    }

    fn found(&self, path: &Path) -> Found {
        match path.canonicalize() {
            Ok(real) if real.is_dir() => Found::Folder(real),
            Ok(_) => Found::Other,
            Err(error) => Found::Nothing(error.kind().to_string()),
        }
    }

    fn included(&self, pattern: &Path) -> Result<Vec<Included>, String> {
        let mut read = self.read.borrow_mut();
        let paths = read.inputs.matches(pattern)?.into_iter().filter(|path| *path != self.config);
        paths.map(|path| Ok(Included { text: read.included(&path)?, path })).collect()
    }
}

impl Read {
    fn secret(&mut self, path: &Path) -> Result<String, String> {
        if let Some(known) = self.secrets.get(path) {
            return known.clone();
        }
        let bytes = self.inputs.read(path, Kind::Secret);
        let text = bytes.and_then(|bytes| file::text(bytes, Kind::Secret.max_bytes()));
        let text = text.map_err(|error| error.to_string());
        self.secrets.insert(path.to_owned(), text.clone());
        text
    }

    /// The outer error is about all files together.
    fn included(&mut self, path: &Path) -> Result<Result<String, String>, String> {
        if let Some(known) = self.included.get(path) {
            return Ok(known.clone());
        }
        if self.included.len() == MAX_FILES {
            return Err(format!("there are more than {MAX_FILES} included files"));
        }
        let bytes = self.inputs.read(path, Kind::Config);
        self.included_bytes += bytes.as_ref().map_or(0, Vec::len);
        if self.included_bytes > MAX_BYTES {
            return Err(format!("the included files are larger than {} MiB together", MAX_BYTES >> 20));
        }
        let text = config_text(bytes).map_err(|error| error.to_string());
        self.included.insert(path.to_owned(), text.clone());
        Ok(text)
    }
}

/// Files that were included before, as they were then; everything else as it is
/// now. With it, `Compiled::sources` compile again.
pub struct KeptEnvironment<'a> {
    included: &'a [Source],
    live: &'a SystemEnvironment,
}

impl<'a> KeptEnvironment<'a> {
    /// For what was compiled: the main file first.
    #[must_use]
    pub fn new(sources: &'a [Source], live: &'a SystemEnvironment) -> Self {
        Self { included: sources.get(1..).unwrap_or_default(), live }
    }
}

impl Environment for KeptEnvironment<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        self.live.variable(name)
    }

    fn is_of_dotenv(&self, name: &str) -> bool {
        self.live.is_of_dotenv(name)
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        self.live.file(path)
    }

    fn found(&self, path: &Path) -> Found {
        self.live.found(path)
    }

    fn included(&self, pattern: &Path) -> Result<Vec<Included>, String> {
        let kept = self.included.iter();
        let paths = kept.clone().map(|source| source.path.as_path());
        let matched = pattern::matches_among(pattern, paths).map_err(|error| error.to_string())?;
        let included = kept.filter(|source| matched.contains(&source.path.as_path()));
        let included =
            included.map(|source| Included { path: source.path.clone(), text: Ok(source.text.clone()) });
        Ok(included.collect())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_variable_is_secret_by_its_name_but_for_the_folder_that_a_shell_is_in() {
        for (name, expected) in [
            ("ADMIN_TOKEN", true),
            ("DB_PWD", true),
            ("AWS_SECRET_ACCESS_KEY", true),
            ("PWD", false),
            ("OLDPWD", false),
            ("PATH", false),
        ] {
            assert_eq!(is_secret(name), expected, "{name}");
        }
    }

    #[test]
    fn an_env_that_others_have_rights_to_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let dotenv = folder.path().join(".env");
        let environment = SystemEnvironment::new(HashMap::new(), folder.path().join("config.yaml"));
        assert_eq!(environment.doubt(), None);
        for (mode, told) in [(0o600, None), (0o640, None), (0o644, Some("644")), (0o602, Some("602"))] {
            fs::write(&dotenv, "").unwrap();
            fs::set_permissions(&dotenv, fs::Permissions::from_mode(mode)).unwrap();
            let doubt = environment.doubt().map(|doubt| doubt.message);
            assert_eq!(doubt.as_deref().and_then(|it| it.rsplit(' ').next()), told);
        }
    }
}

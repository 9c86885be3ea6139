//! Secrets that are not there: configurations can be compared and asked without, as
//! where they are reviewed.

use std::{cell::RefCell, collections::BTreeMap, path::Path, time::Instant};

use server_core::{
    config::{self, Compiled, Environment, Included, Problem},
    redact::Redaction,
    secret::TokenDigest,
};

use crate::{cli::Failure, config_files::ConfigFiles};

/// How many of them are told by name.
const TOLD: usize = 8;

/// A configuration as it is in its files, whatever secrets are missing. Those that
/// are not are known to `redaction` from then on.
pub(super) fn compiled(path: &Path, redaction: &Redaction) -> Result<Compiled, Failure> {
    let unusable = |error: &dyn std::fmt::Display| Failure::Configuration(format!("error: {error}"));
    let (source, environment) = ConfigFiles::new(path).read().map_err(|error| unusable(&error))?;
    let stand_in = StandIn { environment: &environment, config: path, missing: &Missing::default() };
    let compiled = config::compile(&source, &stand_in);
    redaction.learn(environment.secrets(), Instant::now());
    compiled.map_err(|problems| {
        let errors: Vec<_> = problems.iter().filter(|it| it.is_error()).map(Problem::to_string).collect();
        Failure::Configuration(errors.join("\n\n"))
    })
}

/// The names of secrets that at least one of the two configurations lacks, each
/// with the reason.
#[derive(Debug, Default)]
pub(super) struct Missing(RefCell<BTreeMap<String, String>>);

impl Missing {
    /// One sentence on all of them, if there are any.
    pub(super) fn note(&self) -> Option<String> {
        let missing = self.0.borrow();
        let mut told: Vec<_> =
            missing.iter().take(TOLD).map(|(name, why)| format!("{name} ({why})")).collect();
        if missing.len() > told.len() {
            told.push(format!("and {} more", missing.len() - told.len()));
        }
        let told = told.join(", ");
        (!told.is_empty())
            .then(|| format!("secrets that are not available count as the same in both: {told}"))
    }

    /// The secret of that name, or one that stands for it wherever it is named.
    fn or_stand_in(&self, name: &str, look: impl FnOnce() -> Result<String, String>) -> String {
        let stand_in = || TokenDigest::of(name).to_hex();
        if self.0.borrow().contains_key(name) {
            return stand_in();
        }
        look().unwrap_or_else(|why| {
            self.0.borrow_mut().insert(name.to_owned(), why);
            stand_in()
        })
    }
}

/// An environment in which no secret is missing.
pub(super) struct StandIn<'e> {
    pub(super) environment: &'e dyn Environment,
    /// The configuration.
    pub(super) config: &'e Path,
    pub(super) missing: &'e Missing,
}

impl Environment for StandIn<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        let unset = || format!("not set for {}", self.config.display());
        Some(self.missing.or_stand_in(name, || self.environment.variable(name).ok_or_else(unset)))
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        // By the name that the configuration gives it.
        let folder = self.config.parent().unwrap_or(Path::new(""));
        let name = path.strip_prefix(folder).unwrap_or(path).display().to_string();
        let unreadable = |error: String| format!("{error}, for {}", self.config.display());
        Ok(self.missing.or_stand_in(&name, || self.environment.file(path).map_err(unreadable)))
    }

    fn included(&self, pattern: &Path) -> Result<Vec<Included>, String> {
        self.environment.included(pattern)
    }
}

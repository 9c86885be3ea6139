//! Secrets that are not there: two configurations can be compared without, as
//! where they are reviewed.

use std::{cell::RefCell, collections::BTreeMap, path::Path};

use server_core::{
    config::{Environment, Included},
    secret::TokenDigest,
};

/// How many of them are told by name.
const TOLD: usize = 8;

/// The names of secrets that at least one of the two configurations lacks, each
/// with the reason.
#[derive(Debug, Default)]
pub(in crate::cli) struct Missing(RefCell<BTreeMap<String, String>>);

impl Missing {
    /// One sentence on all of them, if there are any.
    pub(in crate::cli) fn note(&self) -> Option<String> {
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
pub(in crate::cli) struct StandIn<'e> {
    pub(in crate::cli) environment: &'e dyn Environment,
    /// The configuration.
    pub(in crate::cli) config: &'e Path,
    pub(in crate::cli) missing: &'e Missing,
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

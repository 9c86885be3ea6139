//! The plugin host: finds plugins, believes only what trusted keys signed, and
//! runs that.
//!
//! The way of a plugin, each step a type of its own so that none can be left out:
//! `folder` (nobody else could have written it) → `package` (a trusted key signed
//! it, may say all it says, and the library is the one that was signed) → `load`
//! (operator and key let it into this process) → `trial` (its code comes up in
//! another one) → `start` (and in this one, in time) → `loaded` (the registry, not
//! yet in force) → committed.
//!
//! A plugin that is refused never stops the others.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::civil::Date;
use server_core::settings::{KeySource, PluginSettings};

mod change;
pub mod claims;
pub(crate) mod deadline;
mod elf;
mod fault;
pub(crate) mod folder;
mod image;
mod in_process;
mod inputs;
pub mod inspect;
mod installation;
mod load;
mod loaded;
mod news;
mod package;
mod release;
mod round;
mod services;
pub mod sign;
mod signature;
pub mod signing_key;
mod start;
pub mod trial;
mod trust;
pub mod verify;
pub mod worker;

pub use change::Change;
pub use in_process::Retired;
pub use inputs::PluginInputs;
pub use installation::Installation;
pub use loaded::{Committed, Loaded};
pub use news::news;
pub use services::{HostServices, Quarantine, ServerFacts};

use fault::Fault;
use load::{AllRunning, Loader};
use round::Round;
use signature::PublicKey;
use start::Starter;
use trust::KeyRing;

/// How long the first code of a plugin may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The program that runs, also once another one was installed in its place.
pub(crate) const PROGRAM: &str = "/proc/self/exe";

/// Loads plugins, again and again.
pub struct PluginHost {
    installation: Installation,
    terms: Terms,
    shared: Arc<Shared>,
}

/// What a host goes by, unless a test wants it otherwise.
#[derive(Clone)]
pub struct Terms {
    /// Which day it is, in UTC.
    pub today: Arc<dyn Fn() -> Date + Send + Sync>,
    /// How long the first code of a plugin may take.
    pub patience: Duration,
    /// The program that tries plugins out: this one.
    pub program: PathBuf,
}

impl Default for Terms {
    fn default() -> Self {
        Self { today: Arc::new(trust::today), patience: PATIENCE, program: PROGRAM.into() }
    }
}

struct Shared {
    starter: Arc<Starter>,
    state: Mutex<State>,
}

/// What one load, once it is in force, leaves to the next.
#[derive(Default)]
struct State {
    running: AllRunning,
    /// The installation's own key, as it was when it could be read last.
    installed_key: Option<PublicKey>,
}

impl PluginHost {
    /// A host that has loaded nothing yet.
    #[must_use]
    pub fn new(services: HostServices, installation: Installation) -> Self {
        Self::on_terms(services, installation, Terms::default())
    }

    /// The same, on terms of one's own.
    #[must_use]
    pub fn on_terms(services: HostServices, installation: Installation, terms: Terms) -> Self {
        let starter = Arc::new(Starter::new(services, &terms));
        Self { installation, terms, shared: Arc::new(Shared { starter, state: Mutex::default() }) }
    }

    /// What a load with these settings would depend on, but for the settings
    /// themselves. Cheap; it waits for nothing and runs nothing.
    #[must_use]
    pub fn inputs(&self, settings: &PluginSettings) -> PluginInputs {
        PluginInputs::now(&self.installation, settings, (self.terms.today)())
    }

    /// Loads all that `settings` allow, with every reason why the rest is not
    /// loaded. `state_dir` remembers which releases ran here. Nothing of it is in
    /// force, or remembered, until it is [committed](Loaded::commit).
    ///
    /// Everything is verified anew each time, since a key may have been revoked;
    /// a plugin that is the same as before, with the same configuration, is not
    /// loaded again but goes on as it is; so does one whose files are of no use any
    /// more, for as long as its key and the settings let it. Reads files and waits
    /// for the plugins' own first code, for [`Terms::patience`] each and in a trial as
    /// long again, so call it where a thread may block. Code that ends its process
    /// does so in the trial; if it does so later, that is the price of `in_process`.
    pub fn load(&self, settings: &PluginSettings, state_dir: &Path) -> Loaded {
        let bundled = self.installation.folder(settings);
        let (running, last_key) = {
            let state = self.shared.state();
            (state.running.clone(), state.installed_key.clone())
        };
        let installed = self.installation.key(&bundled);
        let (keys, mut refusals) =
            KeyRing::new(settings, &installed, last_key.as_ref(), (self.terms.today)());
        let loader = Loader::new(self.shared.starter.clone(), settings, running);
        let mut round = Round::new(settings.clone(), keys, state_dir, loader);
        let comes_bundled = settings.trusted_keys.values().any(|key| key.minisign == KeySource::Installed);
        if !round.folder(&bundled) && comes_bundled {
            // Nobody needs to hear that the key is not in it either.
            refusals.retain(|refusal| !refusal.place.starts_with(&bundled));
            refusals.push(no_bundled_plugins().at(&bundled));
        }
        if let Some(dir) = &settings.dir {
            // A folder that is not there yet is an empty one.
            round.folder(dir);
        }
        let registry = round.settle();
        round.refused_before(refusals);
        Loaded { round, registry, shared: self.shared.clone() }
    }

    /// What is in memory for good although no plugin that runs uses it.
    #[must_use]
    pub fn retired(&self) -> Retired {
        let used = self.shared.state().running.values().map(|it| it.library).collect();
        self.shared.starter.libraries().beyond(&used)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for PluginHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginHost").field("installation", &self.installation).finish_non_exhaustive()
    }
}

fn no_bundled_plugins() -> Fault {
    Fault::new(
        "bundled_missing",
        "there is no such folder, and the bundled plugins should be in it",
        "install the server again, or say where they are with `plugins.bundled_dir` or MCP_BUNDLED_DIR",
    )
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

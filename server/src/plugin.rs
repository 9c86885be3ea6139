//! The plugin host: finds plugins, believes only what trusted keys signed, and
//! runs that.
//!
//! The way of a plugin, each step a type of its own so that none can be left out:
//! `folder` (nobody else could have written it) → `package` (a trusted key signed
//! it, may say all it says, and the library is the one that was signed) → `load`
//! (operator and key let it into this process) → the registry.
//!
//! A plugin that is refused never stops the others.

use std::{
    fmt,
    path::Path,
    sync::{Mutex, PoisonError},
};

use server_core::{
    registry::{Refusal, Registry},
    settings::{KeySource, PluginSettings},
};

pub mod claims;
mod elf;
mod fault;
mod folder;
mod image;
mod in_process;
pub mod inspect;
mod installation;
mod load;
mod package;
mod release;
mod round;
mod services;
pub mod sign;
mod signature;
pub mod signing_key;
mod trust;
pub mod verify;

pub use installation::Installation;
pub use services::{HostServices, ServerFacts};

use fault::Fault;
use load::Loader;
use release::Marks;
use round::Round;
use signature::PublicKey;
use trust::KeyRing;

/// Loads plugins, again and again.
pub struct PluginHost {
    installation: Installation,
    state: Mutex<State>,
}

/// What one pass leaves to the next.
struct State {
    loader: Loader,
    /// The installation's own key, as it was when it could be read last.
    installed_key: Option<PublicKey>,
}

impl PluginHost {
    /// A host that has loaded nothing yet.
    #[must_use]
    pub fn new(services: HostServices, installation: Installation) -> Self {
        let state = State { loader: Loader::new(services), installed_key: None };
        Self { installation, state: Mutex::new(state) }
    }

    /// Loads all that `settings` allow, with every reason why the rest is not
    /// loaded. `state_dir` remembers which releases ran here.
    ///
    /// Everything is verified anew each time, since a key may have been revoked;
    /// a plugin that is the same as before, with the same configuration, is not
    /// loaded again but goes on as it is; so does one whose files are of no use any
    /// more, for as long as its key and the settings let it. Reads files and runs the plugins' own
    /// constructors, so call it where a thread may block. One that never returns,
    /// or ends the process, does so: that is the price of `in_process`.
    pub fn load(&self, settings: &PluginSettings, state_dir: &Path) -> (Registry, Vec<Refusal>) {
        let bundled = self.installation.folder(settings);
        let state = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let installed = self.installation.key(&bundled);
        let (keys, mut refusals) = KeyRing::new(settings, &installed, state.installed_key.as_ref());
        let mut round = Round::new(settings, &keys, Marks::read(state_dir), &mut state.loader);
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
        let (registry, more) = round.admit();
        refusals.extend(more);
        state.installed_key = keys.installed().cloned();
        (registry, refusals)
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
mod testing;
#[cfg(test)]
mod tests;

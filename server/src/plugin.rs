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
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use plugin_contract::PluginName;
use server_core::{
    registry::{Plugin, Refusal, Registry},
    settings::{KeySource, PluginSettings},
};

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
mod services;
pub mod sign;
mod signature;
pub mod signing_key;
mod trust;
pub mod verify;

pub use installation::Installation;
pub use services::{HostServices, ServerFacts};

use fault::Fault;
use folder::{Entry, Folder};
use load::{Loadable, Loader};
use package::Unverified;
use release::Marks;
use trust::KeyRing;

/// Loads plugins, again and again.
pub struct PluginHost {
    installation: Installation,
    loader: Mutex<Loader>,
}

impl PluginHost {
    /// A host that has loaded nothing yet.
    #[must_use]
    pub fn new(services: HostServices, installation: Installation) -> Self {
        Self { installation, loader: Mutex::new(Loader::new(services)) }
    }

    /// Loads all that `settings` allow, with every reason why the rest is not
    /// loaded. `state_dir` remembers which releases ran here.
    ///
    /// Everything is verified anew each time, since a key may have been revoked;
    /// a plugin that is the same as before, with the same configuration, is not
    /// loaded again but goes on as it is. Reads files and runs the plugins' own
    /// constructors, so call it where a thread may block. One that never returns,
    /// or ends the process, does so: that is the price of `in_process`.
    pub fn load(&self, settings: &PluginSettings, state_dir: &Path) -> (Registry, Vec<Refusal>) {
        let bundled = self.installation.folder(settings);
        let (keys, mut refusals) = KeyRing::new(settings, &self.installation.key(&bundled));
        let mut round = Round {
            settings,
            keys: &keys,
            marks: Marks::read(state_dir),
            loader: &mut self.loader.lock().unwrap_or_else(PoisonError::into_inner),
            plugins: Vec::new(),
            refusals: Vec::new(),
        };
        let comes_bundled = settings.trusted_keys.values().any(|key| key.minisign == KeySource::Installed);
        if !round.folder(&bundled) && comes_bundled {
            // Nobody needs to hear that the key is not in it either.
            refusals.retain(|refusal| !refusal.place.starts_with(&bundled));
            round.refusals.push(no_bundled_plugins().at(&bundled));
        }
        if let Some(dir) = &settings.dir {
            // A folder that is not there yet is an empty one.
            round.folder(dir);
        }
        let Round { plugins, refusals: more, loader, .. } = round;
        loader.forget_all_but(plugins.iter().map(|plugin| &plugin.manifest.name));
        let (registry, conflicts) = Registry::admit(plugins);
        refusals.extend(more);
        refusals.extend(conflicts);
        (registry, refusals)
    }
}

impl fmt::Debug for PluginHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginHost").field("installation", &self.installation).finish_non_exhaustive()
    }
}

/// One pass over all folders.
struct Round<'r> {
    settings: &'r PluginSettings,
    keys: &'r KeyRing<'r>,
    marks: Result<Marks, Refusal>,
    loader: &'r mut Loader,
    plugins: Vec<Arc<Plugin>>,
    refusals: Vec<Refusal>,
}

impl Round<'_> {
    /// Loads the plugins in a folder of folders. False if there is no such folder.
    fn folder(&mut self, path: &Path) -> bool {
        let folder = match Folder::open(path) {
            Ok(Some(folder)) => folder,
            Ok(None) => return false,
            Err(refusal) => {
                self.refusals.push(refusal);
                return true;
            }
        };
        match folder.entries() {
            Ok(entries) => entries.iter().for_each(|entry| self.entry(&folder, entry)),
            Err(refusal) => self.refusals.push(refusal),
        }
        true
    }

    fn entry(&mut self, folder: &Folder, entry: &Entry) {
        let place = folder.path().join(&entry.name);
        let plugin = AssertUnwindSafe(|| self.plugin(folder, entry));
        match catch_unwind(plugin).unwrap_or_else(|_| Err(panicked().at(&place))) {
            Ok(Some(plugin)) => self.plugins.push(Arc::new(plugin)),
            Ok(None) => {}
            Err(refusal) => self.refusals.push(refusal),
        }
    }

    /// `None` if the operator disabled it, in which case nothing of it is read.
    fn plugin(&mut self, folder: &Folder, entry: &Entry) -> Result<Option<Plugin>, Refusal> {
        let name = name(entry).map_err(|fault| fault.at(&folder.path().join(&entry.name)))?;
        let settings = self.settings.entries.get(name.as_str()).cloned().unwrap_or_default();
        if !settings.enabled {
            return Ok(None);
        }
        let folder = folder.enter(entry)?;
        if let Some(other) = self.plugins.iter().find(|plugin| plugin.manifest.name == name) {
            return Err(twice(other).at(folder.path()));
        }
        let signed = Unverified::read(folder)?.verify(self.keys)?;
        // The installed key signs one set of plugins and is thrown away: whoever
        // installs another set brings another key, so nothing old can come back.
        let marked = signed.signer().key.minisign != KeySource::Installed;
        if marked {
            signed.check_release(self.marks.as_ref().map_err(Clone::clone)?)?;
        }
        let package = Loadable::new(signed.read_library()?, &settings)?;
        let plugin = self.loader.load(&package)?;
        if marked {
            let marks = self.marks.as_mut().map_err(|refusal| refusal.clone())?;
            marks.record(&package.verified().package)?;
        }
        Ok(Some(plugin))
    }
}

fn name(entry: &Entry) -> Result<PluginName, Fault> {
    entry.name.to_string_lossy().parse().map_err(|error: plugin_contract::InvalidName| {
        Fault::new(
            "folder_name",
            error.to_string(),
            "name the folder as the plugin in it, or move it elsewhere",
        )
    })
}

fn twice(other: &Plugin) -> Fault {
    Fault::new(
        "plugin_twice",
        format!(
            "plugin `{}` is loaded already, from {}",
            other.manifest.name,
            other.provenance.folder.display()
        ),
        "remove one of the two",
    )
}

fn no_bundled_plugins() -> Fault {
    Fault::new(
        "bundled_missing",
        "there is no such folder, and the bundled plugins should be in it",
        "install the server again, or say where they are with `plugins.bundled_dir` or MCP_BUNDLED_DIR",
    )
}

fn panicked() -> Fault {
    Fault::new(
        "host_panicked",
        "looking at it made the server panic",
        "please report this with the plugin that did it",
    )
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

//! One pass over all folders: what is loaded, what goes on, and what is refused.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use plugin_contract::{Package, PluginName};
use server_core::{
    registry::{Plugin, Refusal, Registry},
    settings::{KeySource, PluginEntry, PluginSettings},
};

use super::{
    fault::Fault,
    folder::{Entry, Folder},
    load::{AllRunning, Loader, Running},
    package::Unverified,
    release::Marks,
    trust::KeyRing,
};

/// One pass over all folders.
pub(crate) struct Round {
    settings: PluginSettings,
    keys: KeyRing,
    state_dir: PathBuf,
    marks: Result<Marks, Refusal>,
    loader: Loader,
    candidates: Vec<Candidate>,
    refusals: Vec<Refusal>,
}

/// A plugin that runs and is to be admitted.
#[derive(Clone)]
struct Candidate {
    running: Running,
    /// What is to be remembered once it is.
    record: Option<Package>,
}

impl Round {
    pub(crate) fn new(settings: PluginSettings, keys: KeyRing, state_dir: &Path, loader: Loader) -> Self {
        let (marks, state_dir) = (Marks::read(state_dir), state_dir.to_owned());
        Self { settings, keys, state_dir, marks, loader, candidates: Vec::new(), refusals: Vec::new() }
    }

    /// Loads the plugins in a folder of folders. False if there is no such folder.
    pub(crate) fn folder(&mut self, path: &Path) -> bool {
        let listed = match Folder::open(path) {
            Ok(Some(folder)) => folder.entries().map(|entries| (folder, entries)),
            Ok(None) => return false,
            Err(refusal) => Err(refusal),
        };
        match listed {
            Ok((folder, entries)) => entries.iter().for_each(|entry| self.entry(&folder, entry)),
            Err(refusal) => {
                let running = self.loader.running_in(path);
                self.refuse(refusal, &running);
            }
        }
        true
    }

    /// Takes the plugins into a registry. One that is not taken gives way to what
    /// ran before it.
    pub(crate) fn settle(&mut self) -> Registry {
        loop {
            let plugins = self.candidates.iter().map(|it| it.running.plugin.clone());
            let (registry, conflicts) = Registry::admit(plugins);
            let left = |it: &&Candidate| !registry.plugins().any(|one| Arc::ptr_eq(one, &it.running.plugin));
            let left: Vec<_> = self.candidates.iter().filter(left).cloned().collect();
            if left.is_empty() {
                return registry;
            }
            for (candidate, refusal) in left.into_iter().zip(conflicts) {
                self.stand_down(&candidate.running.plugin, refusal);
            }
        }
    }

    /// Remembers that these plugins run here, and only then lets them. One that
    /// cannot be remembered gives way to what runs by now.
    pub(crate) fn commit(&mut self, mut registry: Registry, running: AllRunning) -> (Registry, AllRunning) {
        self.loader.runs_now(running);
        loop {
            // Another pass may have been committed since this one began.
            self.marks = Marks::read(&self.state_dir);
            let candidates = self.candidates.clone();
            let record = |it: Candidate| self.record(&it).err().map(|refusal| (it, refusal));
            let failed: Vec<_> = candidates.into_iter().filter_map(record).collect();
            if failed.is_empty() {
                let running = self.candidates.iter().map(|it| it.running.clone());
                let running = running.map(|it| (it.plugin.manifest.name.clone(), it)).collect();
                return (registry, Arc::new(running));
            }
            for (candidate, refusal) in failed {
                self.stand_down(&candidate.running.plugin, refusal);
            }
            registry = self.settle();
        }
    }

    /// What was refused so far.
    pub(crate) fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// Puts what was refused before this pass first.
    pub(crate) fn refused_before(&mut self, refusals: Vec<Refusal>) {
        self.refusals.splice(..0, refusals);
    }

    /// The keys that count in it.
    pub(crate) fn keys(&self) -> &KeyRing {
        &self.keys
    }

    fn entry(&mut self, folder: &Folder, entry: &Entry) {
        let place = folder.path().join(&entry.name);
        let plugin = AssertUnwindSafe(|| self.plugin(folder, entry));
        match catch_unwind(plugin).unwrap_or_else(|_| Err(panicked().at(&place))) {
            Ok(Some(candidate)) => self.candidates.push(candidate),
            Ok(None) => {}
            Err(refusal) => {
                let mut running = self.loader.running_in(folder.path());
                running.retain(|it| it.plugin.provenance.folder == place);
                self.refuse(refusal, &running);
            }
        }
    }

    /// `None` if the operator disabled it, in which case nothing of it is read.
    fn plugin(&mut self, folder: &Folder, entry: &Entry) -> Result<Option<Candidate>, Refusal> {
        let name = match name(entry) {
            Ok(name) => name,
            // A library in the wrong place says so itself.
            Err(fault) => {
                folder.enter(entry)?;
                return Err(fault.at(&folder.path().join(&entry.name)));
            }
        };
        let settings = self.settings_of(&name);
        if !settings.enabled {
            return Ok(None);
        }
        let folder = folder.enter(entry)?;
        if let Some(other) = self.candidate(&name) {
            return Err(twice(other).at(folder.path()));
        }
        let signed = Unverified::read(folder)?.verify(&self.keys)?;
        // The installed key signs one set of plugins and is thrown away: whoever
        // installs another set brings another key, so nothing old can come back.
        let marked = signed.signer().key.minisign != KeySource::Installed;
        if marked {
            signed.check_release(self.marks.as_ref().map_err(Clone::clone)?)?;
        }
        let record = marked.then(|| signed.package().clone());
        let running = match self.loader.unchanged(&signed, &settings) {
            Some(running) => self.loader.go_on(&running, &self.keys, &settings)?,
            None => self.loader.load(&signed.read_library()?, &settings)?,
        };
        Ok(Some(Candidate { running, record }))
    }

    fn settings_of(&self, name: &PluginName) -> PluginEntry {
        self.settings.entries.get(name.as_str()).cloned().unwrap_or_default()
    }

    fn candidate(&self, name: &PluginName) -> Option<&Plugin> {
        let mut plugins = self.candidates.iter().map(|it| it.running.plugin.as_ref());
        plugins.find(|plugin| plugin.manifest.name == *name)
    }

    /// Refuses what lies somewhere, and goes on with what still runs from there.
    /// Trouble with files takes no plugin away: only the operator does.
    fn refuse(&mut self, mut refusal: Refusal, running: &[Running]) {
        let mut ended = Vec::new();
        for running in running {
            let manifest = &running.plugin.manifest;
            let settings = self.settings_of(&manifest.name);
            if !settings.enabled || self.candidate(&manifest.name).is_some() {
                continue;
            }
            match self.loader.go_on(running, &self.keys, &settings) {
                Ok(running) => {
                    let goes_on = format!("; release {} of `{}` goes on", manifest.release, manifest.name);
                    refusal.message.push_str(&goes_on);
                    self.candidates.push(Candidate { running, record: None });
                }
                Err(why) if why.code == refusal.code => {}
                Err(why) => ended.push(why),
            }
        }
        self.refusals.push(refusal);
        self.refusals.extend(ended);
    }

    fn record(&mut self, candidate: &Candidate) -> Result<(), Refusal> {
        let Some(package) = &candidate.record else { return Ok(()) };
        let marks = self.marks.as_mut().map_err(|refusal| refusal.clone())?;
        marks.check(package).map_err(|fault| fault.at(&candidate.running.plugin.provenance.folder))?;
        marks.record(package)
    }

    /// Leaves a plugin out, in favour of another release that runs.
    fn stand_down(&mut self, plugin: &Plugin, refusal: Refusal) {
        let name = &plugin.manifest.name;
        self.candidates.retain(|it| it.running.plugin.manifest.name != *name);
        let running = self.loader.running(name).cloned();
        let other = running.filter(|it| it.plugin.manifest != plugin.manifest);
        self.refuse(refusal, other.as_slice());
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

fn panicked() -> Fault {
    Fault::new(
        "host_panicked",
        "looking at it made the server panic",
        "please report this with the plugin that did it",
    )
}

#[cfg(test)]
mod tests;

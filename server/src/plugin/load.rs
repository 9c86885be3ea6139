//! From a verified package to a plugin that runs.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    sync::Arc,
};

use plugin_contract::{Manifest, PluginName};
use serde_json::{Map, Value};
use server_core::{
    arguments::ArgumentSchema,
    registry::{Plugin, Prepared, Provenance, Refusal},
    settings::{Isolation, PluginEntry, PluginSettings},
};

use super::{
    fault::{Fault, quote},
    folder::Stamp,
    image::LibraryImage,
    in_process::Sha,
    package::{Signed, Verified, Words},
    start::{Start, Starter},
    trust::{KeyRing, Signer},
};

/// Makes plugins run, in one pass over all of them.
pub(crate) struct Loader {
    starter: Arc<Starter>,
    max_retired_bytes: u64,
    require_landlock: bool,
    /// What runs while the pass goes on.
    running: AllRunning,
    /// The libraries of those that it has made run so far.
    loaded: BTreeMap<PluginName, Sha>,
}

/// Every plugin that runs.
pub(crate) type AllRunning = Arc<BTreeMap<PluginName, Running>>;

/// A plugin that runs, with all it takes to judge it anew without its files.
#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) plugin: Arc<Plugin>,
    words: Words,
    pub(crate) library: Sha,
    /// Of the file that the library was read from, if it could be told.
    stamp: Option<Stamp>,
    entry: PluginEntry,
    require_landlock: bool,
}

/// What a plugin is to be made of.
struct Parts<'p> {
    manifest: Manifest,
    provenance: &'p Provenance,
    words: &'p Words,
    library: Sha,
    stamp: Option<&'p Stamp>,
    entry: &'p PluginEntry,
}

/// Where the plugin is to run, and whether it may run there. Nothing falls back to
/// this process because the place where it should run is not to be had.
pub(crate) fn permitted(manifest: &Manifest, key: &Signer, entry: &PluginEntry) -> Result<(), Fault> {
    let plugin = &manifest.name;
    match entry.isolation {
        Isolation::Process if !cfg!(target_arch = "x86_64") => Err(Fault::new(
            "isolation_unavailable",
            format!(
                "plugin `{plugin}` is to run in a worker process, which this server can confine on x86-64 only"
            ),
            format!(
                "set `plugins.entries.{plugin}.isolation: in_process` if you trust it like the server itself; key `{}` must allow it too",
                key.name
            ),
        )),
        Isolation::InProcess if !key.key.in_process => Err(Fault::new(
            "in_process_out_of_scope",
            format!(
                "plugin `{plugin}` is to run in the server's process, and key `{}` may not sign for that",
                key.name
            ),
            format!(
                "set `plugins.trusted_keys.{}.in_process: true` if you trust its owner like the server itself",
                key.name
            ),
        )),
        Isolation::InProcess | Isolation::Process => Ok(()),
    }
}

#[cfg(test)]
impl Running {
    /// A plugin that no folder holds.
    pub(crate) fn made_up(plugin: Plugin) -> Self {
        let (words, library, stamp, entry) = Default::default();
        Self { plugin: Arc::new(plugin), words, library, stamp, entry, require_landlock: true }
    }
}

impl Running {
    /// Whether it would be started the same way again.
    fn runs_as(&self, entry: &PluginEntry, require_landlock: bool) -> bool {
        self.entry.config == entry.config
            && self.entry.isolation == entry.isolation
            && (entry.isolation == Isolation::InProcess
                || (self.entry.worker == entry.worker && self.require_landlock == require_landlock))
    }
}

impl Loader {
    pub(crate) fn new(starter: Arc<Starter>, settings: &PluginSettings, running: AllRunning) -> Self {
        let PluginSettings { max_retired_bytes, require_landlock, .. } = *settings;
        Self { starter, max_retired_bytes, require_landlock, running, loaded: BTreeMap::new() }
    }

    /// Makes a verified plugin run that operator and signer let into this process,
    /// or goes on with it if it runs already, the same and with the same
    /// configuration.
    pub(crate) fn load(&mut self, verified: &Verified<'_>, entry: &PluginEntry) -> Result<Running, Refusal> {
        let provenance = &verified.provenance;
        let image = verified.image();
        let manifest = verified.package.manifest.clone();
        let library = image.library().sha256();
        let (words, stamp) = (verified.words(), verified.stamp());
        let parts = Parts { manifest, provenance, words, library, stamp, entry };
        permitted(&parts.manifest, verified.signer, entry)
            .and_then(|()| self.run(parts, Some(image)))
            .map_err(|fault| fault.at(&provenance.folder))
    }

    /// Goes on with a plugin whose files are of no use any more, if its key and
    /// the settings would still let it run.
    pub(crate) fn go_on(
        &mut self,
        running: &Running,
        keys: &KeyRing,
        entry: &PluginEntry,
    ) -> Result<Running, Refusal> {
        let Running { plugin, words, library, stamp, .. } = running;
        let provenance = &plugin.provenance;
        let (signer, package, _) = words.verify(&provenance.folder, keys)?;
        let (manifest, stamp) = (package.manifest, stamp.as_ref());
        let parts = Parts { manifest, provenance, words, library: *library, stamp, entry };
        permitted(&parts.manifest, signer, entry)
            .and_then(|()| self.run(parts, None))
            .map_err(|fault| fault.at(&provenance.folder))
    }

    /// What runs under that name.
    pub(crate) fn running(&self, name: &PluginName) -> Option<&Running> {
        self.running.get(name)
    }

    /// What runs from these very files with this very configuration: its library
    /// need not be read again.
    pub(crate) fn unchanged(&self, signed: &Signed<'_>, entry: &PluginEntry) -> Option<Running> {
        let running = self.running(&signed.package().manifest.name)?;
        let stamp = running.stamp.as_ref()?;
        let is_still = signed.is_still(&running.words, &running.plugin.provenance, stamp);
        (is_still && running.runs_as(entry, self.require_landlock)).then(|| running.clone())
    }

    /// What runs from the folders in a folder.
    pub(crate) fn running_in(&self, folder: &Path) -> Vec<Running> {
        let within = |it: &&Running| it.plugin.provenance.folder.parent() == Some(folder);
        self.running.values().filter(within).cloned().collect()
    }

    /// Sets right what runs, if that has changed since this pass began.
    pub(crate) fn runs_now(&mut self, running: AllRunning) {
        self.running = running;
    }

    fn run(&mut self, parts: Parts<'_>, image: Option<&LibraryImage>) -> Result<Running, Fault> {
        let Parts { ref manifest, library, entry, .. } = parts;
        check_config(manifest, &entry.config)?;
        let same = |running: &&Running| {
            running.library == library
                && running.plugin.manifest == *manifest
                && running.runs_as(entry, self.require_landlock)
        };
        let (instance, prepared) = match self.running.get(&manifest.name).filter(same) {
            Some(running) => (running.plugin.instance.clone(), running.plugin.prepared.clone()),
            None => {
                if entry.isolation == Isolation::InProcess {
                    self.check_room(&manifest.name, &library)?;
                }
                let require_landlock = self.require_landlock;
                let start = Start { manifest, library, image, entry, require_landlock };
                (self.starter.start(&start)?, Prepared::default())
            }
        };
        let Parts { manifest, provenance, words, stamp, .. } = parts;
        self.loaded.insert(manifest.name.clone(), library);
        let plugin = Plugin {
            manifest,
            provenance: provenance.clone(),
            isolation: entry.isolation,
            granted: entry.capabilities.clone(),
            instance,
            prepared,
        };
        let (plugin, words, stamp) = (Arc::new(plugin), words.clone(), stamp.cloned());
        let (entry, require_landlock) = (entry.clone(), self.require_landlock);
        Ok(Running { plugin, words, library, stamp, entry, require_landlock })
    }

    /// Refuses one more library where too much stays in memory already, or would
    /// once `plugin` has left its present library behind.
    fn check_room(&self, plugin: &PluginName, library: &Sha) -> Result<(), Fault> {
        let libraries = self.starter.libraries();
        if libraries.known(library).is_some() {
            return Ok(());
        }
        let staying =
            self.running.iter().filter(|(name, _)| *name != plugin && !self.loaded.contains_key(*name));
        let used: HashSet<_> =
            staying.map(|(_, it)| it.library).chain(self.loaded.values().copied()).collect();
        let retired = libraries.beyond(&used);
        if retired.bytes <= self.max_retired_bytes {
            return Ok(());
        }
        Err(Fault::new(
            "retired_too_large",
            format!(
                "with another library for plugin `{plugin}`, {} bytes of libraries would stay in memory that nothing uses any more, and `plugins.max_retired_bytes` is {}",
                retired.bytes, self.max_retired_bytes
            ),
            "restart the server to free it",
        ))
    }
}

/// Refuses a configuration that the plugin's schema does not allow.
pub(crate) fn check_config(manifest: &Manifest, config: &Map<String, Value>) -> Result<(), Fault> {
    let plugin = &manifest.name;
    let Some(schema) = &manifest.config_schema else {
        if config.is_empty() {
            return Ok(());
        }
        return Err(Fault::new(
            "config_not_taken",
            format!("plugin `{plugin}` takes no configuration, and is given one"),
            format!("remove `plugins.entries.{plugin}.config`"),
        ));
    };
    let schema = ArgumentSchema::new(schema).map_err(|error| {
        Fault::new(
            "invalid_schema",
            format!("the schema of plugin `{plugin}`'s configuration cannot be used: {error}"),
            "correct the schema in the plugin and sign it again",
        )
    })?;
    let complaints = schema.complaints(&Value::Object(config.clone()));
    if complaints.is_empty() {
        return Ok(());
    }
    let complaints: Vec<_> = complaints
        .iter()
        .map(|complaint| complaint.strip_prefix("the arguments: ").unwrap_or(complaint))
        .collect();
    Err(Fault::new(
        "config_invalid",
        format!("the configuration of plugin `{plugin}` cannot be used: {}", complaints.join("; ")),
        format!("correct `plugins.entries.{plugin}.config`"),
    ))
}

/// Refuses code that says of itself something else than was signed.
pub(crate) fn agree(signed: &Manifest, code: &Manifest) -> Result<(), Fault> {
    if signed == code {
        return Ok(());
    }
    let json = |manifest| serde_json::to_value(manifest).unwrap_or_default();
    let (signed, code) = (json(signed), json(code));
    let fields = [&signed, &code].into_iter().filter_map(Value::as_object).flat_map(Map::keys);
    let mut differing: Vec<_> = fields
        .filter(|field| signed.get(field.as_str()) != code.get(field.as_str()))
        .map(|field| match (signed.get(field.as_str()), code.get(field.as_str())) {
            (Some(Value::String(signed)), Some(Value::String(code))) => {
                format!("`{field}` (signed `{}`, the library says `{}`)", quote(signed), quote(code))
            }
            _ => format!("`{field}`"),
        })
        .collect();
    differing.sort_unstable();
    differing.dedup();
    Err(Fault::new(
        "manifest_differs",
        format!("the library says of itself something else than plugin.json: {}", differing.join(", ")),
        "sign the plugin again with `mcp-universal-server plugin sign`, which asks the library",
    ))
}

#[cfg(test)]
mod tests;

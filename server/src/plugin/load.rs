//! From a verified package to a plugin that runs.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

use plugin_contract::{Manifest, PluginName};
use serde_json::{Map, Value};
use server_core::{
    arguments::ArgumentSchema,
    registry::{Instance, Plugin, Provenance, Refusal},
    settings::{Isolation, PluginEntry},
};
use tracing::info;

use super::{
    fault::{Fault, quote},
    image::{LibraryImage, differs},
    in_process::{InProcess, Library, Module},
    package::{Verified, Words},
    services::{HostServices, Withdrawn},
    trust::{KeyRing, Signer},
};

/// Makes plugins run, and remembers those that do.
pub(crate) struct Loader {
    services: HostServices,
    /// Every library that was ever loaded, by its SHA-256: none is unloaded, so
    /// one that comes back costs nothing more.
    libraries: HashMap<[u8; 32], Arc<Library>>,
    running: BTreeMap<PluginName, Running>,
}

/// A plugin that runs, with all it takes to judge it anew without its files.
#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) plugin: Arc<Plugin>,
    words: Words,
    library: [u8; 32],
    config: Map<String, Value>,
}

/// What a plugin is to be made of.
struct Parts<'p> {
    manifest: Manifest,
    provenance: &'p Provenance,
    words: &'p Words,
    library: [u8; 32],
    entry: &'p PluginEntry,
}

/// Where the plugin is to run, and whether it may run there. Nothing falls back to
/// this process because the place where it should run is not to be had.
pub(crate) fn permitted(manifest: &Manifest, key: &Signer<'_>, entry: &PluginEntry) -> Result<(), Fault> {
    let plugin = &manifest.name;
    match entry.isolation {
        Isolation::Process => Err(Fault::new(
            "isolation_unavailable",
            format!("plugin `{plugin}` is to run in a worker process, and there are none yet"),
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
        Isolation::InProcess => Ok(()),
    }
}

#[cfg(test)]
impl Running {
    /// A plugin that no folder holds.
    pub(crate) fn made_up(plugin: Plugin) -> Self {
        Self { plugin: Arc::new(plugin), words: Words::default(), library: [0; 32], config: Map::new() }
    }
}

impl Loader {
    pub(crate) fn new(services: HostServices) -> Self {
        Self { services, libraries: HashMap::new(), running: BTreeMap::new() }
    }

    /// Makes a verified plugin run that operator and signer let into this process,
    /// or goes on with it if it runs already, the same and with the same
    /// configuration.
    pub(crate) fn load(&mut self, verified: &Verified<'_>, entry: &PluginEntry) -> Result<Running, Refusal> {
        let provenance = &verified.provenance;
        let image = verified.image();
        let manifest = verified.package.manifest.clone();
        let library = image.library().sha256();
        let parts = Parts { manifest, provenance, words: verified.words(), library, entry };
        permitted(&parts.manifest, verified.signer, entry)
            .and_then(|()| self.run(parts, Some(image)))
            .map_err(|fault| fault.at(&provenance.folder))
    }

    /// Goes on with a plugin whose files are of no use any more, if its key and
    /// the settings would still let it run.
    pub(crate) fn go_on(
        &mut self,
        running: &Running,
        keys: &KeyRing<'_>,
        entry: &PluginEntry,
    ) -> Result<Running, Refusal> {
        let Running { plugin, words, library, .. } = running;
        let provenance = &plugin.provenance;
        let (signer, package, _) = words.verify(&provenance.folder, keys)?;
        let parts = Parts { manifest: package.manifest, provenance, words, library: *library, entry };
        permitted(&parts.manifest, signer, entry)
            .and_then(|()| self.run(parts, None))
            .map_err(|fault| fault.at(&provenance.folder))
    }

    /// What runs under that name.
    pub(crate) fn running(&self, name: &PluginName) -> Option<&Running> {
        self.running.get(name)
    }

    /// What runs from the folders in a folder.
    pub(crate) fn running_in(&self, folder: &Path) -> Vec<Running> {
        let within = |it: &&Running| it.plugin.provenance.folder.parent() == Some(folder);
        self.running.values().filter(within).cloned().collect()
    }

    /// From now on these run, and no others; calls in flight end first.
    pub(crate) fn now_running(&mut self, running: impl Iterator<Item = Running>) {
        self.running = running.map(|it| (it.plugin.manifest.name.clone(), it)).collect();
    }

    fn run(&mut self, parts: Parts<'_>, image: Option<&LibraryImage>) -> Result<Running, Fault> {
        let Parts { ref manifest, library, entry, .. } = parts;
        check_config(manifest, &entry.config)?;
        let same = |running: &&Running| {
            running.library == library
                && running.plugin.manifest == *manifest
                && running.config == entry.config
        };
        let instance = match self.running.get(&manifest.name).filter(same) {
            Some(running) => running.plugin.instance.clone(),
            None => self.start(&parts, image)?,
        };
        let Parts { manifest, provenance, words, .. } = parts;
        let plugin = Plugin {
            manifest,
            provenance: provenance.clone(),
            isolation: entry.isolation,
            granted: entry.capabilities.clone(),
            instance,
        };
        let config = entry.config.clone();
        Ok(Running { plugin: Arc::new(plugin), words: words.clone(), library, config })
    }

    fn start(&mut self, parts: &Parts<'_>, image: Option<&LibraryImage>) -> Result<Arc<dyn Instance>, Fault> {
        let Parts { manifest, provenance, entry, .. } = parts;
        let plugin = &manifest.name;
        let module = Module::of(self.library(parts.library, image)?.as_ref())?;
        agree(manifest, &module.describe()?)?;
        let config = Value::Object(entry.config.clone()).to_string();
        let withdrawn = Withdrawn::default();
        let host = self.services.for_plugin(plugin.clone(), withdrawn.clone());
        let object = module.create(host, &config).map_err(|error| {
            Fault::new(
                "create_failed",
                format!("plugin `{plugin}` does not start: {error}"),
                format!("see `plugins.entries.{plugin}.config`, or ask the plugin's author"),
            )
        })?;
        info!(
            target: "plugin",
            plugin = %manifest.name,
            version = %manifest.version,
            release = manifest.release,
            signer = %provenance.signer,
            key_id = provenance.key_id,
            sha256 = provenance.sha256,
            isolation = entry.isolation.as_str(),
            "plugin loaded"
        );
        Ok(Arc::new(InProcess::new(plugin.clone(), object, self.services.calls().clone(), withdrawn)))
    }

    fn library(&mut self, sha256: [u8; 32], image: Option<&LibraryImage>) -> Result<Arc<Library>, Fault> {
        if let Some(library) = self.libraries.get(&sha256) {
            return Ok(library.clone());
        }
        let image = image.ok_or_else(|| differs("it is not there"))?;
        let library = Arc::new(Library::load(image)?);
        self.libraries.insert(sha256, library.clone());
        Ok(library)
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
fn agree(signed: &Manifest, code: &Manifest) -> Result<(), Fault> {
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

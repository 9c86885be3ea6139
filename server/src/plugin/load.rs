//! From a verified package to a plugin that runs.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use plugin_contract::{Manifest, PluginName};
use serde_json::{Map, Value};
use server_core::{
    arguments::ArgumentSchema,
    registry::{Instance, Plugin, Refusal},
    settings::{Isolation, PluginEntry},
};
use tracing::info;

use super::{
    fault::{Fault, quote},
    in_process::{InProcess, Library, Module},
    package::Verified,
    services::HostServices,
};

/// A verified package that operator and signer let into this process.
pub(crate) struct Loadable<'p> {
    verified: Verified<'p>,
    entry: &'p PluginEntry,
}

/// Makes plugins run, and remembers those that do.
pub(crate) struct Loader {
    services: HostServices,
    /// Every library that was ever loaded, by its SHA-256: none is unloaded, so
    /// one that comes back costs nothing more.
    libraries: HashMap<[u8; 32], Arc<Library>>,
    running: BTreeMap<PluginName, Running>,
}

struct Running {
    library: [u8; 32],
    manifest: Manifest,
    config: Map<String, Value>,
    instance: Arc<dyn Instance>,
}

impl<'p> Loadable<'p> {
    /// Asks both who must agree. Nothing falls back to this process because the
    /// place where it should run is not to be had.
    pub(crate) fn new(verified: Verified<'p>, entry: &'p PluginEntry) -> Result<Self, Refusal> {
        match permitted(&verified, entry) {
            Ok(()) => Ok(Self { verified, entry }),
            Err(fault) => Err(fault.at(&verified.provenance.folder)),
        }
    }

    pub(crate) fn verified(&self) -> &Verified<'p> {
        &self.verified
    }
}

/// Where the plugin is to run, and whether it may run there.
pub(crate) fn permitted(verified: &Verified<'_>, entry: &PluginEntry) -> Result<(), Fault> {
    let plugin = &verified.package.manifest.name;
    let key = verified.signer;
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

impl Loader {
    pub(crate) fn new(services: HostServices) -> Self {
        Self { services, libraries: HashMap::new(), running: BTreeMap::new() }
    }

    /// Makes the plugin run, or goes on with it if it runs already, the same and
    /// with the same configuration.
    pub(crate) fn load(&mut self, package: &Loadable<'_>) -> Result<Plugin, Refusal> {
        let Loadable { verified, entry } = package;
        let instance = self.instance(verified, entry);
        Ok(Plugin {
            instance: instance.map_err(|fault| fault.at(&verified.provenance.folder))?,
            manifest: verified.package.manifest.clone(),
            provenance: verified.provenance.clone(),
            isolation: entry.isolation,
            granted: entry.capabilities.clone(),
        })
    }

    /// Lets go of plugins that are no longer loaded; calls in flight end first.
    pub(crate) fn forget_all_but<'a>(&mut self, names: impl Iterator<Item = &'a PluginName>) {
        let names: Vec<_> = names.collect();
        self.running.retain(|name, _| names.contains(&name));
    }

    fn instance(&mut self, verified: &Verified<'_>, entry: &PluginEntry) -> Result<Arc<dyn Instance>, Fault> {
        let manifest = &verified.package.manifest;
        check_config(manifest, &entry.config)?;
        let same = |running: &&Running| {
            running.library == verified.image().library().sha256()
                && running.manifest == *manifest
                && running.config == entry.config
        };
        if let Some(running) = self.running.get(&manifest.name).filter(same) {
            return Ok(running.instance.clone());
        }
        let instance = self.start(verified, &entry.config)?;
        let running = Running {
            library: verified.image().library().sha256(),
            manifest: manifest.clone(),
            config: entry.config.clone(),
            instance: instance.clone(),
        };
        self.running.insert(manifest.name.clone(), running);
        let provenance = &verified.provenance;
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
        Ok(instance)
    }

    fn start(
        &mut self,
        verified: &Verified<'_>,
        config: &Map<String, Value>,
    ) -> Result<Arc<dyn Instance>, Fault> {
        let manifest = &verified.package.manifest;
        let plugin = &manifest.name;
        let module = Module::of(self.library(verified)?.as_ref())?;
        agree(manifest, &module.describe()?)?;
        let config = Value::Object(config.clone()).to_string();
        let object = module.create(self.services.for_plugin(plugin.clone()), &config).map_err(|error| {
            Fault::new(
                "create_failed",
                format!("plugin `{plugin}` does not start: {error}"),
                format!("see `plugins.entries.{plugin}.config`, or ask the plugin's author"),
            )
        })?;
        Ok(Arc::new(InProcess::new(plugin.clone(), object, self.services.calls().clone())))
    }

    fn library(&mut self, verified: &Verified<'_>) -> Result<Arc<Library>, Fault> {
        let image = verified.image();
        let sha256 = image.library().sha256();
        if let Some(library) = self.libraries.get(&sha256) {
            return Ok(library.clone());
        }
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

//! What the plugins in an operator's folders claim to offer: for a look ahead,
//! believed for their names only. Nothing is verified and nothing runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::future::BoxFuture;
use plugin_contract::{Manifest, PluginName};
use server_core::{
    id::KeyName,
    invocation::Invocation,
    registry::{Instance, InvokeError, Plugin, Prepared, Provenance, Refusal, Registry},
    settings::{KeySource, PluginSettings},
};

use super::{
    Installation,
    fault::quote,
    folder::{self, Links},
    package::{self, MANIFEST, MAX_MANIFEST},
};

/// Manifests, and what could not be read.
#[derive(Debug, Default)]
pub struct Claims {
    /// In the order in which a server would load them.
    pub manifests: Vec<Manifest>,
    /// A sentence on each folder or file whose names are not known.
    pub unread: Vec<String>,
}

/// Reads the `plugin.json` of every plugin that a server of these settings would
/// look at.
#[must_use]
pub fn claims(settings: &PluginSettings, installation: &Installation) -> Claims {
    let mut claims = Claims::default();
    let bundled = installation.folder(settings);
    let comes_bundled = settings.trusted_keys.values().any(|key| key.minisign == KeySource::Installed);
    if !claims.folder(&bundled) && comes_bundled {
        claims.unread.push(format!("{}: there is no such folder with the bundled plugins", shown(&bundled)));
    }
    if let Some(dir) = &settings.dir {
        // A folder that is not there yet is an empty one.
        claims.folder(dir);
    }
    claims
}

/// Stands where the code of a plugin would be.
struct NotLoaded(PluginName);

impl Instance for NotLoaded {
    fn invoke(&self, _invocation: Invocation) -> BoxFuture<'static, Result<Vec<u8>, InvokeError>> {
        let lost = InvokeError::Lost { plugin: self.0.clone(), reason: "it is not loaded".to_owned() };
        Box::pin(async { Err(lost) })
    }
}

impl Claims {
    /// What a server of these settings would offer, were all of it true. Nothing in
    /// it runs.
    #[must_use]
    pub fn registry(&self, settings: &PluginSettings) -> Registry {
        self.admitted(&self.manifests, settings).0
    }

    /// Why a plugin could not be loaded beside the others: something that it offers has
    /// a name that is taken, or cannot be offered at all.
    #[must_use]
    pub fn conflicts(&self, manifest: &Manifest, settings: &PluginSettings) -> Vec<Refusal> {
        let others = self.manifests.iter().filter(|it| it.name != manifest.name);
        let manifests: Vec<_> = others.chain([manifest]).cloned().collect();
        let (_, mut refusals) = self.admitted(&manifests, settings);
        refusals.retain(|refusal| refusal.place == Path::new(manifest.name.as_str()));
        refusals
    }

    fn admitted(&self, manifests: &[Manifest], settings: &PluginSettings) -> (Registry, Vec<Refusal>) {
        let unsigned = "unverified".parse::<KeyName>().ok();
        let plugins = manifests.iter().zip(unsigned.iter().cycle()).filter_map(|(manifest, signer)| {
            let entry = settings.entries.get(&manifest.name).cloned().unwrap_or_default();
            let plugin = || Plugin {
                manifest: manifest.clone(),
                provenance: Provenance {
                    folder: PathBuf::from(manifest.name.as_str()),
                    signer: signer.clone(),
                    key_id: String::new(),
                    sha256: String::new(),
                },
                isolation: entry.isolation,
                granted: entry.capabilities.clone(),
                instance: Arc::new(NotLoaded(manifest.name.clone())),
                prepared: Prepared::default(),
            };
            entry.enabled.then(|| Arc::new(plugin()))
        });
        Registry::admit(plugins)
    }

    /// False if there is no such folder.
    fn folder(&mut self, path: &Path) -> bool {
        match plugins(path) {
            Ok(folders) => folders.iter().for_each(|folder| self.plugin(folder)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
            Err(error) => self.unread.push(format!("{} cannot be read: {error}", shown(path))),
        }
        true
    }

    fn plugin(&mut self, folder: &Path) {
        let path = folder.join(MANIFEST);
        let package = folder::look(&path, MAX_MANIFEST, Links::Refuse)
            .map_err(|error| format!("{} cannot be read: {error}", shown(&path)))
            .and_then(|bytes| {
                package::parse(&bytes).map_err(|fault| {
                    let refusal = fault.at(&path);
                    format!("{}: {}", shown(&path), refusal.message)
                })
            });
        match package {
            Ok(package) => self.manifests.push(package.manifest),
            Err(unread) => self.unread.push(unread),
        }
    }
}

/// The folders that may hold a plugin, in the order of their names.
fn plugins(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let is_plugin = entry.file_name().to_str().is_some_and(|name| name.parse::<PluginName>().is_ok());
        if is_plugin && entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort_unstable();
    Ok(folders)
}

fn shown(path: &Path) -> String {
    quote(&path.display().to_string())
}

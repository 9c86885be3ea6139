//! What a server would say of a folder, short of running what is in it.

use std::path::Path;

use plugin_contract::Manifest;
use server_core::{
    id::KeyName,
    registry::{Provenance, Refusal},
    settings::{KeySource, PluginSettings, TrustedKey},
};

use super::{
    Installation,
    fault::Fault,
    folder::{self, Folder},
    load,
    package::Unverified,
    release::Marks,
    signature::PublicKey,
    trust::{self, KeyRing, MAX_KEY_FILE},
};

/// A plugin that a trusted key vouches for.
#[derive(Clone, Debug)]
pub struct Verification {
    /// What it is.
    pub manifest: Manifest,
    /// Whose it is.
    pub provenance: Provenance,
    /// What the signer wrote beside the signature.
    pub comment: String,
    /// Why the operator's configuration would keep it out all the same.
    pub kept_out: Option<Refusal>,
}

/// Verifies a plugin's folder as the server of these settings would. `state_dir`
/// tells which releases ran there.
pub fn as_server(
    folder: &Path,
    settings: &PluginSettings,
    state_dir: &Path,
    installation: &Installation,
) -> Result<Verification, Refusal> {
    let bundled = installation.folder(settings);
    let (keys, refusals) = KeyRing::new(settings, &installation.key(&bundled), None, trust::today());
    // A key that cannot be read is the reason for whatever else would be said.
    let unknown = |refusal: Refusal| match refusals.first() {
        Some(key) if refusal.code == "key_unknown" => key.clone(),
        _ => refusal,
    };
    let signed = Unverified::read(open(folder)?)?.verify(&keys).map_err(unknown)?;
    if signed.signer().key.minisign != KeySource::Installed {
        signed.check_release(&Marks::read(state_dir)?)?;
    }
    let verified = signed.read_library()?;
    let manifest = &verified.package.manifest;
    let entry = settings.entries.get(manifest.name.as_str()).cloned().unwrap_or_default();
    let kept_out = if entry.enabled {
        load::permitted(manifest, verified.signer, &entry)
            .and_then(|()| load::check_config(manifest, &entry.config))
            .err()
    } else {
        Some(Fault::new(
            "disabled",
            format!("plugin `{}` is disabled", manifest.name),
            format!("remove `plugins.entries.{}.enabled: false`", manifest.name),
        ))
    };
    Ok(Verification {
        kept_out: kept_out.map(|fault| fault.at(&verified.provenance.folder)),
        manifest: verified.package.manifest,
        provenance: verified.provenance,
        comment: verified.comment,
    })
}

/// Verifies a plugin's folder for whoever trusts the public key in a file, with
/// everything.
pub fn by_key(folder: &Path, key_file: &Path, name: KeyName) -> Result<Verification, Refusal> {
    let everything = || ["*"].iter().filter_map(|pattern| pattern.parse().ok()).collect();
    let key = TrustedKey {
        minisign: KeySource::Minisign(read_key(key_file)?),
        plugins: everything(),
        names: Some(everything()),
        capabilities: plugin_contract::Capability::ALL.into(),
        in_process: true,
        not_after: None,
        revoked: false,
    };
    let settings = PluginSettings { trusted_keys: [(name, key)].into(), ..PluginSettings::default() };
    let (keys, _) = KeyRing::new(&settings, Path::new(""), None, trust::today());
    let verified = Unverified::read(open(folder)?)?.verify(&keys)?.read_library()?;
    Ok(Verification {
        kept_out: None,
        manifest: verified.package.manifest,
        provenance: verified.provenance,
        comment: verified.comment,
    })
}

fn read_key(path: &Path) -> Result<String, Refusal> {
    let missing = || Fault::new("key_missing", "there is no such file", "name minisign's `.pub` file");
    let bytes = folder::read_file(path, MAX_KEY_FILE)?.ok_or_else(|| missing().at(path))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    match PublicKey::parse(&text) {
        Some(_) => Ok(text),
        None => Err(trust::no_public_key().at(path)),
    }
}

/// By its full path, since its name must be the plugin's.
fn open(folder: &Path) -> Result<Folder, Refusal> {
    let path = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    Folder::open(&path)?.ok_or_else(|| {
        let fault =
            Fault::new("folder_missing", "there is no such folder", "name the folder that holds plugin.json");
        fault.at(folder)
    })
}

//! What a server would say of a folder, short of running what is in it.

use std::path::Path;

use plugin_contract::Manifest;
use server_core::{
    id::KeyName,
    registry::{Provenance, Refusal},
    settings::{KeySource, PluginEntry, PluginSettings, TrustedKey},
};

use super::{
    Installation,
    claims::claims,
    fault::Fault,
    folder::{self, Folder},
    load,
    package::{Signed, Unverified},
    release::Marks,
    signature::PublicKey,
    trust::{self, KeyRing, MAX_KEY_FILE},
};

/// A plugin that a trusted key signed.
#[derive(Clone, Debug)]
pub struct Verification {
    /// What it is.
    pub manifest: Manifest,
    /// Whose it is, and that its library is the one that was signed. `None` where the
    /// key's owner may not sign for it, or it is another library.
    pub provenance: Option<Provenance>,
    /// What the signer wrote beside the signature.
    pub comment: String,
    /// Every reason why a server would refuse it.
    pub refusals: Vec<Refusal>,
    /// What a server would load and not let do all it is for, a sentence each.
    pub notes: Vec<String>,
}

/// Verifies a plugin's folder as the server of these settings would. `state_dir`
/// tells which releases ran there. The error is the reason why there is nothing that a
/// trusted key signed.
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
    let (signed, refusals) = Unverified::read(open(folder)?)?.judge(&keys).map_err(unknown)?;
    let mut verification = Verification::of(&signed, refusals);
    let signer = signed.signer();
    if signer.key.minisign != KeySource::Installed {
        verification.note(Marks::read(state_dir).and_then(|marks| signed.check_release(&marks)));
    }
    verification.library(signed);
    let manifest = verification.manifest.clone();
    let entry = settings.entries.get(manifest.name.as_str()).cloned().unwrap_or_default();
    let folder = open(folder)?;
    let mut judge = |judged: Result<(), Fault>| verification.note(judged.map_err(|it| it.at(folder.path())));
    judge(enabled(&manifest, &entry));
    judge(load::permitted(&manifest, signer, &entry));
    judge(load::check_config(&manifest, &entry.config));
    let conflicts = claims(settings, installation).conflicts(&manifest, settings);
    verification
        .refusals
        .extend(conflicts.into_iter().map(|it| Refusal { place: folder.path().to_owned(), ..it }));
    verification.notes = ungranted(&manifest, &entry);
    Ok(verification)
}

impl Verification {
    fn of(signed: &Signed<'_>, refusals: Vec<Refusal>) -> Self {
        let (manifest, comment) = (signed.package().manifest.clone(), signed.comment().to_owned());
        Self { manifest, provenance: None, comment, refusals, notes: Vec::new() }
    }

    /// Looks at the library too.
    fn library(&mut self, signed: Signed<'_>) {
        let trusted = self.refusals.is_empty();
        match signed.read_library() {
            Ok(verified) => self.provenance = trusted.then_some(verified.provenance),
            Err(refusal) => self.refusals.push(refusal),
        }
    }

    fn note(&mut self, judged: Result<(), Refusal>) {
        self.refusals.extend(judged.err());
    }
}

fn enabled(manifest: &Manifest, entry: &PluginEntry) -> Result<(), Fault> {
    if entry.enabled {
        return Ok(());
    }
    Err(Fault::new(
        "disabled",
        format!("plugin `{}` is disabled", manifest.name),
        format!("remove `plugins.entries.{}.enabled: false`", manifest.name),
    ))
}

/// What the operator does not let its tools use, which is no reason not to load it.
fn ungranted(manifest: &Manifest, entry: &PluginEntry) -> Vec<String> {
    let plugin = &manifest.name;
    let missing = manifest.capabilities.difference(&entry.capabilities);
    missing
        .map(|capability| {
            let tools = manifest.tools.iter().filter(|tool| tool.capabilities.contains(capability));
            let tools: Vec<_> = tools.map(|tool| format!("`{}`", tool.name)).collect();
            format!(
                "calls of {} would be denied: plugin `{plugin}` is not granted `{capability}`; add it to `plugins.entries.{plugin}.capabilities`",
                tools.join(", ")
            )
        })
        .collect()
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
    let (signed, refusals) = Unverified::read(open(folder)?)?.judge(&keys)?;
    let mut verification = Verification::of(&signed, refusals);
    verification.library(signed);
    Ok(verification)
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

//! From a folder to a package whose every byte a trusted key vouches for. Each
//! step is a type, so that none can be left out: [`Unverified`] → [`Signed`] →
//! [`Verified`]. Only the last one has a library to load.

use std::path::Path;

use plugin_contract::{ApiVersion, Capability, Package, PluginName, manifest::PACKAGE_SCHEMA};
use serde_json::Value;
use server_core::{
    egress::Rule,
    registry::{Provenance, Refusal},
};

use super::{
    fault::{Fault, quote},
    folder::{Folder, Stamp},
    image::{self, LibraryImage, RawLibrary},
    release::Marks,
    signature::Signature,
    trust::{KeyRing, Signer},
};

/// The signed file.
pub(crate) const MANIFEST: &str = "plugin.json";
/// Its signature.
pub(crate) const SIGNATURE: &str = "plugin.json.minisig";
/// The triple this server is built for; a library for another one cannot run here.
const TARGET: &str = env!("SERVER_TARGET");

pub(crate) const MAX_MANIFEST: u64 = 1 << 20;
pub(crate) const MAX_SIGNATURE: u64 = 4096;
/// Libraries with debug information are large.
pub(crate) const MAX_LIBRARY: u64 = 512 << 20;

/// A manifest and its signature, as they were read.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Default))]
pub(crate) struct Words {
    manifest: Vec<u8>,
    signature: Vec<u8>,
}

/// A plugin's folder, read and not believed.
pub(crate) struct Unverified {
    folder: Folder,
    words: Words,
}

/// A package in the words of a trusted key's owner, who may say all of them.
pub(crate) struct Signed<'k> {
    folder: Folder,
    words: Words,
    package: Package,
    signer: &'k Signer,
    comment: String,
}

/// A package with the library that was signed.
pub(crate) struct Verified<'k> {
    pub(crate) package: Package,
    pub(crate) provenance: Provenance,
    pub(crate) signer: &'k Signer,
    words: Words,
    image: LibraryImage,
    /// Of the library's file, from before it was read.
    stamp: Option<Stamp>,
}

impl Unverified {
    /// Reads the manifest and its signature. The library is read once it is known
    /// which one was signed.
    pub(crate) fn read(folder: Folder) -> Result<Self, Refusal> {
        let missing = |fault: Fault| fault.at(folder.path());
        let manifest = folder.read(MANIFEST, MAX_MANIFEST)?.ok_or_else(|| {
            missing(Fault::new(
                "manifest_missing",
                "there is no plugin.json in it",
                "put the folder there that `mcp-universal-server plugin sign` made",
            ))
        })?;
        let signature = folder.read(SIGNATURE, MAX_SIGNATURE)?.ok_or_else(|| {
            missing(Fault::new(
                "unsigned",
                "it is not signed: there is no plugin.json.minisig in it",
                "put the folder there that `mcp-universal-server plugin sign` made",
            ))
        })?;
        Ok(Self { folder, words: Words { manifest, signature } })
    }

    /// Checks the signature, and only then looks at what was signed.
    pub(crate) fn verify<'k>(self, keys: &'k KeyRing) -> Result<Signed<'k>, Refusal> {
        let (signed, objections) = self.judge(keys)?;
        objections.into_iter().next().map_or(Ok(signed), Err)
    }

    /// The same for whoever only looks: with all that speaks against what was signed,
    /// since one of it keeps the rest from being looked at in a server.
    pub(crate) fn judge<'k>(self, keys: &'k KeyRing) -> Result<(Signed<'k>, Vec<Refusal>), Refusal> {
        let Self { folder, words } = self;
        let (signer, package, comment) = words.authentic(folder.path(), keys)?;
        let objections = objections(signer, &package, folder.path());
        Ok((Signed { folder, words, package, signer, comment }, objections))
    }
}

impl Words {
    /// Who said so, and what, if they may; `folder` is where it was read.
    pub(crate) fn verify<'k>(
        &self,
        folder: &Path,
        keys: &'k KeyRing,
    ) -> Result<(&'k Signer, Package, String), Refusal> {
        let authentic = self.authentic(folder, keys)?;
        objections(authentic.0, &authentic.1, folder).into_iter().next().map_or(Ok(authentic), Err)
    }

    /// Who said so, and what, whether they may or not.
    fn authentic<'k>(
        &self,
        folder: &Path,
        keys: &'k KeyRing,
    ) -> Result<(&'k Signer, Package, String), Refusal> {
        let signature =
            Signature::parse(&self.signature).map_err(|fault| fault.at(&folder.join(SIGNATURE)))?;
        let signed = || {
            let signer = keys.signer(&signature)?;
            signer.verify(&self.manifest, &signature)?;
            Ok((signer, parse(&self.manifest)?))
        };
        let (signer, package) = signed().map_err(|fault: Fault| fault.at(&folder.join(MANIFEST)))?;
        let comment = signature.comment().to_owned();
        Ok((signer, package, comment))
    }
}

/// All that speaks against what a key's owner signed.
fn objections(signer: &Signer, package: &Package, folder: &Path) -> Vec<Refusal> {
    let mut faults = signer.objections(&package.manifest);
    faults.extend(coherent(package).err());
    let manifest = folder.join(MANIFEST);
    let misnamed = named(folder, &package.manifest.name).err().map(|fault| fault.at(folder));
    faults.into_iter().map(|fault| fault.at(&manifest)).chain(misnamed).collect()
}

impl<'k> Signed<'k> {
    /// By whom.
    pub(crate) fn signer(&self) -> &'k Signer {
        self.signer
    }

    /// What the signer wrote beside the signature.
    pub(crate) fn comment(&self) -> &str {
        &self.comment
    }

    /// What was signed.
    pub(crate) fn package(&self) -> &Package {
        &self.package
    }

    /// Whether it is in these words of the same signer, and in the same place, that
    /// a library was loaded whose file bore that stamp, and still does.
    pub(crate) fn is_still(&self, words: &Words, provenance: &Provenance, stamp: &Stamp) -> bool {
        self.words == *words
            && self.signer.name == provenance.signer
            && self.folder.path() == provenance.folder
            && self.folder.stamp(&self.package.artifact.file).as_ref() == Some(stamp)
    }

    /// Refuses a step back from what ran here.
    pub(crate) fn check_release(&self, marks: &Marks) -> Result<(), Refusal> {
        marks.check(&self.package).map_err(|fault| fault.at(self.folder.path()))
    }

    /// Reads the library and checks that it is the one that was signed, and none
    /// that would take the dynamic linker down.
    pub(crate) fn read_library(self) -> Result<Verified<'k>, Refusal> {
        let artifact = &self.package.artifact;
        let manifest = self.folder.path().join(MANIFEST);
        plain(&artifact.file).map_err(|fault| fault.at(&manifest))?;
        let place = self.folder.path().join(&artifact.file);
        let stamp = self.folder.stamp(&artifact.file);
        let Some(bytes) = self.folder.read(&artifact.file, MAX_LIBRARY)? else {
            return Err(image::differs("it is not there").at(&place));
        };
        let image = LibraryImage::signed_as(artifact, RawLibrary::new(bytes));
        let image = image.map_err(|fault| fault.at(&place))?;
        let provenance = Provenance {
            folder: self.folder.path().to_owned(),
            signer: self.signer.name.clone(),
            key_id: self.signer.id().to_string(),
            sha256: image.library().sha256_hex(),
        };
        let Self { words, package, signer, .. } = self;
        Ok(Verified { package, provenance, signer, words, image, stamp })
    }
}

impl Verified<'_> {
    /// The library, which is the one that was signed.
    pub(crate) fn image(&self) -> &LibraryImage {
        &self.image
    }

    /// What its file was known by.
    pub(crate) fn stamp(&self) -> Option<&Stamp> {
        self.stamp.as_ref()
    }

    /// What was signed, to the letter.
    pub(crate) fn words(&self) -> &Words {
        &self.words
    }
}

/// Reads what was signed. A manifest from the future is told from a broken one,
/// so the version is looked at before the whole must make sense.
pub(crate) fn parse(bytes: &[u8]) -> Result<Package, Fault> {
    let invalid = |error: serde_json::Error| {
        Fault::new(
            "manifest_invalid",
            format!("it is no plugin manifest: {}", quote(&error.to_string())),
            "sign the plugin again with `mcp-universal-server plugin sign`",
        )
    };
    let json: Value = serde_json::from_slice(bytes).map_err(invalid)?;
    let text = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).map(quote);
    match text("/schema") {
        Some(schema) if schema == PACKAGE_SCHEMA => {}
        found => {
            let found = found.map_or("missing".to_owned(), |schema| format!("`{schema}`"));
            return Err(Fault::new(
                "schema_unknown",
                format!("its `schema` is {found}, this server reads `{PACKAGE_SCHEMA}`"),
                "sign the plugin with the `plugin sign` of this server's version",
            ));
        }
    }
    let api = text("/manifest/api").and_then(|api| api.parse::<ApiVersion>().ok());
    if let Some(api) = api.filter(|api| !ApiVersion::CURRENT.serves(*api)) {
        let current = ApiVersion::CURRENT;
        return Err(Fault::new(
            "api_unsupported",
            format!("it needs plugin API {api}, this server speaks {current}"),
            if api > current {
                "update the server, or install a version of the plugin for an older one"
            } else {
                "install a version of the plugin that was built for this server"
            },
        ));
    }
    let needs = json.pointer("/manifest/capabilities").and_then(Value::as_array);
    for capability in needs.into_iter().flatten().filter_map(Value::as_str) {
        quote(capability).parse::<Capability>().map_err(|error| {
            Fault::new(
                "capability_unknown",
                format!("it asks for an {error}"),
                "update the server, or install a version of the plugin for an older one",
            )
        })?;
    }
    serde_json::from_slice(bytes).map_err(invalid)
}

/// Refuses a manifest that contradicts itself or this machine.
pub(crate) fn coherent(package: &Package) -> Result<(), Fault> {
    let manifest = &package.manifest;
    for tool in &manifest.tools {
        if let Some(capability) = tool.capabilities.difference(&manifest.capabilities).next() {
            return Err(Fault::new(
                "capability_undeclared",
                format!(
                    "its tool `{}` asks for `{capability}`, which the plugin's own `capabilities` leave out",
                    tool.name
                ),
                "build the plugin with plugin-api, which lists them all, and sign it again",
            ));
        }
    }
    if let Some(error) = manifest.egress.iter().find_map(|host| host.parse::<Rule>().err()) {
        return Err(Fault::new(
            "egress_invalid",
            format!("a host that it declares in `egress` cannot be used: {}", quote(&error.to_string())),
            "correct what `Plugin::reaches` is given, and sign it again",
        ));
    }
    if manifest.target != TARGET {
        return Err(Fault::new(
            "target_mismatch",
            format!("it is built for {}, this server for {TARGET}", quote(&manifest.target)),
            format!("install the plugin's build for {TARGET}"),
        ));
    }
    Ok(())
}

fn named(folder: &Path, plugin: &PluginName) -> Result<(), Fault> {
    if folder.file_name().is_some_and(|name| name == plugin.as_str()) {
        return Ok(());
    }
    Err(Fault::new(
        "folder_name",
        format!("the plugin in it is named `{plugin}`, and the folder is not"),
        format!("rename the folder to `{plugin}`"),
    ))
}

/// Refuses a path where a file name should be.
pub(crate) fn plain(file: &str) -> Result<(), Fault> {
    let plain = file.ends_with(".so")
        && !file.starts_with('.')
        && file.len() <= 255
        && file.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if plain {
        return Ok(());
    }
    Err(Fault::new(
        "artifact_name",
        format!("its `artifact.file`, `{}`, is no plain name of a `.so` file", quote(file)),
        "sign the plugin again with `mcp-universal-server plugin sign`",
    ))
}

//! Whose signatures count, and for what.

use std::path::Path;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use plugin_contract::Manifest;
use server_core::{
    id::KeyName,
    registry::Refusal,
    settings::{KeySource, PluginSettings, TrustedKey},
};

use super::{
    fault::Fault,
    folder,
    signature::{KeyId, PublicKey, Signature},
};

/// The longest file that holds a key.
pub(crate) const MAX_KEY_FILE: u64 = 4096;

/// The operator's trusted keys.
#[derive(Debug)]
pub(crate) struct KeyRing {
    keys: Vec<Signer>,
    today: Date,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) name: KeyName,
    pub(crate) key: TrustedKey,
    public: PublicKey,
}

impl KeyRing {
    /// Reads the keys of `settings`, and the installation's own from its file if
    /// they name it. A key that cannot be read is left out, with a refusal; but a
    /// file that only the system keeps from being read takes away no trust in what
    /// it held the `last` time.
    pub(crate) fn new(
        settings: &PluginSettings,
        installed: &Path,
        last: Option<&PublicKey>,
        today: Date,
    ) -> (Self, Vec<Refusal>) {
        let mut keys = Vec::new();
        let mut refusals = Vec::new();
        for (name, key) in &settings.trusted_keys {
            let public = match &key.minisign {
                KeySource::Installed => read_installed(installed).or_else(|refusal| match last {
                    Some(last) if refusal.code == folder::UNREADABLE => {
                        refusals.push(refusal);
                        Ok(last.clone())
                    }
                    _ => Err(refusal),
                }),
                KeySource::Minisign(text) => PublicKey::parse(text).ok_or_else(|| {
                    let place = format!("plugins.trusted_keys.{name}.minisign");
                    no_public_key().at(Path::new(&place))
                }),
            };
            match public {
                Ok(public) => keys.push(Signer { name: name.clone(), key: key.clone(), public }),
                Err(refusal) => refusals.push(refusal),
            }
        }
        (Self { keys, today }, refusals)
    }

    /// The installation's own key, if the settings trust it.
    pub(crate) fn installed(&self) -> Option<&PublicKey> {
        let mut keys = self.keys.iter();
        keys.find(|signer| signer.key.minisign == KeySource::Installed).map(|signer| &signer.public)
    }

    /// The key that a signature names, if its signatures count today.
    pub(crate) fn signer(&self, signature: &Signature) -> Result<&Signer, Fault> {
        let id = signature.id();
        let mut named = self.keys.iter().filter(|signer| signer.id() == id);
        let signer = match (named.next(), named.next()) {
            (Some(signer), None) => signer,
            (None, _) => {
                return Err(Fault::new(
                    "key_unknown",
                    format!("it is signed with key {id}, which no trusted key is"),
                    "if you trust its owner, add the public key to `plugins.trusted_keys`",
                ));
            }
            (Some(one), Some(other)) => {
                return Err(Fault::new(
                    "key_ambiguous",
                    format!("the trusted keys `{}` and `{}` are both {id}", one.name, other.name),
                    "remove one of the two from `plugins.trusted_keys`",
                ));
            }
        };
        signer.counts_on(self.today)?;
        Ok(signer)
    }
}

impl Signer {
    pub(crate) fn id(&self) -> KeyId {
        self.public.id()
    }

    /// Refuses bytes that are not what the key signed.
    pub(crate) fn verify(&self, bytes: &[u8], signature: &Signature) -> Result<(), Fault> {
        if self.public.verifies(bytes, signature) {
            return Ok(());
        }
        Err(Fault::new(
            "signature_invalid",
            format!(
                "plugin.json and its signature by key `{}` do not belong together: one of the two was changed",
                self.name
            ),
            "install the plugin's files again, all of them, as its author gave them",
        ))
    }

    /// All that the key's owner may not vouch for in a manifest.
    pub(crate) fn objections(&self, manifest: &Manifest) -> Vec<Fault> {
        let signs =
            [self.signs_plugin(manifest), self.signs_names(manifest), self.signs_capabilities(manifest)];
        signs.into_iter().filter_map(Result::err).collect()
    }

    fn counts_on(&self, today: Date) -> Result<(), Fault> {
        let name = &self.name;
        if self.key.revoked {
            return Err(Fault::new(
                "key_revoked",
                format!("it is signed with key `{name}`, which is revoked"),
                "install a version that is signed with a key that is trusted",
            ));
        }
        match self.key.not_after {
            Some(last) if self.key.expired(today) => Err(Fault::new(
                "key_expired",
                format!("it is signed with key `{name}`, which was trusted until {last}"),
                format!(
                    "install a version that is signed with a current key, or extend `plugins.trusted_keys.{name}.not_after`"
                ),
            )),
            _ => Ok(()),
        }
    }

    fn signs_plugin(&self, manifest: &Manifest) -> Result<(), Fault> {
        let plugin = &manifest.name;
        if self.key.plugins.cover(plugin.as_str()) {
            return Ok(());
        }
        let name = &self.name;
        Err(Fault::new(
            "plugin_out_of_scope",
            format!("key `{name}` may not sign a plugin named `{plugin}`"),
            format!(
                "add a pattern that covers `{plugin}` to `plugins.trusted_keys.{name}.plugins`, if its owner may"
            ),
        ))
    }

    fn signs_names(&self, manifest: &Manifest) -> Result<(), Fault> {
        let plugin = &manifest.name;
        let refused = self.key.foreign_names(manifest);
        let refused: Vec<_> = refused.iter().map(|(kind, name)| format!("{kind} `{name}`")).collect();
        if refused.is_empty() {
            return Ok(());
        }
        let key = &self.name;
        let help = match &self.key.names {
            Some(_) => format!(
                "rename it in the plugin, or add a pattern that covers it to `plugins.trusted_keys.{key}.names`"
            ),
            None => format!(
                "begin it with `{plugin}.` (a resource with `{plugin}://`), or add a pattern that covers it to `plugins.trusted_keys.{key}.names`"
            ),
        };
        Err(Fault::new("name_out_of_scope", format!("key `{key}` may not sign {}", refused.join(", ")), help))
    }

    fn signs_capabilities(&self, manifest: &Manifest) -> Result<(), Fault> {
        let beyond = self.key.foreign_capabilities(manifest);
        if beyond.is_empty() {
            return Ok(());
        }
        let key = &self.name;
        let beyond: Vec<_> = beyond.iter().map(|it| format!("`{it}`")).collect();
        Err(Fault::new(
            "capability_out_of_scope",
            format!("key `{key}` may not sign a plugin that needs {}", beyond.join(" and ")),
            format!(
                "add what it needs to `plugins.trusted_keys.{key}.capabilities`, if its owner may have it"
            ),
        ))
    }
}

/// The day it is, for `not_after`.
pub(crate) fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

fn read_installed(path: &Path) -> Result<PublicKey, Refusal> {
    let Some(bytes) = folder::read_file(path, MAX_KEY_FILE)? else {
        let fault = Fault::new(
            "key_missing",
            "there is no public key of the bundled plugins",
            "install the server again, or name the key's file in MCP_BUNDLED_KEY",
        );
        return Err(fault.at(path));
    };
    std::str::from_utf8(&bytes).ok().and_then(PublicKey::parse).ok_or_else(|| no_public_key().at(path))
}

pub(crate) fn no_public_key() -> Fault {
    Fault::new(
        "key_invalid",
        "it is no minisign public key",
        "write the line of the `.pub` file that begins with `RW`",
    )
}

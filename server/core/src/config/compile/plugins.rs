//! `plugins`: folders, trusted keys and entries.

use std::collections::BTreeMap;

use jiff::civil::Date;
use plugin_contract::{Capability, PluginName};

use super::{Compiler, Place, default_patterns, redaction::filters};
use crate::{
    config::{
        mask::quoted,
        raw::{RawEntry, RawIsolation, RawKey, RawPlugins, RawWorker, Texts},
    },
    id::KeyName,
    settings::{Isolation, KeySource, PluginEntry, PluginSettings, TrustedKey, WorkerSettings},
};

/// Plugins that come with the server, and what each of them may do for agents that
/// may too. None holds up more than the thread it has.
const BUNDLED: [(&str, &[Capability]); 7] = [
    ("about", &[]),
    ("core", &[]),
    ("database", &[Capability::DbRead]),
    ("files", &[Capability::FsRead]),
    ("http", &[Capability::NetworkOutbound]),
    ("llm", &[Capability::LlmQuery]),
    ("prompts", &[]),
];

/// Names that bundled plugins bear, whichever of them an installation has.
const BUNDLED_NAMES: [&str; 8] =
    ["core.*", "db.*", "fs.*", "http.*", "llm.*", "about://*", "review_pr", "tool_usage"];

impl Compiler<'_> {
    pub(super) fn plugins(&mut self, place: &Place, raw: &RawPlugins) -> PluginSettings {
        let keys = raw.trusted_keys.as_ref().map(|keys| self.trusted_keys(&place.key("trusted_keys"), keys));
        let entries = place.key("entries");
        let entries = self.named(&entries, &raw.entries, |compiler, place, raw| {
            let bundled = BUNDLED.into_iter().find(|(name, _)| *place == entries.key(*name));
            let bundled = bundled.map(|(_, capabilities)| capabilities);
            let (egress, secrets) = compiler.entry_egress(place, raw);
            Some(PluginEntry { egress, secrets, ..entry(bundled, raw) })
        });
        PluginSettings {
            dir: self.path(&place.key("dir"), raw.dir.as_deref()),
            bundled_dir: self.path(&place.key("bundled_dir"), raw.bundled_dir.as_deref()),
            trusted_keys: keys.unwrap_or_else(default_keys),
            entries: default_entries().chain(entries).collect(),
            require_landlock: raw.require_landlock.unwrap_or(true),
            max_retired_bytes: raw.max_retired_bytes.unwrap_or(PluginSettings::default().max_retired_bytes),
        }
    }

    fn trusted_keys(
        &mut self,
        place: &Place,
        raw: &BTreeMap<String, RawKey>,
    ) -> BTreeMap<KeyName, TrustedKey> {
        let mut seen = BTreeMap::new();
        let keys = self.named(place, raw, |compiler, place, raw| {
            let key = compiler.trusted_key(place, raw);
            let first = raw.minisign.as_deref().and_then(|text| seen.insert(text.to_owned(), place.clone()));
            if let Some(first) = first {
                let [first, name] = [&first, place].map(|place| compiler.report.name_at(place));
                let message = format!("`{first}` and `{name}` are the same key");
                let help = "merge the two: which of them counts would be a guess".to_owned();
                compiler.report.error(&place.key("minisign"), "duplicate_key", message, Some(help));
            }
            key
        });
        if !raw.values().any(|key| key.minisign.as_deref() == Some("installed")) {
            let message = "no key is `installed`, so the bundled plugins will not be loaded".to_owned();
            let help = "to load them, add `bundled: { minisign: installed, plugins: [\"*\"], names: [\"core.*\", \
                        \"db.*\", \"fs.*\", \"http.*\", \"llm.*\", \"about://*\", \"review_pr\", \"tool_usage\"], capabilities: \
                        [\"llm:query\", \"network:outbound\", \"fs:read\", \"db:read\"], in_process: true }`";
            self.report.warning(place, "no_installed_key", message, Some(help.to_owned()));
        }
        keys
    }

    fn trusted_key(&mut self, place: &Place, raw: &RawKey) -> Option<TrustedKey> {
        let minisign = raw.minisign.as_deref().and_then(|text| self.key_source(&place.key("minisign"), text));
        let mut patterns = |key: &'static str, texts: &Option<Texts>| {
            texts.as_ref().map(|texts| self.patterns(&place.key(key), texts).into_iter().collect())
        };
        let plugins = patterns("plugins", &raw.plugins);
        let names = patterns("names", &raw.names);
        let not_after = raw.not_after.as_deref().and_then(|text| self.date(&place.key("not_after"), text));
        Some(TrustedKey {
            minisign: minisign?,
            plugins: plugins?,
            names,
            capabilities: Self::capabilities(raw.capabilities.as_ref()),
            in_process: raw.in_process.unwrap_or(false),
            not_after,
            revoked: raw.revoked.unwrap_or(false),
        })
    }

    fn key_source(&mut self, place: &Place, text: &str) -> Option<KeySource> {
        if text == "installed" {
            return Some(KeySource::Installed);
        }
        if is_minisign_key(text) {
            return Some(KeySource::Minisign(text.to_owned()));
        }
        let message = "this is no minisign public key".to_owned();
        let help =
            "write the second line of the `.pub` file, 56 characters that begin with `RW`, or `installed`";
        self.report.error(place, "invalid_key", message, Some(help.to_owned()));
        None
    }

    fn date(&mut self, place: &Place, text: &str) -> Option<Date> {
        let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
        if date.is_none() {
            let help = "write year, month and day, as in `2027-12-31`".to_owned();
            self.report.error(place, "invalid_date", format!("{} is no date", quoted(text)), Some(help));
        }
        date
    }
}

/// What counts without a configuration, or with one that is silent on plugins.
pub(in crate::config) fn default_plugins() -> PluginSettings {
    PluginSettings {
        trusted_keys: default_keys(),
        entries: default_entries().collect(),
        ..PluginSettings::default()
    }
}

fn default_keys() -> BTreeMap<KeyName, TrustedKey> {
    let key = TrustedKey {
        minisign: KeySource::Installed,
        plugins: default_patterns(&["*"]),
        names: Some(default_patterns(&BUNDLED_NAMES)),
        capabilities: Capability::ALL.into(),
        in_process: true,
        not_after: None,
        revoked: false,
    };
    "bundled".parse().into_iter().map(|name| (name, key.clone())).collect()
}

fn default_entries() -> impl Iterator<Item = (PluginName, PluginEntry)> {
    let entry = |capabilities| entry(Some(capabilities), &RawEntry::default());
    BUNDLED
        .into_iter()
        .filter_map(move |(name, capabilities)| Some((name.parse().ok()?, entry(capabilities))))
}

/// An entry; `bundled`: of a plugin that comes with the server, and may do that.
fn entry(bundled: Option<&[Capability]>, raw: &RawEntry) -> PluginEntry {
    let isolation = match raw.isolation {
        Some(RawIsolation::Process) => Isolation::Process,
        Some(RawIsolation::InProcess) => Isolation::InProcess,
        None if bundled.is_some() => Isolation::InProcess,
        None => Isolation::Process,
    };
    PluginEntry {
        enabled: raw.enabled.unwrap_or(true),
        isolation,
        capabilities: match &raw.capabilities {
            None => bundled.unwrap_or_default().iter().copied().collect(),
            listed => Compiler::capabilities(listed.as_ref()),
        },
        worker: worker(&raw.worker),
        config: raw.config.clone(),
        filters: filters(&raw.filters),
        ..PluginEntry::default()
    }
}

fn worker(raw: &RawWorker) -> WorkerSettings {
    let default = WorkerSettings::default();
    WorkerSettings {
        processes: raw.processes.unwrap_or(default.processes),
        concurrency: raw.concurrency.unwrap_or(default.concurrency),
        memory_bytes: raw.memory_bytes.unwrap_or(default.memory_bytes),
        threads: raw.threads.unwrap_or(default.threads),
        cpu_seconds: raw.cpu_seconds.unwrap_or(default.cpu_seconds),
    }
}

/// 42 bytes that begin with `Ed`, in base64.
fn is_minisign_key(text: &str) -> bool {
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/".contains(&byte);
    let third = text.as_bytes().get(2).copied().unwrap_or_default();
    text.len() == 56 && text.bytes().all(base64) && text.starts_with("RW") && b"QRST".contains(&third)
}

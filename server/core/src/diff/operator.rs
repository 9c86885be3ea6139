//! What is not about single agents: tenants, keys, plugins and the server.

use std::{collections::BTreeMap, fmt::Display, path::PathBuf, time::Duration};

use super::{
    change::{Change, Subject, What},
    models,
    names::{Names, Release},
    pairs::{Pair, paired},
};
use crate::{
    egress::Rules,
    pattern::Patterns,
    redact::RuleSettings,
    settings::{
        AdminSettings, Disclosure, HoldSettings, PluginEntry, PluginSettings, Settings, Tenant, TrustedKey,
        WorkerSettings,
    },
};

/// Tenants. What their ceilings mean is told of their agents.
pub(super) fn tenants(old: &Settings, new: &Settings) -> Vec<Change> {
    named(
        &old.tenants,
        &new.tenants,
        |name| Subject::Tenant { name: name.clone() },
        |_| What::New { names: Vec::new() },
        tenant,
    )
}

fn tenant(was: &Tenant, is: &Tenant) -> Vec<What> {
    let disclosure = |tenant: &Tenant| match tenant.disclosure {
        Disclosure::Reasons => "reasons",
        Disclosure::Opaque => "opaque",
    };
    let mut changes = models::grant((&was.llm, &was.budget), (&is.llm, &is.budget));
    changes.extend(What::value("disclosure", disclosure(was), disclosure(is)));
    changes.extend(What::filters(was.filters, is.filters));
    changes
}

/// Trusted keys.
pub(super) fn keys(old: &PluginSettings, new: &PluginSettings) -> Vec<Change> {
    named(
        &old.trusted_keys,
        &new.trusted_keys,
        |name| Subject::Key { name: name.clone() },
        |_| What::New { names: Vec::new() },
        key,
    )
}

fn key(was: &TrustedKey, is: &TrustedKey) -> Vec<What> {
    let names = |key: &TrustedKey| match &key.names {
        Some(names) => texts(names),
        None => ["<plugin>.*", "<plugin>://*"].map(str::to_owned).to_vec(),
    };
    let last_day = |key: &TrustedKey| key.not_after.map_or("never".to_owned(), |day| day.to_string());
    let revoked = match (was.revoked, is.revoked) {
        (false, true) => Some(What::Revoked),
        (true, false) => Some(What::Unrevoked),
        _ => None,
    };
    [
        revoked,
        (was.minisign != is.minisign).then_some(What::Changed { value: "the public key" }),
        What::list("plugins", texts(&was.plugins), texts(&is.plugins)),
        What::list("names", names(was), names(is)),
        What::list("capabilities", &was.capabilities, &is.capabilities),
        What::value("in_process", was.in_process, is.in_process),
        What::value("not_after", last_day(was), last_day(is)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The operator's entries; a plugin without one has the default.
pub(super) fn entries(old: &PluginSettings, new: &PluginSettings) -> Vec<Change> {
    let default = PluginEntry::default();
    let mut changes = Vec::new();
    for (name, pair) in paired(&old.entries, &new.entries) {
        let what = match pair {
            Pair::Old(was) => entry(was, &default),
            Pair::Both(was, is) => entry(was, is),
            Pair::New(is) => entry(&default, is),
        };
        let subject = Subject::PluginEntry { name: name.clone() };
        changes.extend(what.into_iter().map(|what| Change { subject: subject.clone(), what }));
    }
    changes
}

fn entry(was: &PluginEntry, is: &PluginEntry) -> Vec<What> {
    let worker = |name, of: fn(&WorkerSettings) -> u64| What::value(name, of(&was.worker), of(&is.worker));
    [
        What::value("enabled", was.enabled, is.enabled),
        What::value("isolation", was.isolation.as_str(), is.isolation.as_str()),
        worker("worker.processes", |worker| worker.processes.into()),
        worker("worker.concurrency", |worker| worker.concurrency.into()),
        worker("worker.memory_bytes", |worker| worker.memory_bytes),
        worker("worker.threads", |worker| worker.threads.into()),
        worker("worker.cpu_seconds", |worker| worker.cpu_seconds),
        What::list("capabilities", &was.capabilities, &is.capabilities),
        What::value("egress", rules(was), rules(is)),
        What::list("secrets", &was.secrets, &is.secrets),
        (was.config != is.config).then_some(What::Changed { value: "its configuration" }),
    ]
    .into_iter()
    .flatten()
    .chain(What::filters(was.filters, is.filters))
    .collect()
}

/// An entry's rules on one line: that there are none is no empty list.
fn rules(entry: &PluginEntry) -> String {
    match &entry.egress {
        None => "unset".to_owned(),
        Some(Rules { allow, mode, .. }) => {
            let allow: Vec<_> = allow.iter().map(ToString::to_string).collect();
            format!("[{}] ({mode})", allow.join(", "))
        }
    }
}

/// Secrets that are attached to requests. Of their values, only that they changed.
pub(super) fn secrets(old: &Settings, new: &Settings) -> Vec<Change> {
    named(
        &old.credentials,
        &new.credentials,
        |name| Subject::Secret { name: name.clone() },
        |_| What::New { names: Vec::new() },
        |was, is| {
            let changed = was.value != is.value || was.prefix != is.prefix;
            [
                changed.then_some(What::Changed { value: "its value" }),
                What::list("hosts", &was.hosts, &is.hosts),
                What::value("header", &was.header, &is.header),
            ]
            .into_iter()
            .flatten()
            .collect()
        },
    )
}

/// Plugins that are there to be used.
pub(super) fn plugins(old: &Names, new: &Names) -> Vec<Change> {
    named(
        &old.plugins,
        &new.plugins,
        |name| Subject::Plugin { name: name.clone() },
        |release| What::New { names: vec![release.version.clone()] },
        release,
    )
}

fn release(was: &Release, is: &Release) -> Vec<What> {
    if was.version != is.version {
        return What::value("", &was.version, &is.version).into_iter().collect();
    }
    What::value("release", was.release, is.release).into_iter().collect()
}

/// Keys about no one in particular.
pub(super) fn server(old: &Settings, new: &Settings) -> Vec<Change> {
    let (was, is) = (&old.server, &new.server);
    let admin = |admin: &Option<AdminSettings>| or(admin.as_ref().map(|admin| admin.listen), "off");
    let url = |url: &Option<url::Url>| or(url.as_ref(), "unset");
    let share = |hold: &HoldSettings| or(hold.removed_agents_percent, "unset");
    let dir = |dir: &Option<PathBuf>| or(dir.as_ref().map(|dir| dir.display()), "unset");
    let bundled = |dir: &Option<PathBuf>| or(dir.as_ref().map(|dir| dir.display()), "the installation's");
    [
        ("server.listen", What::value("", was.listen, is.listen)),
        ("server.allowed_hosts", What::list("", &was.allowed_hosts, &is.allowed_hosts)),
        ("server.allowed_origins", What::list("", &was.allowed_origins, &is.allowed_origins)),
        ("server.public_url", What::value("", url(&was.public_url), url(&is.public_url))),
        ("server.trusted_proxies", What::list("", &was.trusted_proxies, &is.trusted_proxies)),
        ("server.max_calls", What::value("", was.load.max_calls, is.load.max_calls)),
        ("server.max_connections", What::value("", was.load.max_connections, is.load.max_connections)),
        (
            "server.max_connections_per_address",
            What::value("", was.load.max_connections_per_address, is.load.max_connections_per_address),
        ),
        (
            "server.client_timeout_seconds",
            What::value("", was.load.client_timeout.as_secs(), is.load.client_timeout.as_secs()),
        ),
        ("tool_limits", What::list("", &old.tool_limits, &new.tool_limits)),
        ("admin.listen", What::value("", admin(&old.admin), admin(&new.admin))),
        ("admin.token", admin_token(old, new)),
        ("log.level", What::value("", old.log_level.as_str(), new.log_level.as_str())),
        ("redaction.off", What::list("", &redaction(old).off, &redaction(new).off)),
        ("redaction.patterns", What::list("", redaction_patterns(old), redaction_patterns(new))),
        ("redaction.allow", What::list("", &redaction(old).allow, &redaction(new).allow)),
        ("redaction.names", What::list("", &redaction(old).names, &redaction(new).names)),
        ("state.dir", What::value("", old.state_dir.display(), new.state_dir.display())),
        ("audit.durability", What::value("", old.audit.durability.as_str(), new.audit.durability.as_str())),
        ("audit.key", (old.audit.key != new.audit.key).then_some(What::Changed { value: "the signing key" })),
        ("audit.segment_bytes", What::value("", old.audit.segment_bytes, new.audit.segment_bytes)),
        (
            "audit.segment_seconds",
            What::value("", old.audit.segment_age.as_secs(), new.audit.segment_age.as_secs()),
        ),
        ("audit.keep_days", What::value("", days(old.audit.keep_age), days(new.audit.keep_age))),
        ("audit.keep_bytes", What::value("", old.audit.keep_bytes, new.audit.keep_bytes)),
        ("reload.poll_ms", What::value("", old.reload.poll.as_millis(), new.reload.poll.as_millis())),
        (
            "reload.hold.removed_agents_percent",
            What::value("", share(&old.reload.hold), share(&new.reload.hold)),
        ),
        (
            "reload.hold.wide_egress",
            What::value("", old.reload.hold.wide_egress, new.reload.hold.wide_egress),
        ),
        ("egress.dns_servers", What::list("", &old.egress.dns_servers, &new.egress.dns_servers)),
        ("egress.ca_file", authorities(old, new)),
        ("plugins.dir", What::value("", dir(&old.plugins.dir), dir(&new.plugins.dir))),
        (
            "plugins.bundled_dir",
            What::value("", bundled(&old.plugins.bundled_dir), bundled(&new.plugins.bundled_dir)),
        ),
        (
            "plugins.max_retired_bytes",
            What::value("", old.plugins.max_retired_bytes, new.plugins.max_retired_bytes),
        ),
        (
            "plugins.require_landlock",
            What::value("", old.plugins.require_landlock, new.plugins.require_landlock),
        ),
    ]
    .into_iter()
    .filter_map(|(key, what)| Some(Change { subject: Subject::Setting { key }, what: what? }))
    .collect()
}

fn redaction(settings: &Settings) -> &RuleSettings {
    settings.redaction.settings()
}

fn redaction_patterns(settings: &Settings) -> Vec<String> {
    redaction(settings).patterns.iter().map(|(name, pattern)| format!("{name}: {pattern}")).collect()
}

fn admin_token(old: &Settings, new: &Settings) -> Option<What> {
    let (was, is) = (old.admin.as_ref()?, new.admin.as_ref()?);
    (was.token != is.token).then_some(What::Tokens { replaced: 1, added: 0, removed: 0 })
}

fn days(age: Duration) -> u64 {
    age.as_secs() / (24 * 60 * 60)
}

fn authorities(old: &Settings, new: &Settings) -> Option<What> {
    let path = |settings: &Settings| {
        or(
            settings.egress.authorities.as_ref().map(|authorities| authorities.path.display().to_string()),
            "unset",
        )
    };
    let moved = What::value("", path(old), path(new));
    moved.or_else(|| {
        (old.egress != new.egress && old.egress.authorities != new.egress.authorities)
            .then_some(What::Changed { value: "its content" })
    })
}

pub(super) fn or(value: Option<impl Display>, otherwise: &str) -> String {
    value.map_or_else(|| otherwise.to_owned(), |value| value.to_string())
}

fn texts(patterns: &Patterns) -> Vec<String> {
    patterns.iter().map(ToString::to_string).collect()
}

/// Compares two mappings by name: what went, what is new, what is different.
pub(super) fn named<K: Ord, V>(
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
    subject: impl Fn(&K) -> Subject,
    is_new: impl Fn(&V) -> What,
    compare: impl Fn(&V, &V) -> Vec<What>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for (name, pair) in paired(old, new) {
        let what = match pair {
            Pair::Old(_) => vec![What::Removed],
            Pair::Both(was, is) => compare(was, is),
            Pair::New(is) => vec![is_new(is)],
        };
        changes.extend(what.into_iter().map(|what| Change { subject: subject(name), what }));
    }
    changes.sort_by_key(|change| change.what.rank());
    changes
}

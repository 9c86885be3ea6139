//! A configuration as used: resolved, checked, and made of types that need no
//! second look. [`crate::config`] compiles it from YAML.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use ipnet::IpNet;
use jiff::civil::Date;
use plugin_contract::{Capability, Manifest, PluginName};
use serde_json::{Map, Value};

use crate::{
    budget::Budget,
    egress::{Credential, Rules},
    id::{AgentId, DatabaseName, KeyName, RootName, SecretName, TenantId},
    limits::{EveryToolLimits, LimitCeilings, Limits},
    llm::{LlmGrant, LlmSettings},
    pattern::Patterns,
    redact,
    secret::TokenDigest,
};

mod audit;
mod egress;
mod filters;
mod overlap;
mod secrets;
mod stores;
mod worker;

pub use audit::{AuditSettings, Durability};
pub use egress::{Authorities, EgressSettings};
pub use filters::Filters;
pub use overlap::overlap;
pub use secrets::{SecretSource, SecretUse};
pub use stores::{Database, DatabaseSource, FileRoot, Postgres, PostgresHost, Tls};
pub use worker::WorkerSettings;

/// Everything an operator decides.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The agents' door.
    pub server: ServerSettings,
    /// The operator's door. `None`: there is none.
    pub admin: Option<AdminSettings>,
    /// What is logged.
    pub log_level: LogLevel,
    /// What is taken out of what is written and, where filters say so, answered.
    pub redaction: Arc<redact::Rules>,
    /// Where the secrets of all this come from, but for those of which the
    /// configuration has the digest.
    pub secrets: Vec<SecretUse>,
    /// Where the server keeps what must outlive it.
    pub state_dir: PathBuf,
    /// How the audit is kept, which is there.
    pub audit: AuditSettings,
    /// How changes come into force.
    pub reload: ReloadSettings,
    /// How requests go out.
    pub egress: EgressSettings,
    /// What the server attaches to them.
    pub credentials: BTreeMap<SecretName, Credential>,
    /// What may be loaded, and who says so.
    pub plugins: PluginSettings,
    /// Folders whose files can be read.
    pub roots: BTreeMap<RootName, FileRoot>,
    /// Databases that can be queried.
    pub databases: BTreeMap<DatabaseName, Database>,
    /// Limits on the calls of some tools.
    pub tool_limits: EveryToolLimits,
    /// Models of others.
    pub llm: LlmSettings,
    /// Ceilings.
    pub tenants: BTreeMap<TenantId, Tenant>,
    /// Grants.
    pub agents: BTreeMap<AgentId, Agent>,
}

/// Where agents connect and under which names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Host names, beyond the ones that go without saying, that requests may name.
    pub allowed_hosts: Vec<String>,
    /// Web origins that requests may come from, `scheme://host[:port]`.
    pub allowed_origins: Vec<String>,
    /// The endpoint as clients see it, where a proxy stands in front.
    pub public_url: Option<url::Url>,
    /// Who is believed about the address of a client.
    pub trusted_proxies: Vec<IpNet>,
    /// What all agents share.
    pub load: LoadSettings,
}

impl ServerSettings {
    /// Whether an address is one of the proxies that are believed.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }
}

/// How much the server does at a time, and for how long it waits for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadSettings {
    /// Calls under way.
    pub max_calls: u32,
    /// Connections of agents.
    pub max_connections: u32,
    /// Connections from one address on which nobody has shown a valid token yet.
    pub max_connections_per_address: u32,
    /// How long a client may take to send what it has begun to send, and to take
    /// any of what it is sent.
    pub client_timeout: Duration,
}

impl Default for LoadSettings {
    fn default() -> Self {
        Self {
            max_calls: 512,
            max_connections: 4096,
            max_connections_per_address: 1024,
            client_timeout: Duration::from_secs(30),
        }
    }
}

/// Where the operator's tools connect, and how they show that they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminSettings {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Digest of the token.
    pub token: TokenDigest,
}

/// The least that a log line must be about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// What has gone wrong.
    Error,
    /// And what may.
    Warn,
    /// And what happens.
    #[default]
    Info,
    /// And how.
    Debug,
    /// And every step of it.
    Trace,
}

impl LogLevel {
    /// The name used in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How changes of the configuration come into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReloadSettings {
    /// How often the files' content is compared, whatever the kernel reports.
    pub poll: Duration,
    /// What waits for a confirmation.
    pub hold: HoldSettings,
}

/// Changes that come into force only once somebody has confirmed them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HoldSettings {
    /// Those that remove a larger share of the agents than this, in percent.
    pub removed_agents_percent: Option<u8>,
    /// Those by which a list of rules comes to allow a network as large as the
    /// internet, or is only reported from now on.
    pub wide_egress: bool,
}

impl Default for ReloadSettings {
    fn default() -> Self {
        Self { poll: Duration::from_millis(500), hold: HoldSettings::default() }
    }
}

/// Which plugins are loaded and what they may do.
#[derive(Clone, Debug)]
pub struct PluginSettings {
    /// Folder of plugin folders.
    pub dir: Option<PathBuf>,
    /// The same for the plugins that come with the server. `None`: where the
    /// installation has them.
    pub bundled_dir: Option<PathBuf>,
    /// Keys whose signatures count.
    pub trusted_keys: BTreeMap<KeyName, TrustedKey>,
    /// The operator's word on single plugins.
    pub entries: BTreeMap<PluginName, PluginEntry>,
    /// How many bytes of libraries that no plugin uses any more may stay in memory
    /// before no other is loaded into the server's process.
    pub max_retired_bytes: u64,
    /// Whether no worker runs where the kernel does not keep it from files.
    pub require_landlock: bool,
}

impl Default for PluginSettings {
    fn default() -> Self {
        Self {
            dir: None,
            bundled_dir: None,
            trusted_keys: BTreeMap::new(),
            entries: BTreeMap::new(),
            max_retired_bytes: 256 << 20,
            require_landlock: true,
        }
    }
}

/// A signing key and what its signature is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// The key itself.
    pub minisign: KeySource,
    /// Plugins it may sign.
    pub plugins: Patterns,
    /// Names of tools, prompts and resources they may bear. `None`: those that
    /// begin with the plugin's own name, `<plugin>.*` and `<plugin>://*`.
    pub names: Option<Patterns>,
    /// Capabilities they may ask for.
    pub capabilities: BTreeSet<Capability>,
    /// Whether they may run inside the server's own process.
    pub in_process: bool,
    /// The last day (UTC) on which its signature counts.
    pub not_after: Option<Date>,
    /// Never trusted again.
    pub revoked: bool,
}

impl TrustedKey {
    /// Whether its last day is over.
    #[must_use]
    pub fn expired(&self, today: Date) -> bool {
        self.not_after.is_some_and(|last| today > last)
    }

    /// The names of a plugin that its owner may not bear, with their kinds.
    #[must_use]
    pub fn foreign_names<'m>(&self, manifest: &'m Manifest) -> Vec<(&'static str, &'m str)> {
        let plugin = &manifest.name;
        let own = [format!("{plugin}.*"), format!("{plugin}://*")];
        let own: Patterns = own.iter().filter_map(|pattern| pattern.parse().ok()).collect();
        let allowed = self.names.as_ref().unwrap_or(&own);
        names(manifest).filter(|(_, name)| !allowed.cover(name)).collect()
    }

    /// The capabilities of a plugin, or of its tools, that it may not ask for.
    #[must_use]
    pub fn foreign_capabilities(&self, manifest: &Manifest) -> BTreeSet<Capability> {
        let of_tools = manifest.tools.iter().flat_map(|tool| &tool.capabilities);
        let all = manifest.capabilities.iter().chain(of_tools).copied();
        all.filter(|capability| !self.capabilities.contains(capability)).collect()
    }
}

/// Every name that a plugin would bring into the server, with its kind.
fn names(manifest: &Manifest) -> impl Iterator<Item = (&'static str, &str)> {
    let tools = manifest.tools.iter().map(|it| ("tool", it.name.as_str()));
    let resources = manifest.resources.iter().map(|it| ("resource", it.uri.as_str()));
    let templates =
        manifest.resource_templates.iter().map(|it| ("resource template", it.uri_template.as_str()));
    let prompts = manifest.prompts.iter().map(|it| ("prompt", it.name.as_str()));
    tools.chain(resources).chain(templates).chain(prompts)
}

/// Where a public key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The installation's own file, made when the bundled plugins were built.
    Installed,
    /// A minisign public key, base64.
    Minisign(String),
}

/// The operator's entry for one plugin. Without one, a plugin runs with no
/// capabilities in a process of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginEntry {
    /// Whether it is loaded at all.
    pub enabled: bool,
    /// Where it runs.
    pub isolation: Isolation,
    /// What it may do, if its agents may too.
    pub capabilities: BTreeSet<Capability>,
    /// Where it may go, of where its agents may. `None`: everywhere there.
    pub egress: Option<Rules>,
    /// Secrets that may go with its requests, if its agents have them too.
    pub secrets: BTreeSet<SecretName>,
    /// What its worker processes may have.
    pub worker: WorkerSettings,
    /// Its own configuration.
    pub config: Map<String, Value>,
    /// What is done to what it answers and asks of models.
    pub filters: Filters,
}

impl Default for PluginEntry {
    fn default() -> Self {
        Self {
            enabled: true,
            isolation: Isolation::Process,
            capabilities: BTreeSet::new(),
            egress: None,
            secrets: BTreeSet::new(),
            worker: WorkerSettings::default(),
            config: Map::new(),
            filters: Filters::default(),
        }
    }
}

/// Where a plugin runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// In a worker process of its own.
    Process,
    /// In the server's.
    InProcess,
}

impl Isolation {
    /// The name used in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::InProcess => "in_process",
        }
    }
}

/// Patterns and capabilities, granted or as a ceiling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Tools.
    pub tools: Patterns,
    /// Tools that are not, whatever `tools` says.
    pub deny: Patterns,
    /// Resources.
    pub resources: Patterns,
    /// Prompts.
    pub prompts: Patterns,
    /// Capabilities.
    pub capabilities: BTreeSet<Capability>,
    /// Roots whose files can be read.
    pub files: Patterns,
    /// Databases that can be queried.
    pub databases: Patterns,
    /// Hosts that calls may reach.
    pub egress: Rules,
    /// Secrets that may go with requests.
    pub secrets: BTreeSet<SecretName>,
}

/// A group of agents. Its grant is the ceiling of theirs.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// The ceiling on rights.
    pub grant: Grant,
    /// The ceiling on limits.
    pub limits: LimitCeilings,
    /// The ceiling on what they may ask of models.
    pub llm: LlmGrant,
    /// What all of them together may spend on models.
    pub budget: Budget,
    /// What a denied agent is told.
    pub disclosure: Disclosure,
    /// What is done to what its agents get, and ask of models.
    pub filters: Filters,
}

/// What an agent learns about a tool it may not use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disclosure {
    /// That it exists, and every reason why not.
    #[default]
    Reasons,
    /// Nothing: the answer is that of a tool that exists nowhere.
    Opaque,
}

/// One who calls.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Whose ceiling applies.
    pub tenant: TenantId,
    /// Digests of the tokens that are this agent's.
    pub tokens: Vec<TokenDigest>,
    /// Its rights, profiles included, before the tenant's ceiling.
    pub grant: Grant,
    /// Its limits, under the tenant's ceiling.
    pub limits: Limits,
    /// What it may ask of models, before the tenant's ceiling.
    pub llm: LlmGrant,
    /// What it may spend on models, beside what its tenant's agents may together.
    pub budget: Budget,
    /// What is done to what it gets, and asks of models.
    pub filters: Filters,
}

//! `plugins`, as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{DATE, MINISIGN, NAME, PATTERN, PLUGIN, RULE, RawEgressMode, RawWorker, Texts, capability_names};

/// Which plugins are loaded and what they may do.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawPlugins {
    /// Folder with a folder for each plugin. A relative path starts at this
    /// file's folder. Without it, only the bundled plugins are loaded.
    #[schemars(length(min = 1), extend("examples" = ["./plugins.d"]))]
    pub(in crate::config) dir: Option<String>,
    /// The same for the plugins that come with the server. Needed only if they
    /// are not where the installation put them.
    #[schemars(length(min = 1))]
    pub(in crate::config) bundled_dir: Option<String>,
    /// Keys whose signatures count, each under a name of your choice. A plugin
    /// that none of them signed is not loaded. Without this section, the key of
    /// the bundled plugins is trusted; with it, only the keys it lists.
    #[schemars(extend("propertyNames" = { "pattern": NAME }))]
    pub(in crate::config) trusted_keys: Option<BTreeMap<String, RawKey>>,
    /// Settings for single plugins, by name. A plugin without an entry has the
    /// defaults: a process of its own and no capabilities.
    #[schemars(extend("propertyNames" = { "pattern": PLUGIN }))]
    pub(in crate::config) entries: BTreeMap<String, RawEntry>,
    /// Bytes of plugins' libraries that may stay in the server's memory although
    /// no plugin uses them any more: a library that was loaded there is never
    /// unloaded. Where another one would go beyond it, the plugin goes on as it
    /// is, until the server starts again. 268435456 unless set.
    #[schemars(range(max = 1_099_511_627_776u64), extend("examples" = [268_435_456]))]
    pub(in crate::config) max_retired_bytes: Option<u64>,
    /// Whether no plugin runs in a process of its own where the kernel has no
    /// Landlock, which keeps it from files. Switch it off only where the server's
    /// user can read nothing that a plugin must not see.
    #[schemars(extend("default" = true))]
    pub(in crate::config) require_landlock: Option<bool>,
}

/// A key, and what its signature is worth.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["minisign", "plugins"]))]
pub(in crate::config) struct RawKey {
    /// The public key: the second line of the `.pub` file. `installed` stands
    /// for the key that signed the bundled plugins of this installation.
    #[schemars(pattern(MINISIGN), extend("examples" = ["installed"]))]
    pub(in crate::config) minisign: Option<String>,
    /// Names of the plugins that the key may sign.
    #[schemars(inner(pattern(PATTERN)), extend("examples" = [["acme-*"]]))]
    pub(in crate::config) plugins: Option<Texts>,
    /// Names that the tools, prompts and resources of these plugins may bear.
    /// By default those that begin with the plugin's own name: `acme.*` and
    /// `acme://*` for a plugin `acme`.
    #[schemars(inner(pattern(PATTERN)), extend("examples" = [["acme.*", "acme://*"]]))]
    pub(in crate::config) names: Option<Texts>,
    /// Capabilities that these plugins may ask for. None by default.
    #[schemars(transform = capability_names, extend("examples" = [["network:outbound"]]))]
    pub(in crate::config) capabilities: Option<Texts>,
    /// Whether these plugins may run inside the server's own process, if their
    /// entry says so. There, nothing but trust holds them back.
    #[schemars(extend("default" = false))]
    pub(in crate::config) in_process: Option<bool>,
    /// The last day (UTC) on which the key counts.
    #[schemars(pattern(DATE), extend("examples" = ["2027-12-31"]))]
    pub(in crate::config) not_after: Option<String>,
    /// Never trust the key again, and say so about what it signed.
    #[schemars(extend("default" = false))]
    pub(in crate::config) revoked: Option<bool>,
}

/// Settings for one plugin.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawEntry {
    /// Whether the plugin is loaded.
    #[schemars(extend("default" = true))]
    pub(in crate::config) enabled: Option<bool>,
    /// Where the plugin runs: `process`, in a process of its own without access
    /// to files or the network, or `in_process`, inside the server, if its key
    /// allows that too. The default is `process`, and `in_process` for the
    /// plugins that come with the server.
    #[schemars(extend("examples" = ["process"]))]
    pub(in crate::config) isolation: Option<RawIsolation>,
    /// What the plugin may do, as far as its key and the calling agent may too.
    /// Nothing by default.
    #[schemars(transform = capability_names, extend("examples" = [["network:outbound"]]))]
    pub(in crate::config) capabilities: Option<Texts>,
    /// Hosts that the plugin may reach, of those that the calling agent may. All of
    /// those by default.
    #[schemars(inner(pattern(RULE)), extend("examples" = [["api.example.com:443"]]))]
    pub(in crate::config) egress: Option<Texts>,
    /// Whether what `egress` does not allow is refused, `enforce`, or only logged,
    /// `report`.
    #[schemars(extend("default" = "enforce", "examples" = ["enforce"]))]
    pub(in crate::config) egress_mode: Option<RawEgressMode>,
    /// Names of `secrets` that may go with the plugin's requests, if the calling
    /// agent is granted them too. None by default.
    #[schemars(extend("examples" = [["jira"]]))]
    pub(in crate::config) secrets: Option<Texts>,
    /// What the plugin's processes may have, if its isolation is `process`.
    pub(in crate::config) worker: RawWorker,
    /// The plugin's own configuration. Its authors say what belongs here.
    pub(in crate::config) config: Map<String, Value>,
}

// Without doc comments on the variants, the schema is a plain `enum`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawIsolation {
    Process,
    InProcess,
}

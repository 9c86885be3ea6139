//! The configuration as written. Doc comments are what editors show, so they
//! speak to operators. No field needs to be there: what must be is in the
//! schema's `required`, so that a missing key is one problem among all others.

use std::collections::BTreeMap;

use plugin_contract::Capability;
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::Value;

mod audit;
mod egress;
mod llm;
mod plugins;
mod redaction;
mod stores;
mod texts;
mod worker;

pub(super) use audit::{RawAudit, RawDurability};
use egress::RULE;
pub(super) use egress::{RawEgress, RawEgressMode, RawSecret};
pub(super) use llm::{
    Amount, RawAgentLlm, RawApi, RawBudget, RawLlm, RawMode, RawModel, RawProvider, RawTenantLlm, RawTier,
};
pub(super) use plugins::{RawEntry, RawIsolation, RawKey, RawPlugins};
pub(super) use redaction::{RawFilters, RawPromptFilter, RawRedaction, RawResultFilter};
pub(super) use stores::{RawDatabase, RawFileRoot, RawFiles, RawTls};
pub(super) use texts::Texts;
pub(super) use worker::RawWorker;

const NAME: &str = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$";
const PLUGIN: &str = r"^[a-z][a-z0-9-]{0,63}$";
const PATTERN: &str = r"^(\*|[^\s*]*[.:/_-]\*|[^\s*]+)$";
const TOKEN: &str = r"^(\$\{[A-Za-z_][A-Za-z0-9_]*\}|\$\{file:[^}]+\}|sha256:[0-9A-Fa-f]{64})$";
/// Where a secret is whose digest would be of no use.
const SECRET: &str = r"^(\$\{[A-Za-z_][A-Za-z0-9_]*\}|\$\{file:[^}]+\})$";
const RATE: &str = r"^ *[1-9][0-9]{0,6} */ *(s|min|h|day)( +burst +[1-9][0-9]{0,6})? *$";
const DATE: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$";
const MINISIGN: &str = r"^(installed|RW[QRST][A-Za-z0-9+/]{53})$";

/// Configuration of mcp-universal-server. The server reads it again whenever it
/// changes, and takes it over only if all of it is right.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "mcp-universal-server", extend(
    "required" = ["version", "tenants"],
    "anyOf" = [{ "required": ["agents"] }, { "required": ["include"] }]
))]
pub(super) struct RawConfig {
    /// Version of this format. Always 1.
    #[schemars(range(min = 1, max = 1), extend("examples" = [1]))]
    pub(super) version: Option<u64>,
    /// Other files that hold tenants, agents, profiles, trusted keys or entries of
    /// plugins, in the form they have here, and nothing else. A name may be in one
    /// file only. `*`, `?` and `[…]` can stand in the last part of a path; a
    /// relative path starts at this file's folder.
    #[schemars(inner(length(min = 1)), extend("examples" = [["agents.d/*.yaml"]]))]
    pub(super) include: Option<Texts>,
    /// Where agents connect.
    pub(super) server: RawServer,
    /// Where the operator's tools connect: metrics, status, reload and rollback.
    pub(super) admin: RawAdmin,
    /// What is logged.
    pub(super) log: RawLog,
    /// What is taken out of the log, and of results where `filters` says so.
    pub(super) redaction: RawRedaction,
    /// What the server keeps on disk.
    pub(super) state: RawState,
    /// How the audit is kept: the record of every decision, in `state.dir`.
    pub(super) audit: RawAudit,
    /// How changes of this file come into force.
    pub(super) reload: RawReload,
    /// How requests leave the server. Where they may go is said by `egress` of
    /// tenants and agents.
    pub(super) egress: RawEgress,
    /// Secrets that the server attaches to requests, each under a name of your
    /// choice by which plugins ask for it. No plugin and no agent sees them.
    #[schemars(extend("propertyNames" = { "pattern": NAME }, "examples" = [{
        "jira": { "value": "${JIRA_TOKEN}", "hosts": ["jira.lan:443"] }
    }]))]
    pub(super) secrets: BTreeMap<String, RawSecret>,
    /// Which plugins are loaded and what they may do.
    pub(super) plugins: RawPlugins,
    /// Files that agents can be granted.
    pub(super) files: RawFiles,
    /// Databases that agents can be granted, each under a name of your choice.
    /// They are read, never written.
    #[schemars(extend("propertyNames" = { "pattern": NAME }, "examples" = [{
        "notes": { "sqlite": "/srv/notes.db" }
    }]))]
    pub(super) databases: BTreeMap<String, RawDatabase>,
    /// Models of others that agents may ask through this server.
    pub(super) llm: RawLlm,
    /// Limits on tool calls for agents that set none of their own.
    pub(super) limits: RawLimits,
    /// Limits on the calls of some tools, by name or pattern, for each agent apart,
    /// beside those on all of its calls: of both, the lower one holds. Where several
    /// patterns cover a tool, every one counts.
    #[schemars(extend("examples" = [{ "jira.*": { "concurrency": 2, "rate_limit": "30/min burst 5" } }]))]
    pub(super) tool_limits: BTreeMap<String, RawLimits>,
    /// Named sets of rights that agents can share.
    #[schemars(extend("propertyNames" = { "pattern": NAME }))]
    pub(super) profiles: BTreeMap<String, RawProfile>,
    /// Groups of agents. What a tenant does not allow, none of its agents may
    /// do, whatever they are granted.
    #[schemars(extend("propertyNames" = { "pattern": NAME }, "examples" = [{ "research": { "tools": ["*"] } }]))]
    pub(super) tenants: BTreeMap<String, RawTenant>,
    /// Who may connect, and what each may do within its tenant.
    #[schemars(extend("propertyNames" = { "pattern": NAME }, "examples" = [{
        "laptop": { "tenant": "research", "token": "${LAPTOP_TOKEN}", "tools": ["core.echo"] }
    }]))]
    pub(super) agents: BTreeMap<String, RawAgent>,
}

/// Where agents connect.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawServer {
    /// IP address and port. Port 0 takes a free one. After a change, connections
    /// that are open go on, and new ones are taken at the new address; one that
    /// cannot be listened on refuses the whole edit.
    #[schemars(extend("default" = "127.0.0.1:8080", "examples" = ["127.0.0.1:8080"]))]
    pub(super) listen: Option<String>,
    /// Host names under which agents reach the server, with or without a port,
    /// in addition to loopback, the `listen` address and `public_url`'s host.
    /// A request for any other is refused, against DNS rebinding.
    #[schemars(extend("examples" = [["mcp.example.lan"]]))]
    pub(super) allowed_hosts: Option<Texts>,
    /// Web origins from which browsers may call. None are needed for agents
    /// that are not web pages.
    #[schemars(extend("examples" = [["https://inspector.example.lan"]]))]
    pub(super) allowed_origins: Option<Texts>,
    /// The endpoint as agents see it, where a reverse proxy stands in front.
    #[schemars(extend("examples" = ["https://mcp.example.lan/mcp"]))]
    pub(super) public_url: Option<String>,
    /// Addresses and networks of reverse proxies. Of a request that comes from
    /// one, `X-Forwarded-For` or `Forwarded` says which address it is from, for the
    /// log and for those who try tokens; from anyone else, these headers say
    /// nothing. Where a request has both and they disagree, neither counts.
    #[schemars(extend("examples" = [["127.0.0.1", "10.0.0.0/24"]]))]
    pub(super) trusted_proxies: Option<Texts>,
    /// Calls of all agents at the same time. More are refused at once, to be tried
    /// again. An agent gets another place only while more are free than it has, so
    /// that none keeps the others out. 512 unless set.
    #[schemars(range(min = 1, max = super::MAX_CALLS), extend("examples" = [512]))]
    pub(super) max_calls: Option<u32>,
    /// Connections at the same time. Where there are more, one that is idle gives
    /// way, of whoever has the most. 4096 unless set.
    #[schemars(range(min = 16, max = 65_536), extend("examples" = [4096]))]
    pub(super) max_connections: Option<u32>,
    /// Connections from one address on which nobody has shown a valid token yet.
    /// Where there are more, the oldest gives way. 1024 unless set.
    #[schemars(range(min = 1, max = 65_536), extend("examples" = [1024]))]
    pub(super) max_connections_per_address: Option<u32>,
    /// Seconds that a client may take to send the head of a request, to send its
    /// body, and to take the next piece of an answer. 30 unless set.
    #[schemars(range(min = 1, max = 600), extend("examples" = [30]))]
    pub(super) client_timeout_seconds: Option<u64>,
}

/// Where the operator's tools connect: `/metrics`, `/status`, `/reload` and
/// `/rollback`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAdmin {
    /// IP address and port, other than those of `server.listen`. Changes like it.
    #[schemars(extend("default" = "127.0.0.1:8081", "examples" = ["127.0.0.1:8081"]))]
    pub(super) listen: Option<String>,
    /// The token that all of it asks for, no agent's: a reference, like the token
    /// of an agent. Without it, nothing listens there. A variable that is not set
    /// or empty is no token.
    #[schemars(pattern(TOKEN), extend("examples" = ["${ADMIN_TOKEN}"], "writeOnly" = true))]
    pub(super) token: Option<String>,
}

/// What is logged.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLog {
    /// The least that a line must be about to be logged: `error`, `warn`, `info`,
    /// `debug` or `trace`. Calls are logged always. The variable RUST_LOG, if it is
    /// set, counts instead.
    #[schemars(extend("default" = "info", "examples" = ["info"]))]
    pub(super) level: Option<RawLevel>,
}

// Without doc comments on the variants, the schema is a plain `enum`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// What the server keeps on disk.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawState {
    /// The folder. A relative path starts at this file's folder. Changing it needs
    /// a restart; a running server refuses the edit.
    #[schemars(length(min = 1), extend("default" = "./state", "examples" = ["./state"]))]
    pub(super) dir: Option<String>,
}

/// How changes of this file come into force.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawReload {
    /// Milliseconds between two looks at the files' content. The kernel's file
    /// events make most changes count sooner; where it sends none, as in some
    /// containers, this is how long they take.
    #[schemars(range(min = 100, max = 60_000), extend("default" = 500, "examples" = [500]))]
    pub(super) poll_ms: Option<u64>,
    /// Changes that wait until somebody confirms them with `reload --confirm`.
    /// None by default.
    pub(super) hold: RawHold,
}

/// Changes that wait until somebody confirms them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawHold {
    /// Those that remove a larger share of the agents than this, in percent.
    #[schemars(range(min = 0, max = 99), extend("examples" = [50]))]
    pub(super) removed_agents_percent: Option<u8>,
    /// Those that let calls reach a network as large as the internet, such as
    /// `0.0.0.0/0`, or that begin to only report what `egress` does not allow.
    #[schemars(extend("default" = false))]
    pub(super) wide_egress: Option<bool>,
}

/// Limits on tool calls.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLimits {
    /// Bytes of a call's arguments, as JSON. 65536 unless set.
    #[schemars(range(min = 1, max = 2_097_152), extend("examples" = [65_536]))]
    pub(super) max_payload_bytes: Option<u64>,
    /// Bytes of a call's result, as JSON. 262144 unless set.
    #[schemars(range(min = 1, max = 67_108_864), extend("examples" = [262_144]))]
    pub(super) max_response_bytes: Option<u64>,
    /// Seconds that a call may take. 30 unless set.
    #[schemars(range(min = 1, max = 3600), extend("examples" = [30]))]
    pub(super) timeout_seconds: Option<u64>,
    /// Calls at the same time. 8 unless set.
    #[schemars(range(min = 1, max = 1024), extend("examples" = [8]))]
    pub(super) concurrency: Option<u32>,
    /// Calls per `s`, `min`, `h` or `day`, and how many may come at once if not
    /// all of them: `60/min burst 10`. `60/min` unless set.
    #[schemars(pattern(RATE), extend("examples" = ["60/min"]))]
    pub(super) rate_limit: Option<String>,
}

/// A named set of rights. An agent that lists the profile has them in addition
/// to its own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawProfile {
    /// Tools, by name or pattern: `core.echo`, `core.*`, `*`.
    #[schemars(inner(pattern(PATTERN)), extend("examples" = [["core.*"]]))]
    pub(super) tools: Option<Texts>,
    /// Tools that are denied, even where `tools` allows them.
    #[schemars(inner(pattern(PATTERN)), extend("examples" = [["core.sum"]]))]
    pub(super) deny: Option<Texts>,
    /// Resources, by URI or pattern.
    #[schemars(inner(pattern(PATTERN)), extend("examples" = [["about://*"]]))]
    pub(super) resources: Option<Texts>,
    /// Prompts, by name or pattern.
    #[schemars(inner(pattern(PATTERN)), extend("examples" = [["review_pr"]]))]
    pub(super) prompts: Option<Texts>,
    /// Capabilities that tools may use on behalf of the agent.
    #[schemars(transform = capability_names, extend("examples" = [["llm:query"]]))]
    pub(super) capabilities: Option<Texts>,
    /// Roots of `files`, by name or pattern, below which tools may read on behalf of
    /// the agent.
    #[schemars(inner(pattern(PATTERN)), extend("examples" = [["docs"]]))]
    pub(super) files: Option<Texts>,
    /// Databases, by name or pattern, that tools may query on behalf of the agent.
    #[schemars(inner(pattern(PATTERN)), extend("examples" = [["notes"]]))]
    pub(super) databases: Option<Texts>,
    /// Hosts that tools may reach on behalf of the agent, as
    /// `[scheme://]host-or-network[:port]`: `api.example.com:443`, `*.example.com`,
    /// `10.0.0.0/8:8443`. None by default.
    #[schemars(inner(pattern(RULE)), extend("examples" = [["api.example.com:443"]]))]
    pub(super) egress: Option<Texts>,
    /// Hosts that they may not, even where `egress` allows them; at every port,
    /// unless one is named.
    #[schemars(inner(pattern(RULE)), extend("examples" = [["admin.example.com"]]))]
    pub(super) egress_deny: Option<Texts>,
    /// Names of `secrets` that may go with requests on its behalf. None by default.
    #[schemars(extend("examples" = [["jira"]]))]
    pub(super) secrets: Option<Texts>,
    /// Limits on tool calls. The agent's own come first, then those of its
    /// profiles in order.
    pub(super) limits: RawLimits,
}

/// A group of agents, and the most that any of them may do.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTenant {
    /// Tools that agents of this tenant can be granted, by name or pattern:
    /// `core.echo`, `core.*`, `*`. None by default.
    #[schemars(inner(pattern(PATTERN)), extend("examples" = [["*"]]))]
    pub(super) tools: Option<Texts>,
    /// Tools that are denied to all of them.
    #[schemars(inner(pattern(PATTERN)), extend("examples" = [["core.sum"]]))]
    pub(super) deny: Option<Texts>,
    /// Resources that they can be granted, by URI or pattern.
    #[schemars(inner(pattern(PATTERN)), extend("default" = super::RESOURCES, "examples" = [super::RESOURCES]))]
    pub(super) resources: Option<Texts>,
    /// Prompts that they can be granted, by name or pattern.
    #[schemars(inner(pattern(PATTERN)), extend("default" = super::PROMPTS, "examples" = [super::PROMPTS]))]
    pub(super) prompts: Option<Texts>,
    /// Capabilities that they can be granted. None by default.
    #[schemars(transform = capability_names, extend("examples" = [["llm:query"]]))]
    pub(super) capabilities: Option<Texts>,
    /// Roots of `files`, by name or pattern, that they can be granted. None by default.
    #[schemars(inner(pattern(PATTERN)), extend("examples" = [["docs"]]))]
    pub(super) files: Option<Texts>,
    /// Databases, by name or pattern, that they can be granted. None by default.
    #[schemars(inner(pattern(PATTERN)), extend("examples" = [["notes"]]))]
    pub(super) databases: Option<Texts>,
    /// Hosts that tools may reach on behalf of its agents, as
    /// `[scheme://]host-or-network[:port]`: `api.example.com:443`, `*.example.com`,
    /// `10.0.0.0/8:8443`. None by default.
    #[schemars(inner(pattern(RULE)), extend("examples" = [["api.example.com:443"]]))]
    pub(super) egress: Option<Texts>,
    /// Hosts that they may not, even where `egress` allows them; at every port,
    /// unless one is named.
    #[schemars(inner(pattern(RULE)), extend("examples" = [["admin.example.com"]]))]
    pub(super) egress_deny: Option<Texts>,
    /// Whether what `egress` does not allow is refused, `enforce`, or only logged,
    /// `report`. An address that is not public needs a rule all the same.
    #[schemars(extend("default" = "enforce", "examples" = ["enforce"]))]
    pub(super) egress_mode: Option<RawEgressMode>,
    /// Names of `secrets` that its agents can be granted. None by default.
    #[schemars(extend("examples" = [["jira"]]))]
    pub(super) secrets: Option<Texts>,
    /// The most that any of them can have. Where an agent's own limit is
    /// higher, this one holds.
    pub(super) limits: RawLimits,
    /// The most that any of them may ask of models.
    pub(super) llm: RawTenantLlm,
    /// What all of them together may spend on models.
    pub(super) budget: RawBudget,
    /// What an agent learns about a tool that exists and that it may not use:
    /// `reasons`, every reason why not, or `opaque`, nothing at all.
    #[schemars(extend("default" = "reasons", "examples" = ["reasons"]))]
    pub(super) disclosure: Option<RawDisclosure>,
    /// What is done to what its agents get.
    pub(super) filters: RawFilters,
}

// Without doc comments on the variants, the schema is a plain `enum`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawDisclosure {
    Reasons,
    Opaque,
}

/// One who may connect.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["tenant"]))]
pub(super) struct RawAgent {
    /// The tenant it belongs to.
    #[schemars(length(min = 1), extend("examples" = ["research"]))]
    pub(super) tenant: Option<String>,
    /// The token it authenticates with, never as such but as a reference:
    /// `${NAME}` of an environment variable or of `.env` beside this file,
    /// `${file:/path}` of a file, or `sha256:` and the token's SHA-256 in
    /// hexadecimal digits.
    #[schemars(pattern(TOKEN), extend("examples" = ["${LAPTOP_TOKEN}"], "writeOnly" = true))]
    pub(super) token: Option<String>,
    /// The same for several tokens, all of them valid, so that one can replace
    /// another while agents work.
    #[schemars(
        length(min = 1),
        inner(pattern(TOKEN)),
        extend("examples" = [["${LAPTOP_TOKEN}", "${LAPTOP_TOKEN_NEXT}"]], "writeOnly" = true)
    )]
    pub(super) tokens: Option<Texts>,
    /// Profiles whose rights it has in addition to its own.
    #[schemars(extend("examples" = [["reader"]]))]
    pub(super) profiles: Option<Texts>,
    /// Tools, by name or pattern: `core.echo`, `core.*`, `*`. None by default.
    #[schemars(inner(pattern(PATTERN)), extend("examples" = [["core.echo", "core.sum"]]))]
    pub(super) tools: Option<Texts>,
    /// Tools that are denied, even where `tools` or a profile allows them.
    #[schemars(inner(pattern(PATTERN)), extend("examples" = [["core.sum"]]))]
    pub(super) deny: Option<Texts>,
    /// Resources, by URI or pattern. The default counts if no profile says
    /// otherwise.
    #[schemars(inner(pattern(PATTERN)), extend("default" = super::RESOURCES, "examples" = [super::RESOURCES]))]
    pub(super) resources: Option<Texts>,
    /// Prompts, by name or pattern. The default counts if no profile says
    /// otherwise.
    #[schemars(inner(pattern(PATTERN)), extend("default" = super::PROMPTS, "examples" = [super::PROMPTS]))]
    pub(super) prompts: Option<Texts>,
    /// Capabilities that tools may use on its behalf. None by default.
    #[schemars(transform = capability_names, extend("examples" = [["llm:query"]]))]
    pub(super) capabilities: Option<Texts>,
    /// Roots of `files`, by name or pattern, below which tools may read on its
    /// behalf. None by default.
    #[schemars(inner(pattern(PATTERN)), extend("examples" = [["docs"]]))]
    pub(super) files: Option<Texts>,
    /// Databases, by name or pattern, that tools may query on its behalf. None by
    /// default.
    #[schemars(inner(pattern(PATTERN)), extend("examples" = [["notes"]]))]
    pub(super) databases: Option<Texts>,
    /// Hosts that tools may reach on behalf of it, as
    /// `[scheme://]host-or-network[:port]`: `api.example.com:443`, `*.example.com`,
    /// `10.0.0.0/8:8443`. None by default.
    #[schemars(inner(pattern(RULE)), extend("examples" = [["api.example.com:443"]]))]
    pub(super) egress: Option<Texts>,
    /// Hosts that they may not, even where `egress` allows them; at every port,
    /// unless one is named.
    #[schemars(inner(pattern(RULE)), extend("examples" = [["admin.example.com"]]))]
    pub(super) egress_deny: Option<Texts>,
    /// Whether what `egress` does not allow is refused, `enforce`, or only logged,
    /// `report`. An address that is not public needs a rule all the same.
    #[schemars(extend("default" = "enforce", "examples" = ["enforce"]))]
    pub(super) egress_mode: Option<RawEgressMode>,
    /// Names of `secrets` that may go with requests on its behalf. None by default.
    #[schemars(extend("examples" = [["jira"]]))]
    pub(super) secrets: Option<Texts>,
    /// Limits on its tool calls, below the ceiling of its tenant.
    pub(super) limits: RawLimits,
    /// What it may ask of models, and spend on them.
    pub(super) llm: RawAgentLlm,
    /// What is done to what it gets.
    pub(super) filters: RawFilters,
}

fn capability_names(schema: &mut Schema) {
    if let Some(Value::Object(items)) = schema.get_mut("items") {
        items.insert("enum".to_owned(), Capability::ALL.map(Capability::as_str).to_vec().into());
    }
}

//! What a plugin is and offers: written by its code, signed in `plugin.json`.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Capability, PluginName, PromptName, ResourceUri, ToolName,
    op::{Annotations, Icon, Meta},
};

/// The `schema` of every `plugin.json`. A signature covers it, so that a file
/// signed for another purpose is never taken for a plugin's.
pub const PACKAGE_SCHEMA: &str = "mcp-universal-server.plugin/1";

/// The signed file beside a plugin's library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// [`PACKAGE_SCHEMA`].
    pub schema: String,
    /// Must equal what the library says of itself.
    pub manifest: Manifest,
    /// The library that was signed.
    pub artifact: Artifact,
}

/// The library's file, by content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// A plain file name in the folder of `plugin.json`.
    pub file: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// A plugin in its own words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Unique on a server.
    pub name: PluginName,
    /// For people; `name` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// One sentence on what the plugin is for.
    #[serde(default)]
    pub description: String,
    /// The version people speak of.
    pub version: semver::Version,
    /// Grows with every release; a server refuses to go back.
    pub release: u64,
    /// The interface the plugin was written against.
    pub api: ApiVersion,
    /// The machine it was built for, as a Rust target triple.
    pub target: String,
    /// Every capability any of its tools asks for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub capabilities: BTreeSet<Capability>,
    /// Hosts that its tools reach, as `[scheme://]host-or-network[:port]`. Where
    /// there are any, its requests go nowhere else, and a tool that needs
    /// `network:outbound` is only for agents that may reach all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<String>,
    /// JSON Schema of the configuration an operator may give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_schema: Option<Map<String, Value>>,
    /// The tools it offers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolSpec>,
    /// The resources it offers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceSpec>,
    /// Families of resources it offers, by URI template (RFC 6570).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_templates: Vec<ResourceTemplateSpec>,
    /// The prompts it offers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompts: Vec<PromptSpec>,
}

impl Manifest {
    /// Reads what a library's `describe` answers: its manifest, or
    /// `{"error": "…"}` where its definition is unsound. The error is a sentence.
    pub fn from_description(json: &str) -> Result<Self, String> {
        serde_json::from_str::<Self>(json).map_err(|error| {
            serde_json::from_str::<DescriptionError>(json)
                .map_or_else(|_| error.to_string(), |unsound| unsound.error)
        })
    }
}

/// What `describe` answers in place of a manifest when there can be none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DescriptionError {
    /// What is wrong with the definition, for its author.
    pub error: String,
}

/// A tool, as `tools/list` shows it and as the host runs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolSpec {
    /// Must match a name pattern of the key that signs the plugin.
    pub name: ToolName,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For the model: what the tool does and when to use it.
    pub description: String,
    /// JSON Schema 2020-12 of the arguments. The host validates against it.
    pub input_schema: Map<String, Value>,
    /// JSON Schema 2020-12 of the structured result. The host validates against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Map<String, Value>>,
    /// What the tool needs of the host.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub capabilities: BTreeSet<Capability>,
    /// Promises never to block, so that the host may run it without a thread hop.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inline: bool,
    /// Hints for clients, of which none is a promise.
    #[serde(default, skip_serializing_if = "ToolAnnotations::is_empty")]
    pub annotations: ToolAnnotations,
    /// Pictures for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Icon>,
    /// For whom the keys are made.
    #[serde(rename = "_meta", default, skip_serializing_if = "Map::is_empty")]
    pub meta: Meta,
}

/// MCP's hints about a tool's behaviour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolAnnotations {
    /// Changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// May destroy what is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destructive: Option<bool>,
    /// A second identical call changes nothing more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// Deals with things outside the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_world: Option<bool>,
}

impl ToolAnnotations {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A resource at a fixed URI.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceSpec {
    /// Must match a name pattern of the key that signs the plugin.
    pub uri: ResourceUri,
    /// Short, for programs.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What is to be found there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Bytes, if they are known and do not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Hints for clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
    /// Pictures for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Icon>,
    /// For whom the keys are made.
    #[serde(rename = "_meta", default, skip_serializing_if = "Map::is_empty")]
    pub meta: Meta,
}

/// Resources whose URIs share a template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceTemplateSpec {
    /// URI template with `{variables}`, e.g. `docs://{book}/{page}`.
    pub uri_template: ResourceUri,
    /// Short, for programs.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What is to be found there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The media type that all of them share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Hints for clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
    /// The variables that the plugin can complete.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub completes: BTreeSet<String>,
    /// Pictures for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Icon>,
    /// For whom the keys are made.
    #[serde(rename = "_meta", default, skip_serializing_if = "Map::is_empty")]
    pub meta: Meta,
}

/// A prompt, as `prompts/list` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptSpec {
    /// Must match a name pattern of the key that signs the plugin.
    pub name: PromptName,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What the prompt is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What it takes; MCP's prompt arguments are all text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<PromptArgumentSpec>,
    /// Pictures for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Icon>,
    /// For whom the keys are made.
    #[serde(rename = "_meta", default, skip_serializing_if = "Map::is_empty")]
    pub meta: Meta,
}

/// One argument of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptArgumentSpec {
    /// The key.
    pub name: String,
    /// What to put there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The host refuses a request without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// The plugin can complete it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub completes: bool,
}

/// The version of this crate's interface, `major.minor`. A host speaks every
/// minor version up to its own of the same major one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApiVersion {
    /// Changes when old plugins can no longer be served.
    pub major: u32,
    /// Changes when operations or fields are added.
    pub minor: u32,
}

impl ApiVersion {
    /// What this crate describes.
    pub const CURRENT: Self = Self { major: 1, minor: 0 };

    /// Whether a host of this version can serve a plugin written for `plugin`.
    #[must_use]
    pub fn serves(self, plugin: Self) -> bool {
        self.major == plugin.major && plugin.minor <= self.minor
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Text that is no API version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no API version: write it as `major.minor`, e.g. `1.0`")]
pub struct InvalidApiVersion(String);

impl FromStr for ApiVersion {
    type Err = InvalidApiVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('.')
            .and_then(|(major, minor)| Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? }))
            .ok_or_else(|| InvalidApiVersion(text.to_owned()))
    }
}

impl TryFrom<String> for ApiVersion {
    type Error = InvalidApiVersion;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ApiVersion> for String {
    fn from(version: ApiVersion) -> Self {
        version.to_string()
    }
}

//! Why a plugin cannot be offered beside those that are.

use std::path::PathBuf;

use plugin_contract::{PluginName, ToolName};

use super::{Plugin, Refusal};
use crate::arguments::InvalidSchema;

/// One reason. Where a name is taken, the plugin that has it; `None` is the same one.
pub(super) enum Conflict {
    PluginTwice(PathBuf),
    ToolTaken(ToolName, ToolName, Option<PluginName>),
    Taken(&'static str, String, Option<PluginName>),
    Schema(ToolName, &'static str, InvalidSchema),
    Template(String),
    Egress(String),
}

impl Conflict {
    pub(super) fn refusal(self, plugin: &Plugin) -> Refusal {
        let name = &plugin.manifest.name;
        let by = |owner: Option<&PluginName>| match owner {
            Some(owner) => format!("by plugin `{owner}`"),
            None => "by the same plugin".to_owned(),
        };
        let rename = |owner: Option<&PluginName>| match owner {
            Some(owner) => format!(
                "rename it in the plugin, or disable one of the two with `plugins.entries.{owner}.enabled: false` or `plugins.entries.{name}.enabled: false`"
            ),
            None => "rename one of the two in the plugin, and sign it again".to_owned(),
        };
        let (code, message, help) = match self {
            Self::PluginTwice(other) => (
                "plugin_twice",
                format!("plugin `{name}` is loaded already, from {}", other.display()),
                "remove one of the two".to_owned(),
            ),
            Self::ToolTaken(tool, other, owner) if tool == other => (
                "name_taken",
                format!("tool `{tool}` of plugin `{name}` is offered already, {}", by(owner.as_ref())),
                rename(owner.as_ref()),
            ),
            Self::ToolTaken(tool, other, owner) => (
                "name_taken",
                format!(
                    "tool `{tool}` of plugin `{name}` looks like `{other}`, offered {}, to clients that write `.` as `_`",
                    by(owner.as_ref())
                ),
                rename(owner.as_ref()),
            ),
            Self::Taken(kind, taken, owner) => (
                "name_taken",
                format!("{kind} `{taken}` of plugin `{name}` is offered already, {}", by(owner.as_ref())),
                rename(owner.as_ref()),
            ),
            Self::Schema(tool, which, error) => (
                "invalid_schema",
                format!("the {which} schema of tool `{tool}` cannot be used: {error}"),
                "correct the schema in the plugin and sign it again".to_owned(),
            ),
            Self::Egress(message) => (
                "invalid_egress",
                format!("a host that plugin `{name}` declares cannot be used: {message}"),
                "correct it in the plugin and sign it again".to_owned(),
            ),
            Self::Template(message) => (
                "invalid_template",
                message,
                "correct the template in the plugin and sign it again".to_owned(),
            ),
        };
        Refusal { place: plugin.provenance.folder.clone(), code, message, help }
    }
}

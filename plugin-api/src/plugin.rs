//! A plugin as its author defines it.

use plugin_contract::Manifest;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    InvalidPlugin, Prompt, Resource, ResourceTemplate, Tool, call::Config, definition::Definition, input,
};

/// A plugin: what it offers, and the handlers behind it.
#[must_use = "hand it to `plugin_api::export!`"]
pub struct Plugin {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) title: Option<String>,
    pub(crate) description: String,
    pub(crate) release: Option<u64>,
    pub(crate) egress: Vec<String>,
    pub(crate) config: Option<ConfigType>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) resource_templates: Vec<ResourceTemplate>,
    pub(crate) prompts: Vec<Prompt>,
}

/// The type of the operator's configuration.
pub(crate) struct ConfigType {
    /// `None` if it is no struct.
    pub(crate) schema: Option<Map<String, Value>>,
    pub(crate) parse: fn(Value) -> Result<Config, serde_json::Error>,
}

impl Plugin {
    /// A plugin of that name (a-z, 0-9 and `-`) and version
    /// (`major.minor.patch`), which offers nothing yet.
    ///
    /// What is wrong with a definition is told all at once, by
    /// [`manifest`](Self::manifest), a test's [`Harness`](crate::testing::Harness)
    /// and the server that loads it.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            title: None,
            description: String::new(),
            release: None,
            egress: Vec::new(),
            config: None,
            tools: Vec::new(),
            resources: Vec::new(),
            resource_templates: Vec::new(),
            prompts: Vec::new(),
        }
    }

    /// A name for people.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// One sentence on what the plugin is for.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Which release this is. It must grow with every one, since a server refuses
    /// to go back. By default it is made of the version: 1002003 for `1.2.3`.
    pub fn release(mut self, release: u64) -> Self {
        self.release = Some(release);
        self
    }

    /// Declares a host that the tools reach, as `[scheme://]host[:port]`, such as
    /// `api.example.com:443` or `*.example.com`. Operators see what is declared
    /// before they load the plugin. Requests go nowhere else then; a plugin that
    /// declares nothing may go wherever its caller may.
    pub fn reaches(mut self, host: impl Into<String>) -> Self {
        self.egress.push(host.into());
        self
    }

    /// Takes a configuration from the operator: a struct that derives
    /// `Deserialize` and `JsonSchema`. It is read once, when the plugin is made; a
    /// plugin whose operator says nothing gets what `{}` gives, so fields without
    /// a default are what an operator must set. Handlers have it from
    /// [`Call::config`](crate::Call::config).
    pub fn config<C: DeserializeOwned + JsonSchema + Send + Sync + 'static>(mut self) -> Self {
        self.config = Some(ConfigType {
            schema: input::schema::<C>(),
            parse: |value| Ok(std::sync::Arc::new(serde_json::from_value::<C>(value)?)),
        });
        self
    }

    /// Offers a tool.
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Offers a resource.
    pub fn resource(mut self, resource: Resource) -> Self {
        self.resources.push(resource);
        self
    }

    /// Offers the resources of a template.
    pub fn resource_template(mut self, template: ResourceTemplate) -> Self {
        self.resource_templates.push(template);
        self
    }

    /// Offers a prompt.
    pub fn prompt(mut self, prompt: Prompt) -> Self {
        self.prompts.push(prompt);
        self
    }

    /// The manifest of this definition, or everything that is wrong with it.
    pub fn manifest(self) -> Result<Manifest, InvalidPlugin> {
        Ok(Definition::new(self)?.manifest)
    }
}

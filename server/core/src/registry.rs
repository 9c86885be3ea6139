//! What is loaded: plugins whose names do not get in each other's way.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use futures::future::BoxFuture;
use plugin_contract::{
    Capability, Manifest, PluginName, PromptName, ToolName,
    manifest::{PromptSpec, ResourceSpec, ResourceTemplateSpec, ToolSpec},
    op::{Offered, OpError},
    template::UriTemplate,
};
use serde::Serialize;

use crate::{
    arguments::ArgumentSchema,
    egress::{InvalidRule, Rule},
    id::KeyName,
    invocation::Invocation,
    settings::Isolation,
    workers::WorkersStatus,
};

mod conflict;

use conflict::Conflict;

/// The longest URI of a resource that a client may name.
pub const MAX_URI: usize = 2048;

/// A verified plugin that runs.
pub struct Plugin {
    /// What it says of itself, as signed.
    pub manifest: Manifest,
    /// Who vouches for it.
    pub provenance: Provenance,
    /// Where it runs.
    pub isolation: Isolation,
    /// What the operator's entry lets its tools use, under the key's ceiling.
    pub granted: BTreeSet<Capability>,
    /// The code.
    pub instance: Arc<dyn Instance>,
    /// What it says of itself, ready for use.
    pub prepared: Prepared,
}

/// The schemas and templates of a manifest, compiled when they are needed first.
/// A clone shares them, so that a plugin that goes on does not have its hundreds of
/// schemas compiled at every reload.
#[derive(Clone, Default)]
pub struct Prepared(Arc<OnceLock<Compiled>>);

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.manifest.name)
            .field("version", &self.manifest.version)
            .field("provenance", &self.provenance)
            .finish_non_exhaustive()
    }
}

impl Plugin {
    /// The hosts that it says it reaches. None: it goes wherever its callers may.
    #[must_use]
    pub fn egress(&self) -> &[Rule] {
        let Prepared(prepared) = &self.prepared;
        prepared.get().map_or(&[], |compiled| &compiled.egress)
    }
}

/// Where a plugin's bytes came from and who signed them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// The plugin's folder.
    pub folder: PathBuf,
    /// The trusted key, by the operator's name for it.
    pub signer: KeyName,
    /// The same key, by its own id: 16 hexadecimal digits.
    pub key_id: String,
    /// SHA-256 of the library, in hexadecimal.
    pub sha256: String,
}

/// A plugin's code, wherever it runs.
pub trait Instance: Send + Sync {
    /// Runs one operation. Whoever implements it keeps the invocation's slot
    /// until the plugin's code has returned or is gone, also when the future is
    /// dropped, and gives up at the invocation's deadline.
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'static, Result<Vec<u8>, InvokeError>>;

    /// Whether the plugin offers something that its manifest lists, at present.
    fn offers(&self, _thing: &Offered) -> bool {
        true
    }

    /// How its worker processes are, if it has any.
    fn workers(&self) -> Option<WorkersStatus> {
        None
    }

    /// Another instance takes the calls from now on. Those that it has go on, and
    /// some may still come.
    fn retire(&self) {}
}

/// Why a plugin gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// It answered with an error.
    #[error(transparent)]
    Plugin(#[from] OpError),
    /// It was still running at the deadline.
    #[error("the call was still running after {seconds} s, its limit")]
    TimedOut {
        /// The limit.
        seconds: u64,
    },
    /// Its answer is longer than whoever asked may be given, and was not read.
    #[error("the answer has {bytes} bytes, more than are allowed")]
    TooLarge {
        /// How long it was to be.
        bytes: u64,
    },
    /// Its code is gone.
    #[error("plugin `{plugin}` stopped: {reason}")]
    Lost {
        /// Which plugin.
        plugin: PluginName,
        /// What is known.
        reason: String,
    },
}

/// A plugin that was not loaded, for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("plugin refused: {}: {message}; {help}", place.display())]
pub struct Refusal {
    /// The folder or file at fault.
    pub place: PathBuf,
    /// A stable name for the reason.
    pub code: &'static str,
    /// The reason.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// A tool of a loaded plugin.
#[derive(Debug)]
pub struct Tool {
    /// As its plugin describes it.
    pub spec: ToolSpec,
    /// Checks a call's arguments.
    pub arguments: Arc<ArgumentSchema>,
    /// Checks its structured result.
    pub output: Option<Arc<ArgumentSchema>>,
    /// Whose it is.
    pub plugin: Arc<Plugin>,
}

/// A resource of a loaded plugin.
#[derive(Debug)]
pub struct Resource {
    /// As its plugin describes it.
    pub spec: ResourceSpec,
    /// Whose it is.
    pub plugin: Arc<Plugin>,
}

/// A family of resources of a loaded plugin.
#[derive(Debug)]
pub struct ResourceTemplate {
    /// As its plugin describes it.
    pub spec: ResourceTemplateSpec,
    /// Recognises its members.
    pub template: UriTemplate,
    /// Whose it is.
    pub plugin: Arc<Plugin>,
}

/// A prompt of a loaded plugin.
#[derive(Debug)]
pub struct Prompt {
    /// As its plugin describes it.
    pub spec: PromptSpec,
    /// Whose it is.
    pub plugin: Arc<Plugin>,
}

/// All that is loaded, in the order of names.
#[derive(Debug, Default)]
pub struct Registry {
    plugins: BTreeMap<PluginName, Arc<Plugin>>,
    tools: BTreeMap<ToolName, Arc<Tool>>,
    client_forms: BTreeMap<String, ToolName>,
    resources: BTreeMap<String, Arc<Resource>>,
    templates: BTreeMap<String, Arc<ResourceTemplate>>,
    prompts: BTreeMap<PromptName, Arc<Prompt>>,
}

impl Registry {
    /// Takes the plugins in, in the order given. One whose names are taken, or
    /// whose schemas cannot be used, is refused whole and does not disturb the
    /// others.
    pub fn admit(plugins: impl IntoIterator<Item = Arc<Plugin>>) -> (Self, Vec<Refusal>) {
        let mut registry = Self::default();
        let mut refusals = Vec::new();
        for plugin in plugins {
            match registry.conflict(&plugin) {
                Some(conflict) => refusals.push(conflict.refusal(&plugin)),
                None => match Self::compiled(&plugin) {
                    Ok(compiled) => registry.add(&plugin, compiled),
                    Err(conflict) => refusals.push(conflict.refusal(&plugin)),
                },
            }
        }
        (registry, refusals)
    }

    /// The plugins.
    pub fn plugins(&self) -> impl Iterator<Item = &Arc<Plugin>> {
        self.plugins.values()
    }

    /// The tools.
    pub fn tools(&self) -> impl Iterator<Item = &Arc<Tool>> {
        self.tools.values()
    }

    /// The tool of that name.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&Arc<Tool>> {
        self.tools.get(name)
    }

    /// The resources at fixed URIs.
    pub fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }

    /// The resource templates.
    pub fn templates(&self) -> impl Iterator<Item = &Arc<ResourceTemplate>> {
        self.templates.values()
    }

    /// The plugin that answers for a URI: by the fixed one, else by template.
    #[must_use]
    pub fn resource_plugin(&self, uri: &str) -> Option<&Arc<Plugin>> {
        self.offered(uri).map(|(_, plugin)| plugin)
    }

    /// The template, as its plugin writes it.
    #[must_use]
    pub fn template(&self, uri_template: &str) -> Option<&Arc<ResourceTemplate>> {
        self.templates.get(uri_template)
    }

    /// What a URI is offered as, if it is: the resource of that name, or the
    /// template that it is a member of.
    #[must_use]
    pub fn offered(&self, uri: &str) -> Option<(Offered, &Arc<Plugin>)> {
        // A template's variables stand for whatever a client makes up, which the
        // plugin gets, and which the server keeps where it is subscribed to.
        if uri.len() > MAX_URI || uri.contains(char::is_control) {
            return None;
        }
        if let Some(resource) = self.resources.get(uri) {
            return Some((Offered::Resource(uri.to_owned()), &resource.plugin));
        }
        let template = self.templates.values().find(|template| template.template.matches(uri))?;
        Some((Offered::Template(template.spec.uri_template.to_string()), &template.plugin))
    }

    /// The prompts.
    pub fn prompts(&self) -> impl Iterator<Item = &Arc<Prompt>> {
        self.prompts.values()
    }

    /// The prompt of that name.
    #[must_use]
    pub fn prompt(&self, name: &str) -> Option<&Arc<Prompt>> {
        self.prompts.get(name)
    }

    fn conflict(&self, plugin: &Plugin) -> Option<Conflict> {
        let manifest = &plugin.manifest;
        if let Some(other) = self.plugins.get(&manifest.name) {
            return Some(Conflict::PluginTwice(other.provenance.folder.clone()));
        }
        let mut own = BTreeMap::new();
        for tool in &manifest.tools {
            let form = tool.name.client_form();
            if let Some(other) = self.client_forms.get(&form).or_else(|| own.get(&form)) {
                let owner = self.tool(other.as_str()).map(|tool| tool.plugin.manifest.name.clone());
                return Some(Conflict::ToolTaken(tool.name.clone(), other.clone(), owner));
            }
            own.insert(form, tool.name.clone());
        }
        let mut own = BTreeSet::new();
        let mut taken = |kind, name: &str, owner: Option<&Arc<Plugin>>| {
            let here = !own.insert(format!("{kind} {name}"));
            let owner = owner.map(|owner| owner.manifest.name.clone());
            (owner.is_some() || here).then(|| Conflict::Taken(kind, name.to_owned(), owner))
        };
        let resources = manifest.resources.iter().map(|spec| spec.uri.as_str());
        let templates = manifest.resource_templates.iter().map(|spec| spec.uri_template.as_str());
        let prompts = manifest.prompts.iter().map(|spec| spec.name.as_str());
        let of_resource = |uri: &str| self.resources.get(uri).map(|it| &it.plugin);
        let of_template = |uri: &str| self.templates.get(uri).map(|it| &it.plugin);
        let of_prompt = |name: &str| self.prompts.get(name).map(|it| &it.plugin);
        resources
            .map(|uri| ("resource", uri, of_resource(uri)))
            .chain(templates.map(|uri| ("resource template", uri, of_template(uri))))
            .chain(prompts.map(|name| ("prompt", name, of_prompt(name))))
            .find_map(|(kind, name, owner)| taken(kind, name, owner))
    }

    fn compiled(plugin: &Plugin) -> Result<&Compiled, Conflict> {
        let Prepared(prepared) = &plugin.prepared;
        match prepared.get() {
            Some(compiled) => Ok(compiled),
            None => Self::compile(plugin).map(|compiled| prepared.get_or_init(|| compiled)),
        }
    }

    fn compile(plugin: &Plugin) -> Result<Compiled, Conflict> {
        let schema = |tool: &ToolName, which, schema| {
            ArgumentSchema::new(schema)
                .map(Arc::new)
                .map_err(|error| Conflict::Schema(tool.clone(), which, error))
        };
        let schemas = plugin
            .manifest
            .tools
            .iter()
            .map(|spec| {
                let output = spec.output_schema.as_ref();
                let output = output.map(|output| schema(&spec.name, "output", output)).transpose()?;
                Ok((schema(&spec.name, "input", &spec.input_schema)?, output))
            })
            .collect::<Result<_, _>>()?;
        let templates = plugin
            .manifest
            .resource_templates
            .iter()
            .map(|spec| {
                UriTemplate::new(spec.uri_template.as_str())
                    .map_err(|error| Conflict::Template(error.to_string()))
            })
            .collect::<Result<_, _>>()?;
        let egress = plugin
            .manifest
            .egress
            .iter()
            .map(|text| text.parse().map_err(|error: InvalidRule| Conflict::Egress(error.to_string())))
            .collect::<Result<_, _>>()?;
        Ok(Compiled { schemas, templates, egress })
    }

    fn add(&mut self, plugin: &Arc<Plugin>, compiled: &Compiled) {
        let manifest = &plugin.manifest;
        for (spec, (arguments, output)) in manifest.tools.iter().zip(&compiled.schemas) {
            self.client_forms.insert(spec.name.client_form(), spec.name.clone());
            let (arguments, output) = (arguments.clone(), output.clone());
            let tool = Tool { spec: spec.clone(), arguments, output, plugin: plugin.clone() };
            self.tools.insert(spec.name.clone(), Arc::new(tool));
        }
        for spec in &manifest.resources {
            let resource = Resource { spec: spec.clone(), plugin: plugin.clone() };
            self.resources.insert(spec.uri.to_string(), Arc::new(resource));
        }
        for (spec, template) in manifest.resource_templates.iter().zip(&compiled.templates) {
            let template = template.clone();
            let template = ResourceTemplate { spec: spec.clone(), template, plugin: plugin.clone() };
            self.templates.insert(spec.uri_template.to_string(), Arc::new(template));
        }
        for spec in &manifest.prompts {
            let prompt = Prompt { spec: spec.clone(), plugin: plugin.clone() };
            self.prompts.insert(spec.name.clone(), Arc::new(prompt));
        }
        self.plugins.insert(manifest.name.clone(), plugin.clone());
    }
}

struct Compiled {
    /// Of each tool, its input's and its output's.
    schemas: Vec<(Arc<ArgumentSchema>, Option<Arc<ArgumentSchema>>)>,
    templates: Vec<UriTemplate>,
    egress: Vec<Rule>,
}

#[cfg(test)]
mod tests;

//! A plugin that has been checked: its manifest, and its handlers by name.

use std::collections::BTreeMap;

use plugin_contract::{ApiVersion, Manifest, UriTemplate};

use crate::{Plugin, completion::Completer, plugin::ConfigType, prompt, resource, tool};

mod problems;
#[cfg(test)]
mod tests;

use problems::Problems;

/// A definition that no server can load. The message says everything that is
/// wrong with it, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.join("; "))]
pub struct InvalidPlugin {
    problems: Vec<String>,
}

impl InvalidPlugin {
    /// What is wrong, a sentence each.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

pub(crate) struct Definition {
    pub(crate) manifest: Manifest,
    pub(crate) config: Option<ConfigType>,
    pub(crate) tools: BTreeMap<String, tool::Run>,
    pub(crate) resources: BTreeMap<String, resource::Run>,
    pub(crate) templates: Vec<(UriTemplate, resource::RunTemplate)>,
    pub(crate) prompts: BTreeMap<String, prompt::Run>,
    /// By the name of the prompt or the template, and the argument's.
    pub(crate) completers: BTreeMap<(String, String), Completer>,
}

impl Definition {
    pub(crate) fn new(plugin: Plugin) -> Result<Self, InvalidPlugin> {
        let mut problems = Problems::default();
        let name = problems.check(plugin.name.parse());
        let version = problems.check(version(&plugin.version));
        let release = version.as_ref().and_then(|version| problems.check(release(version, plugin.release)));
        let config_schema = plugin.config.as_ref().and_then(|config| {
            let schema = config.schema.clone();
            problems.check(schema.ok_or("the configuration is no struct with named fields"))
        });
        let capabilities = plugin.tools.iter().flat_map(|tool| tool.capabilities.iter().copied());
        let capabilities = capabilities.collect();

        problems.names(&plugin);
        let (tools, run_tools) = plugin.tools.into_iter().filter_map(|tool| problems.tool(tool)).unzip();
        let (resources, run_resources) =
            plugin.resources.into_iter().filter_map(|resource| problems.resource(resource)).unzip();
        let (resource_templates, run_templates) =
            plugin.resource_templates.into_iter().filter_map(|template| problems.template(template)).unzip();
        let (prompts, run_prompts) =
            plugin.prompts.into_iter().filter_map(|prompt| problems.prompt(prompt)).unzip();

        let completers = std::mem::take(&mut problems.completers);
        let (true, Some(name), Some(version), Some(release)) = (problems.is_empty(), name, version, release)
        else {
            return Err(InvalidPlugin { problems: problems.into_sentences() });
        };
        Ok(Self {
            manifest: Manifest {
                name,
                title: plugin.title,
                description: plugin.description,
                version,
                release,
                api: ApiVersion::CURRENT,
                target: env!("PLUGIN_TARGET").to_owned(),
                capabilities,
                egress: plugin.egress,
                config_schema,
                tools,
                resources,
                resource_templates,
                prompts,
            },
            config: plugin.config,
            tools: run_tools,
            resources: run_resources,
            templates: run_templates,
            prompts: run_prompts,
            completers,
        })
    }
}

fn version(text: &str) -> Result<semver::Version, String> {
    text.parse().map_err(|_| format!("`{text}` is no version: write it as `major.minor.patch`, e.g. `1.0.0`"))
}

fn release(version: &semver::Version, given: Option<u64>) -> Result<u64, String> {
    if let Some(release) = given {
        return Ok(release);
    }
    let made = (version.pre.is_empty() && version.minor < 1000 && version.patch < 1000)
        .then(|| version.major.checked_mul(1_000_000)?.checked_add(version.minor * 1000 + version.patch));
    made.flatten().ok_or_else(|| {
        format!("`{version}` does not say which release it is: add `.release(n)`, where n grows with every release")
    })
}

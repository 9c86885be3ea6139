//! What is wrong with a definition, as it is found part by part.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

use plugin_contract::{
    UriTemplate,
    manifest::{PromptArgumentSpec, PromptSpec, ResourceSpec, ResourceTemplateSpec, ToolSpec},
    op::Icon,
};

use crate::{
    Plugin, Prompt, Resource, ResourceTemplate, Tool,
    completion::Completer,
    input::TextField,
    prompt, resource,
    tool::{self, Output},
};

/// What has been found so far.
#[derive(Default)]
pub(super) struct Problems {
    /// A sentence each.
    sentences: Vec<String>,
    /// By what they are for: a prompt or a template, and its argument.
    pub(super) completers: BTreeMap<(String, String), Completer>,
}

impl Problems {
    pub(super) fn is_empty(&self) -> bool {
        self.sentences.is_empty()
    }

    pub(super) fn into_sentences(self) -> Vec<String> {
        self.sentences
    }

    /// Notes a problem, if there is one.
    pub(super) fn check<T, E: Display>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|problem| self.sentences.push(problem.to_string())).ok()
    }

    /// Names must differ.
    pub(super) fn names(&mut self, plugin: &Plugin) {
        self.twice("tool", plugin.tools.iter().map(|tool| &tool.name));
        self.alike(&plugin.tools);
        self.twice("resource", plugin.resources.iter().map(|resource| &resource.uri));
        let templates = plugin.resource_templates.iter();
        self.twice("resource template", templates.map(|template| &template.uri_template));
        self.twice("prompt", plugin.prompts.iter().map(|prompt| &prompt.name));
    }

    fn require(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.sentences.push(problem());
        }
    }

    fn twice<'a>(&mut self, kind: &str, names: impl Iterator<Item = &'a String>) {
        let mut seen = BTreeSet::new();
        let twice: BTreeSet<_> = names.filter(|name| !seen.insert(*name)).collect();
        for name in twice {
            self.sentences.push(format!("{kind} `{name}` is defined twice: rename one"));
        }
    }

    /// Clients that know no `.` drop one of two tools that look alike to them.
    fn alike(&mut self, tools: &[Tool]) {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for tool in tools {
            let other = *seen.entry(tool.name.replace('.', "_")).or_insert(&tool.name);
            self.require(other == tool.name, || {
                format!(
                    "tools `{other}` and `{}` look alike to clients that write `_` for `.`: rename one",
                    tool.name
                )
            });
        }
    }

    pub(super) fn tool(&mut self, tool: Tool) -> Option<(ToolSpec, (String, tool::Run))> {
        let described = !tool.description.trim().is_empty();
        self.require(described, || {
            format!("tool `{}` has no description: say what it does and when to use it", tool.name)
        });
        let input_schema = self.check(
            tool.input_schema
                .ok_or_else(|| format!("the input of tool `{}` is no struct with named fields", tool.name)),
        );
        let output_schema =
            match tool.output {
                Output::Content => None,
                Output::Structured(schema) => self.check(schema.ok_or_else(|| {
                    format!("the output of tool `{}` is no struct with named fields", tool.name)
                })),
            };
        let spec = ToolSpec {
            icons: self.icons("tool", &tool.name, tool.looks.icons),
            meta: tool.looks.meta,
            name: self.check(tool.name.parse())?,
            title: tool.title,
            description: tool.description,
            input_schema: input_schema?,
            output_schema,
            capabilities: tool.capabilities,
            inline: tool.inline,
            annotations: tool.annotations,
        };
        Some((spec, (tool.name, tool.run)))
    }

    pub(super) fn resource(&mut self, resource: Resource) -> Option<(ResourceSpec, (String, resource::Run))> {
        let Resource { uri, about, size, looks, run } = resource;
        self.require(!uri.contains(['{', '}']), || {
            format!("resource `{uri}` has a variable: make it a `ResourceTemplate`")
        });
        let spec = ResourceSpec {
            icons: self.icons("resource", &uri, looks.icons),
            meta: looks.meta,
            size,
            annotations: about.annotations,
            uri: self.check(uri.parse())?,
            name: about.name,
            title: about.title,
            description: about.description,
            mime_type: about.mime_type,
        };
        Some((spec, (uri, run)))
    }

    pub(super) fn template(
        &mut self,
        template: ResourceTemplate,
    ) -> Option<(ResourceTemplateSpec, (UriTemplate, resource::RunTemplate))> {
        let ResourceTemplate { uri_template: text, about, completers, looks, variables, run } = template;
        let uri_template = self.check(text.parse());
        let template = self.check(UriTemplate::new(&text))?;
        let fields = self.check(variables.ok_or_else(|| {
            format!("the input of resource template `{text}` is no struct with named fields")
        }))?;
        self.texts("resource template", &text, &fields);
        let taken: BTreeSet<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        self.require(taken == template.variables().collect(), || {
            let taken: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
            format!(
                "resource template `{text}` and its handler do not agree on the variables: its handler takes {}",
                listed(&taken)
            )
        });
        let completes = self.completers("resource template", &text, completers, &taken);
        let spec = ResourceTemplateSpec {
            icons: self.icons("resource template", &text, looks.icons),
            meta: looks.meta,
            annotations: about.annotations,
            completes,
            uri_template: uri_template?,
            name: about.name,
            title: about.title,
            description: about.description,
            mime_type: about.mime_type,
        };
        Some((spec, (template, run)))
    }

    pub(super) fn prompt(&mut self, prompt: Prompt) -> Option<(PromptSpec, (String, prompt::Run))> {
        let fields =
            self.check(prompt.arguments.ok_or_else(|| {
                format!("the input of prompt `{}` is no struct with named fields", prompt.name)
            }));
        self.texts("prompt", &prompt.name, fields.as_deref().unwrap_or_default());
        let taken = fields.iter().flatten().map(|field| field.name.as_str()).collect();
        let completes = self.completers("prompt", &prompt.name, prompt.completers, &taken);
        let spec = PromptSpec {
            icons: self.icons("prompt", &prompt.name, prompt.looks.icons),
            meta: prompt.looks.meta,
            name: self.check(prompt.name.parse())?,
            title: prompt.title,
            description: prompt.description,
            arguments: fields?.into_iter().map(|field| argument(field, &completes)).collect(),
        };
        Some((spec, (prompt.name, prompt.run)))
    }

    fn icons(&mut self, kind: &str, name: &str, icons: Vec<(String, String)>) -> Vec<Icon> {
        let mut valid = Vec::new();
        for (url, size) in icons {
            let src = url.parse().map_err(|error| format!("the icon of {kind} `{name}`: {error}"));
            if let Some(src) = self.check(src) {
                valid.push(Icon { src, mime_type: None, sizes: Some(vec![size]), theme: None });
            }
        }
        valid
    }

    /// Takes the completers over, and answers for which arguments there are some.
    fn completers(
        &mut self,
        kind: &str,
        name: &str,
        completers: BTreeMap<String, Completer>,
        taken: &BTreeSet<&str>,
    ) -> BTreeSet<String> {
        let mut completes = BTreeSet::new();
        for (argument, completer) in completers {
            self.require(taken.contains(argument.as_str()), || {
                format!("{kind} `{name}` completes `{argument}`, which it does not take")
            });
            completes.insert(argument.clone());
            self.completers.insert((name.to_owned(), argument), completer);
        }
        completes
    }

    fn texts(&mut self, kind: &str, name: &str, fields: &[TextField]) {
        for field in fields {
            self.require(field.is_text, || {
                let field = &field.name;
                format!("{kind} `{name}` takes `{field}`, which is no text: make it a `String` or an `Option<String>`")
            });
        }
    }
}

fn argument(field: TextField, completes: &BTreeSet<String>) -> PromptArgumentSpec {
    PromptArgumentSpec {
        completes: completes.contains(&field.name),
        name: field.name,
        description: field.description,
        required: field.required,
    }
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        names => format!("`{}`", names.join("`, `")),
    }
}

//! `plugin inspect`.

use std::{
    fmt::{self, Display, Write as _},
    io::Write,
    path::PathBuf,
};

use clap::Args;
use plugin_contract::{Capability, Manifest, manifest::ToolSpec};
use serde_json::{Map, Value};

use crate::{
    cli::Failure,
    plugin::inspect::{self, Contents},
};

/// What to look into.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mcp-universal-server plugin inspect plugins.d/acme-jira")]
pub struct Arguments {
    /// The folder with plugin.json
    folder: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let contents = inspect::inspect(&arguments.folder).map_err(Failure::Failed)?;
    let text = if arguments.json {
        serde_json::to_string_pretty(&contents).map_err(Failure::failed)?
    } else {
        page(&contents).map_err(Failure::failed)?
    };
    writeln!(out, "{}", text.trim_end()).map_err(Failure::failed)
}

fn page(contents: &Contents) -> Result<String, fmt::Error> {
    let manifest = &contents.package.manifest;
    let mut page = String::new();
    let sheet = &mut page;
    writeln!(sheet, "{} {}, release {}", manifest.name, manifest.version, manifest.release)?;
    if !manifest.description.is_empty() {
        writeln!(sheet, "  {}", line(&manifest.description))?;
    }
    writeln!(sheet, "  written for API {}, built for {}", manifest.api, line(&manifest.target))?;
    if !manifest.capabilities.is_empty() {
        writeln!(sheet, "  needs {}", list(&manifest.capabilities))?;
    }
    match (manifest.egress.as_slice(), manifest.capabilities.contains(&Capability::NetworkOutbound)) {
        ([], true) => writeln!(sheet, "  reaches whatever the operator lets its callers reach")?,
        ([], false) => {}
        (hosts, _) => {
            let hosts: Vec<_> = hosts.iter().map(|host| line(host)).collect();
            writeln!(sheet, "  reaches {}, and nothing else", hosts.join(", "))?;
        }
    }
    if let Some(signature) = &contents.signature {
        writeln!(
            sheet,
            "  signature by key {}: {} (unchecked: see `plugin verify`)",
            signature.key_id,
            line(&signature.comment)
        )?;
    }
    if let Some(library) = &contents.library {
        writeln!(
            sheet,
            "  {}, {} bytes for {}, links to {}\n  sha256 {}",
            contents.package.artifact.file,
            library.size,
            library.machine,
            list(&library.needed),
            library.sha256
        )?;
        writeln!(
            sheet,
            "  asks them for {} symbols{}{}",
            library.undefined_symbols.len(),
            library
                .glibc
                .as_ref()
                .map_or_else(String::new, |it| format!(", needs glibc {} or newer", line(it))),
            if library.built_by.is_empty() {
                String::new()
            } else {
                format!(", was built by {}", list(&library.built_by))
            }
        )?;
    }
    offers(sheet, manifest)?;
    if !contents.problems.is_empty() {
        writeln!(sheet, "\nProblems:")?;
        for problem in &contents.problems {
            writeln!(sheet, "  {problem}")?;
        }
    }
    Ok(page)
}

fn offers(page: &mut String, manifest: &Manifest) -> fmt::Result {
    if let Some(schema) = &manifest.config_schema {
        writeln!(page, "\nConfiguration:")?;
        fields(page, "  ", schema)?;
    }
    section(page, "Tools", &manifest.tools, tool)?;
    section(page, "Resources", &manifest.resources, |page, it| item(page, &it.uri, &it.description))?;
    section(page, "Resource templates", &manifest.resource_templates, |page, it| {
        item(page, &it.uri_template, &it.description)
    })?;
    section(page, "Prompts", &manifest.prompts, |page, it| {
        item(page, &it.name, &it.description)?;
        for argument in &it.arguments {
            let required = if argument.required { "required" } else { "optional" };
            writeln!(page, "    {} ({required}){}", argument.name, described(&argument.description))?;
        }
        Ok(())
    })
}

fn section<T>(
    page: &mut String,
    title: &str,
    items: &[T],
    mut write: impl FnMut(&mut String, &T) -> fmt::Result,
) -> fmt::Result {
    if !items.is_empty() {
        writeln!(page, "\n{title}:")?;
    }
    items.iter().try_for_each(|item| write(page, item))
}

fn tool(page: &mut String, tool: &ToolSpec) -> fmt::Result {
    item(page, &tool.name, &tool.description)?;
    if !tool.capabilities.is_empty() {
        writeln!(page, "    needs {}", list(&tool.capabilities))?;
    }
    fields(page, "    ", &tool.input_schema)?;
    match &tool.output_schema {
        Some(schema) => {
            writeln!(page, "    answers")?;
            fields(page, "      ", schema)
        }
        None => Ok(()),
    }
}

fn item(page: &mut String, name: &impl Display, description: &str) -> fmt::Result {
    writeln!(page, "  {name}{}", described(description))
}

/// The fields of an object's schema, one a line.
fn fields(page: &mut String, indent: &str, schema: &Map<String, Value>) -> fmt::Result {
    let required = schema.get("required").and_then(Value::as_array);
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, schema) in properties.into_iter().flatten() {
        let is_required = required.is_some_and(|list| list.iter().any(|item| item == name));
        let kind = match schema.get("type") {
            Some(Value::String(kind)) => line(kind),
            Some(Value::Array(kinds)) => {
                kinds.iter().filter_map(Value::as_str).map(line).collect::<Vec<_>>().join(" or ")
            }
            _ => "any".to_owned(),
        };
        let required = if is_required { "required" } else { "optional" };
        let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        writeln!(page, "{indent}{} ({kind}, {required}){}", line(name), described(description))?;
    }
    Ok(())
}

fn described(description: &str) -> String {
    if description.is_empty() { String::new() } else { format!(": {}", line(description)) }
}

fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| line(&item.to_string())).collect();
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}

/// Text of an unknown author on one line of a terminal, which takes control
/// characters for orders.
fn line(text: &str) -> String {
    let words: Vec<_> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

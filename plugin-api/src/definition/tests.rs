use plugin_contract::Capability;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::{Prompt, Resource, ResourceTemplate, Tool};

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its shape matters")]
struct Page {
    /// Which book.
    book: String,
    page: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its shape matters")]
struct Count {
    count: u8,
}

fn plugin() -> Plugin {
    Plugin::new("docs", "1.2.3")
}

fn tool(name: &str) -> Tool {
    Tool::new(name, "Does something.", |_, (): ()| "done")
}

fn page(uri_template: &str) -> ResourceTemplate {
    ResourceTemplate::new(uri_template, "page", "text/plain", |_, _: Page| String::new())
}

fn check(plugin: Plugin, problems: &[&str]) {
    assert_eq!(plugin.manifest().unwrap_err().problems(), problems);
}

#[test]
fn a_manifest_says_what_the_definition_says() {
    let plugin = plugin()
        .title("Documents")
        .description("Finds pages.")
        .config::<Count>()
        .tool(
            tool("docs.find")
                .title("Find")
                .needs(Capability::DbRead)
                .needs(Capability::FsRead)
                .read_only(true)
                .open_world(false),
        )
        .tool(tool("docs.wipe").needs(Capability::FsRead).inline().destructive(true).idempotent(true))
        .resource(
            Resource::new("docs://index", "index", "text/plain", |_| String::new())
                .title("Index")
                .description("All pages."),
        )
        .resource_template(page("docs://{book}/{page}").title("Page").description("One page."))
        .prompt(Prompt::new("summary", "Sums a book up.", |_, _: Page| String::new()).title("Summary"));
    let nothing = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": false,
    });
    assert_eq!(
        serde_json::to_value(plugin.manifest().unwrap()).unwrap(),
        json!({
            "name": "docs",
            "title": "Documents",
            "description": "Finds pages.",
            "version": "1.2.3",
            "release": 1_002_003,
            "api": ApiVersion::CURRENT,
            "target": env!("PLUGIN_TARGET"),
            "capabilities": ["fs:read", "db:read"],
            "config_schema": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {
                    "count": {"type": "integer", "format": "uint8", "minimum": 0, "maximum": 255},
                },
                "required": ["count"],
            },
            "tools": [
                {
                    "name": "docs.find",
                    "title": "Find",
                    "description": "Does something.",
                    "input_schema": nothing,
                    "capabilities": ["fs:read", "db:read"],
                    "annotations": {"read_only": true, "open_world": false},
                },
                {
                    "name": "docs.wipe",
                    "description": "Does something.",
                    "input_schema": nothing,
                    "capabilities": ["fs:read"],
                    "inline": true,
                    "annotations": {"destructive": true, "idempotent": true},
                },
            ],
            "resources": [{
                "uri": "docs://index",
                "name": "index",
                "title": "Index",
                "description": "All pages.",
                "mime_type": "text/plain",
            }],
            "resource_templates": [{
                "uri_template": "docs://{book}/{page}",
                "name": "page",
                "title": "Page",
                "description": "One page.",
                "mime_type": "text/plain",
            }],
            "prompts": [{
                "name": "summary",
                "title": "Summary",
                "description": "Sums a book up.",
                "arguments": [
                    {"name": "book", "description": "Which book.", "required": true},
                    {"name": "page"},
                ],
            }],
        })
    );
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let plugin =
        Plugin::new("My Docs", "1.0").config::<String>().tool(Tool::new("a b", " ", |_, _: String| "done"));
    assert_eq!(
        plugin.manifest().unwrap_err().to_string(),
        "`My Docs` is no plugin name: 1 to 64 of a-z, 0-9 and `-`, beginning with a letter; \
         `1.0` is no version: write it as `major.minor.patch`, e.g. `1.0.0`; \
         the configuration is no struct with named fields; \
         tool `a b` has no description: say what it does and when to use it; \
         the input of tool `a b` is no struct with named fields; \
         `a b` is no tool name: 1 to 64 of A-Z, a-z, 0-9, `_`, `.` and `-`"
    );
}

#[test]
fn names_must_differ_also_to_clients_that_know_no_dot() {
    let index = || Resource::new("docs://index", "index", "text/plain", |_| String::new());
    let summary = || Prompt::new("summary", "", |_, (): ()| String::new());
    check(
        plugin()
            .tool(tool("docs.a.b"))
            .tool(tool("docs.a_b"))
            .tool(tool("docs.c"))
            .tool(tool("docs.c"))
            .resource(index())
            .resource(index())
            .resource_template(page("docs://{book}/{page}"))
            .resource_template(page("docs://{book}/{page}"))
            .prompt(summary())
            .prompt(summary()),
        &[
            "tool `docs.c` is defined twice: rename one",
            "tools `docs.a.b` and `docs.a_b` look alike to clients that write `_` for `.`: rename one",
            "resource `docs://index` is defined twice: rename one",
            "resource template `docs://{book}/{page}` is defined twice: rename one",
            "prompt `summary` is defined twice: rename one",
        ],
    );
}

#[test]
fn a_template_and_its_handler_agree_on_the_variables() {
    for (template, problem) in [
        (
            "docs://{book}",
            "resource template `docs://{book}` and its handler do not agree on the variables: its handler takes `book`, `page`",
        ),
        (
            "docs://{book}/{page}/{line}",
            "resource template `docs://{book}/{page}/{line}` and its handler do not agree on the variables: its handler takes `book`, `page`",
        ),
        (
            "docs://{+book}",
            "`docs://{+book}` is no URI template: use `{name}` for a path segment, each name once, with text between two of them",
        ),
        (
            "{book}/{page}",
            "`{book}/{page}` is no resource URI: `scheme://rest` in visible ASCII, at most 2048 characters",
        ),
    ] {
        check(plugin().resource_template(page(template)), &[problem]);
    }
    let empty = ResourceTemplate::new("docs://{book}", "book", "text/plain", |_, (): ()| String::new());
    check(
        plugin().resource_template(empty),
        &[
            "resource template `docs://{book}` and its handler do not agree on the variables: its handler takes none",
        ],
    );
}

#[test]
fn a_resource_with_a_variable_is_a_template() {
    check(
        plugin().resource(Resource::new("docs://{book}", "book", "text/plain", |_| String::new())),
        &["resource `docs://{book}` has a variable: make it a `ResourceTemplate`"],
    );
}

#[test]
fn prompts_and_templates_take_text_only() {
    check(
        plugin()
            .resource_template(ResourceTemplate::new("docs://{count}", "n", "text/plain", |_, _: Count| {
                String::new()
            }))
            .resource_template(ResourceTemplate::new("list://{count}", "n", "text/plain", |_, _: String| {
                String::new()
            }))
            .prompt(Prompt::new("many", "", |_, _: Count| String::new()))
            .prompt(Prompt::new("list", "", |_, _: Vec<String>| String::new())),
        &[
            "resource template `docs://{count}` takes `count`, which is no text: make it a `String` or an `Option<String>`",
            "the input of resource template `list://{count}` is no struct with named fields",
            "prompt `many` takes `count`, which is no text: make it a `String` or an `Option<String>`",
            "the input of prompt `list` is no struct with named fields",
        ],
    );
}

#[test]
fn a_release_is_made_of_the_version_unless_it_is_given() {
    for (version, given, release) in [
        ("0.1.0", None, Ok(1000)),
        ("12.34.567", None, Ok(12_034_567)),
        ("1.999.999", None, Ok(1_999_999)),
        ("1.0.0+build", None, Ok(1_000_000)),
        ("1.2.3", Some(7), Ok(7)),
        ("1.0.0-rc.1", Some(8), Ok(8)),
        ("1.0.0-rc.1", None, Err("1.0.0-rc.1")),
        ("1.1000.0", None, Err("1.1000.0")),
        ("1.0.1000", None, Err("1.0.1000")),
        ("18446744073709551615.0.0", None, Err("18446744073709551615.0.0")),
    ] {
        let mut plugin = Plugin::new("docs", version);
        if let Some(release) = given {
            plugin = plugin.release(release);
        }
        let made = plugin.manifest().map(|manifest| manifest.release);
        assert_eq!(
            made.map_err(|error| error.to_string()),
            release.map_err(|version| format!(
                "`{version}` does not say which release it is: add `.release(n)`, where n grows with every release"
            ))
        );
    }
}

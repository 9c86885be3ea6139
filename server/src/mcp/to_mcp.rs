//! What the core has, as MCP shows it.

use std::sync::Arc;

use plugin_contract::{
    manifest::{
        PromptArgumentSpec, PromptSpec, ResourceSpec, ResourceTemplateSpec, ToolAnnotations, ToolSpec,
    },
    op::{self, is_reserved},
};
use rmcp::model::{
    self, CallToolResult, CompleteResult, CompletionInfo, ContentBlock, GetPromptResult, MetaObject, Prompt,
    PromptArgument, PromptMessage, ReadResourceResult, Resource, ResourceTemplate, Tool,
};
use serde::{Serialize, de::DeserializeOwned};

/// A tool in `tools/list`.
pub(super) fn tool(spec: &ToolSpec) -> Tool {
    let mut tool =
        Tool::new(spec.name.to_string(), spec.description.clone(), Arc::new(spec.input_schema.clone()));
    tool.title.clone_from(&spec.title);
    tool.output_schema = spec.output_schema.clone().map(Arc::new);
    if spec.annotations != ToolAnnotations::default() {
        tool.annotations = Some(annotations(&spec.annotations));
    }
    (tool.icons, tool.meta) = (icons(&spec.icons), meta(spec.meta.clone()));
    tool
}

fn annotations(annotations: &ToolAnnotations) -> model::ToolAnnotations {
    model::ToolAnnotations::from_raw(
        None,
        annotations.read_only,
        annotations.destructive,
        annotations.idempotent,
        annotations.open_world,
    )
}

/// A resource in `resources/list`.
pub(super) fn resource(spec: &ResourceSpec) -> Resource {
    let mut resource = Resource::new(spec.uri.as_str(), spec.name.as_str());
    resource.title.clone_from(&spec.title);
    resource.description = filled(&spec.description);
    resource.mime_type.clone_from(&spec.mime_type);
    resource.size = spec.size;
    resource.annotations = spec.annotations.as_ref().and_then(same);
    (resource.icons, resource.meta) = (icons(&spec.icons), meta(spec.meta.clone()));
    resource
}

/// A template in `resources/templates/list`.
pub(super) fn template(spec: &ResourceTemplateSpec) -> ResourceTemplate {
    let mut template = ResourceTemplate::new(spec.uri_template.as_str(), spec.name.as_str());
    template.title.clone_from(&spec.title);
    template.description = filled(&spec.description);
    template.mime_type.clone_from(&spec.mime_type);
    template.annotations = spec.annotations.as_ref().and_then(same);
    (template.icons, template.meta) = (icons(&spec.icons), meta(spec.meta.clone()));
    template
}

/// A prompt in `prompts/list`.
pub(super) fn prompt(spec: &PromptSpec) -> Prompt {
    let arguments = spec.arguments.iter().map(argument).collect();
    let mut prompt = Prompt::new(spec.name.as_str(), filled(&spec.description), Some(arguments));
    prompt.title.clone_from(&spec.title);
    (prompt.icons, prompt.meta) = (icons(&spec.icons), meta(spec.meta.clone()));
    prompt
}

fn argument(spec: &PromptArgumentSpec) -> PromptArgument {
    let mut argument = PromptArgument::new(spec.name.as_str()).with_required(spec.required);
    argument.description = filled(&spec.description);
    argument
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn icons(icons: &[op::Icon]) -> Option<Vec<model::Icon>> {
    Some(icons.iter().filter_map(same).collect()).filter(|icons: &Vec<_>| !icons.is_empty())
}

/// Of what a plugin's manifest says, the server's own words are taken out here; of
/// its answers, the gateway has done so.
fn meta(mut meta: op::Meta) -> Option<MetaObject> {
    meta.retain(|key, _| !is_reserved(key));
    (!meta.is_empty()).then_some(MetaObject(meta))
}

/// What the contract has in MCP's own shape.
fn same<T: Serialize, M: DeserializeOwned>(value: &T) -> Option<M> {
    serde_json::to_value(value).and_then(serde_json::from_value).ok()
}

/// What a tool answered.
pub(super) fn tool_result(result: op::ToolResult) -> CallToolResult {
    let content = result.content.into_iter().map(content).collect();
    let mut shown =
        if result.is_error { CallToolResult::error(content) } else { CallToolResult::success(content) };
    shown.structured_content = result.structured;
    shown.meta = meta(result.meta);
    shown
}

/// What a resource holds.
pub(super) fn resource_contents(contents: op::ResourceContents) -> ReadResourceResult {
    let mut result = ReadResourceResult::new(contents.contents.into_iter().map(resource_content).collect());
    result.meta = meta(contents.meta);
    result
}

fn resource_content(content: op::ResourceContent) -> model::ResourceContents {
    match content {
        op::ResourceContent::Text { uri, mime_type, text, meta: its } => {
            model::ResourceContents::TextResourceContents { uri, mime_type, text, meta: meta(its) }
        }
        op::ResourceContent::Blob { uri, mime_type, blob, meta: its } => {
            model::ResourceContents::BlobResourceContents { uri, mime_type, blob, meta: meta(its) }
        }
    }
}

/// A prompt, filled in.
pub(super) fn prompt_result(prompt: op::PromptResult) -> GetPromptResult {
    let mut result = GetPromptResult::new(prompt.messages.into_iter().map(prompt_message).collect());
    result.description = prompt.description;
    result.meta = meta(prompt.meta);
    result
}

fn prompt_message(message: op::PromptMessage) -> PromptMessage {
    let role = match message.role {
        op::Role::User => model::Role::User,
        op::Role::Assistant => model::Role::Assistant,
    };
    PromptMessage::new(role, content(message.content))
}

/// What an argument might be, as much as a client takes.
pub(super) fn completion(completion: op::Completion) -> CompleteResult {
    let op::Completion { mut values, total } = completion;
    let found = u32::try_from(values.len()).unwrap_or(u32::MAX);
    values.truncate(CompletionInfo::MAX_VALUES);
    let mut info = CompletionInfo::default();
    info.has_more = Some(values.len() < total.unwrap_or(found).max(found) as usize);
    info.total = Some(total.unwrap_or(found).max(found));
    info.values = values;
    CompleteResult::new(info)
}

fn content(content: op::Content) -> ContentBlock {
    match content {
        op::Content::Text { text, annotations: None, meta } if meta.is_empty() => ContentBlock::text(text),
        // All of the contract's content has MCP's own shape, also what it grows by.
        other => same(&other).unwrap_or_else(|| {
            ContentBlock::text("a piece of this result has a form that the server cannot pass on")
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn wire(value: impl serde::Serialize) -> Value {
        serde_json::to_value(value).unwrap()
    }

    fn spec<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_tool_shows_what_its_plugin_says_and_not_what_only_the_host_needs() {
        let schema = json!({ "type": "object", "properties": { "text": { "type": "string" } } });
        for (written, shown) in [
            (
                json!({ "name": "core.echo", "description": "Says it.", "input_schema": schema }),
                json!({ "name": "core.echo", "description": "Says it.", "inputSchema": schema }),
            ),
            (
                json!({
                    "name": "core.echo", "title": "Echo", "description": "Says it.", "input_schema": schema,
                    "inline": true, "capabilities": ["llm:query"],
                    "annotations": { "read_only": true, "destructive": false, "idempotent": true, "open_world": false },
                }),
                json!({
                    "name": "core.echo", "title": "Echo", "description": "Says it.", "inputSchema": schema,
                    "annotations": {
                        "readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false,
                    },
                }),
            ),
        ] {
            assert_eq!(wire(tool(&spec(written))), shown);
        }
    }

    #[test]
    fn a_tool_shows_its_looks_and_what_it_promises_but_not_what_only_the_server_may_say() {
        let schema = json!({ "type": "object" });
        let written = json!({
            "name": "core.echo", "description": "Says it.", "input_schema": schema, "output_schema": schema,
            "icons": [{ "src": "https://example.com/a.png", "mimeType": "image/png", "sizes": ["any"], "theme": "dark" }],
            "_meta": { "anthropic/alwaysLoad": true, "mcp-universal-server/denial": 1 },
        });
        let shown = json!({
            "name": "core.echo", "description": "Says it.", "inputSchema": schema, "outputSchema": schema,
            "icons": [{ "src": "https://example.com/a.png", "mimeType": "image/png", "sizes": ["any"], "theme": "dark" }],
            "_meta": { "anthropic/alwaysLoad": true },
        });
        assert_eq!(wire(tool(&spec(written))), shown);
    }

    #[test]
    fn a_client_gets_a_hundred_completions_and_hears_how_many_there_are() {
        let numbers = |count: u32| (0..count).map(|n| n.to_string()).collect();
        for (values, total, shown, counted, more) in [
            (0, None, 0, 0, false),
            (100, None, 100, 100, false),
            (150, None, 100, 150, true),
            (3, Some(500), 3, 500, true),
            (3, Some(1), 3, 3, false),
        ] {
            let info = completion(op::Completion { values: numbers(values), total }).completion;
            assert_eq!((info.values.len(), info.total, info.has_more), (shown, Some(counted), Some(more)));
        }
    }

    #[test]
    fn resources_templates_and_prompts_leave_out_what_is_not_said() {
        let short = json!({ "uri": "demo://a", "name": "a" });
        assert_eq!(wire(resource(&spec(short.clone()))), short);
        assert_eq!(
            wire(resource(&spec(
                json!({ "uri": "demo://a", "name": "a", "title": "A", "description": "An a.", "mime_type": "text/plain" })
            ))),
            json!({ "uri": "demo://a", "name": "a", "title": "A", "description": "An a.", "mimeType": "text/plain" })
        );
        assert_eq!(
            wire(template(&spec(
                json!({ "uri_template": "demo://{a}", "name": "a", "title": "A", "description": "An a.", "mime_type": "text/plain" })
            ))),
            json!({ "uriTemplate": "demo://{a}", "name": "a", "title": "A", "description": "An a.", "mimeType": "text/plain" })
        );
        assert_eq!(
            wire(prompt(&spec(json!({
                "name": "review", "title": "Review", "description": "Reviews.",
                "arguments": [{ "name": "diff", "description": "The diff.", "required": true }, { "name": "focus" }],
            })))),
            json!({
                "name": "review", "title": "Review", "description": "Reviews.",
                "arguments": [
                    { "name": "diff", "description": "The diff.", "required": true },
                    { "name": "focus", "required": false },
                ],
            })
        );
    }

    #[test]
    fn what_plugins_answer_keeps_its_content() {
        for is_error in [false, true] {
            let shown = wire(tool_result(op::ToolResult {
                is_error,
                ..op::ToolResult::new(vec![op::Content::text("hello")])
            }));
            assert_eq!(
                shown,
                json!({ "resultType": "complete", "content": [{ "type": "text", "text": "hello" }], "isError": is_error })
            );
        }
        let contents = json!([
            { "uri": "demo://a", "mimeType": "text/plain", "text": "hello" },
            { "uri": "demo://b", "text": "" },
            { "uri": "demo://c", "mimeType": "image/png", "blob": "AQI=", "_meta": { "demo/own": 1 } },
        ]);
        let shown = wire(resource_contents(spec(json!({ "contents": contents }))));
        assert_eq!(shown["contents"], contents);
        let messages = json!([
            { "role": "user", "content": { "type": "text", "text": "hello" } },
            { "role": "assistant", "content": { "type": "text", "text": "yes?", "annotations": { "priority": 0.5 } } },
            { "role": "user", "content": { "type": "image", "data": "AQI=", "mimeType": "image/png" } },
            { "role": "user", "content": { "type": "resource_link", "uri": "demo://a", "name": "a", "size": 2 } },
        ]);
        let shown = wire(prompt_result(spec(json!({ "description": "A talk.", "messages": messages }))));
        assert_eq!((&shown["description"], &shown["messages"]), (&json!("A talk."), &messages));
    }
}

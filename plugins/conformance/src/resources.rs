//! Resources, of text and of bytes, by template, and one to watch.

use plugin_api::{Annotations, Role, prelude::*};
use serde_json::json;

use crate::contents::PNG;

pub(crate) fn add(plugin: Plugin) -> Plugin {
    plugin
        .resource(
            Resource::new("test://static-text", "static-text", "text/plain", |_| {
                "This is the content of the static text resource.".to_owned()
            })
            .title("Static Text Resource")
            .description("A static text resource for testing")
            .annotations(Annotations {
                audience: Some(vec![Role::User, Role::Assistant]),
                priority: Some(0.5),
                last_modified: Some("2026-07-28T00:00:00Z".to_owned()),
            })
            .icon("https://example.com/text.png", "48x48")
            .meta("example.com/kind", "text")
            .size(48),
        )
        .resource(
            Resource::new("test://static-binary", "static-binary", "image/png", |_| PNG.to_vec())
                .title("Static Binary Resource")
                .description("A static binary resource (image) for testing"),
        )
        .resource(
            Resource::new("test://watched-resource", "watched-resource", "text/plain", |_| {
                "Watched resource content".to_owned()
            })
            .title("Watched Resource")
            .description("A resource that changes when test_update_resource says so"),
        )
        .resource_template(
            ResourceTemplate::new("test://template/{id}/data", "template", "application/json", |_, member: Member| {
                json!({ "id": member.id, "templateTest": true, "data": format!("Data for ID: {}", member.id) })
                    .to_string()
            })
            .title("Resource Template")
            .description("A resource template with parameter substitution")
            .complete("id", |_, typed| {
                (1..=150).map(|id| id.to_string()).filter(|id| id.starts_with(typed.value)).collect::<Vec<_>>()
            }),
        )
}

#[derive(Deserialize, JsonSchema)]
struct Member {
    id: String,
}

//! What results are made of, in MCP's own shape.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::IconSource;

/// What MCP calls `_meta`: whatever two programs agree on, under keys with a
/// prefix. The server takes out what only it may say.
pub type Meta = Map<String, Value>;

/// Whether a key of `_meta` is for the protocol and the server alone to set: its
/// prefix is the server's, or has `mcp` or `modelcontextprotocol` as MCP's own do.
#[must_use]
pub fn is_reserved(key: &str) -> bool {
    key.split_once('/').is_some_and(|(prefix, _)| {
        prefix == "mcp-universal-server"
            || prefix.split('.').any(|label| label == "mcp" || label == "modelcontextprotocol")
    })
}

/// A piece of content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Content {
    /// Text for the model.
    Text {
        /// The text.
        text: String,
        /// Hints for clients.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        annotations: Option<Annotations>,
        /// For whom the keys are made.
        #[serde(rename = "_meta", default, skip_serializing_if = "Map::is_empty")]
        meta: Meta,
    },
    /// A picture.
    Image {
        /// Its bytes, in base64.
        data: String,
        /// Its media type.
        mime_type: String,
        /// Hints for clients.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        annotations: Option<Annotations>,
        /// For whom the keys are made.
        #[serde(rename = "_meta", default, skip_serializing_if = "Map::is_empty")]
        meta: Meta,
    },
    /// A recording.
    Audio {
        /// Its bytes, in base64.
        data: String,
        /// Its media type.
        mime_type: String,
        /// Hints for clients.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        annotations: Option<Annotations>,
        /// For whom the keys are made.
        #[serde(rename = "_meta", default, skip_serializing_if = "Map::is_empty")]
        meta: Meta,
    },
    /// A resource with what it holds.
    Resource {
        /// The resource.
        resource: ResourceContent,
        /// Hints for clients.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        annotations: Option<Annotations>,
        /// For whom the keys are made.
        #[serde(rename = "_meta", default, skip_serializing_if = "Map::is_empty")]
        meta: Meta,
    },
    /// A resource that the client may read if it likes.
    ResourceLink(ResourceLink),
}

impl Content {
    /// A block of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), annotations: None, meta: Meta::new() }
    }

    /// A picture, such as `image/png`.
    pub fn image(bytes: impl AsRef<[u8]>, mime_type: impl Into<String>) -> Self {
        let data = STANDARD.encode(bytes);
        Self::Image { data, mime_type: mime_type.into(), annotations: None, meta: Meta::new() }
    }

    /// A recording, such as `audio/wav`.
    pub fn audio(bytes: impl AsRef<[u8]>, mime_type: impl Into<String>) -> Self {
        let data = STANDARD.encode(bytes);
        Self::Audio { data, mime_type: mime_type.into(), annotations: None, meta: Meta::new() }
    }

    /// A resource with what it holds.
    #[must_use]
    pub fn resource(resource: ResourceContent) -> Self {
        Self::Resource { resource, annotations: None, meta: Meta::new() }
    }

    /// The same with hints for clients.
    #[must_use]
    pub fn with_annotations(mut self, hints: Annotations) -> Self {
        match &mut self {
            Self::Text { annotations, .. }
            | Self::Image { annotations, .. }
            | Self::Audio { annotations, .. }
            | Self::Resource { annotations, .. }
            | Self::ResourceLink(ResourceLink { annotations, .. }) => *annotations = Some(hints),
        }
        self
    }

    /// The same with an entry in `_meta`, under a key such as `example.com/trace`.
    #[must_use]
    pub fn with_meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.meta_mut().insert(key.into(), value.into());
        self
    }

    /// Its `_meta`.
    pub fn meta_mut(&mut self) -> &mut Meta {
        match self {
            Self::Text { meta, .. }
            | Self::Image { meta, .. }
            | Self::Audio { meta, .. }
            | Self::Resource { meta, .. }
            | Self::ResourceLink(ResourceLink { meta, .. }) => meta,
        }
    }
}

/// One piece of a resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum ResourceContent {
    /// Text.
    Text {
        /// Where it is.
        uri: String,
        /// Its media type.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mime_type: Option<String>,
        /// The text.
        text: String,
        /// For whom the keys are made.
        #[serde(rename = "_meta", default, skip_serializing_if = "Map::is_empty")]
        meta: Meta,
    },
    /// Bytes.
    Blob {
        /// Where it is.
        uri: String,
        /// Its media type.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mime_type: Option<String>,
        /// The bytes, in base64.
        blob: String,
        /// For whom the keys are made.
        #[serde(rename = "_meta", default, skip_serializing_if = "Map::is_empty")]
        meta: Meta,
    },
}

impl ResourceContent {
    /// Text of a media type such as `text/markdown`.
    pub fn text(uri: impl Into<String>, mime_type: impl Into<String>, text: impl Into<String>) -> Self {
        let mime_type = Some(mime_type.into());
        Self::Text { uri: uri.into(), mime_type, text: text.into(), meta: Meta::new() }
    }

    /// Bytes of a media type such as `image/png`.
    pub fn blob(uri: impl Into<String>, mime_type: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        let (mime_type, blob) = (Some(mime_type.into()), STANDARD.encode(bytes));
        Self::Blob { uri: uri.into(), mime_type, blob, meta: Meta::new() }
    }

    /// Its `_meta`.
    pub fn meta_mut(&mut self) -> &mut Meta {
        match self {
            Self::Text { meta, .. } | Self::Blob { meta, .. } => meta,
        }
    }
}

/// A resource that is only pointed at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceLink {
    /// Where it is.
    pub uri: String,
    /// Short, for programs.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What is to be found there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Pictures for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Icon>,
    /// Hints for clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
    /// For whom the keys are made.
    #[serde(rename = "_meta", default, skip_serializing_if = "Map::is_empty")]
    pub meta: Meta,
}

/// Hints on what content or a resource is good for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Annotations {
    /// For whom it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Vec<Role>>,
    /// From 0, entirely optional, to 1, required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<f32>,
    /// When it was changed last, as in `2026-07-28T12:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// Who speaks or listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// A picture that stands for a tool, a resource or a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Icon {
    /// Where it is; clients load it from there.
    pub src: IconSource,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Such as `48x48`, or `any` for what scales.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sizes: Option<Vec<String>>,
    /// The background it is made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theme: Option<IconTheme>,
}

/// What an icon is made to be seen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IconTheme {
    /// A light background.
    Light,
    /// A dark one.
    Dark,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_only_the_server_may_say_is_known_by_its_prefix() {
        for (key, reserved) in [
            ("mcp-universal-server/denial", true),
            ("io.modelcontextprotocol/serverInfo", true),
            ("com.mcp.tools/x", true),
            ("example.com/mcp", false),
            ("anthropic/alwaysLoad", false),
            ("progress", false),
        ] {
            assert_eq!(is_reserved(key), reserved, "{key}");
        }
    }

    #[test]
    fn every_kind_of_content_has_the_shape_that_mcp_gives_it() {
        let link =
            ResourceLink { uri: "docs://a".to_owned(), name: "a".to_owned(), ..ResourceLink::default() };
        for (content, shape) in [
            (Content::text("hello"), json!({ "type": "text", "text": "hello" })),
            (
                Content::image([1, 2], "image/png"),
                json!({ "type": "image", "data": "AQI=", "mimeType": "image/png" }),
            ),
            (
                Content::audio([3], "audio/wav"),
                json!({ "type": "audio", "data": "Aw==", "mimeType": "audio/wav" }),
            ),
            (
                Content::resource(ResourceContent::text("docs://a", "text/plain", "x")),
                json!({ "type": "resource", "resource": { "uri": "docs://a", "mimeType": "text/plain", "text": "x" } }),
            ),
            (
                Content::resource(ResourceContent::blob("docs://a", "image/png", [1, 2])),
                json!({ "type": "resource", "resource": { "uri": "docs://a", "mimeType": "image/png", "blob": "AQI=" } }),
            ),
            (Content::ResourceLink(link), json!({ "type": "resource_link", "uri": "docs://a", "name": "a" })),
            (
                Content::text("x")
                    .with_annotations(Annotations {
                        audience: Some(vec![Role::User]),
                        priority: Some(0.5),
                        last_modified: None,
                    })
                    .with_meta("example.com/a", 1),
                json!({ "type": "text", "text": "x", "annotations": { "audience": ["user"], "priority": 0.5 }, "_meta": { "example.com/a": 1 } }),
            ),
        ] {
            assert_eq!(serde_json::to_value(&content).unwrap(), shape);
            assert_eq!(serde_json::from_value::<Content>(shape).unwrap(), content);
        }
    }
}

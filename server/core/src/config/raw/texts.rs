//! Lists of texts.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A list of texts that remembers which item each was. Items that are no text
/// are left out: by the time this is read, they have been reported.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct Texts(Vec<(usize, String)>);

impl Texts {
    pub(in crate::config) fn iter(&self) -> impl Iterator<Item = (usize, &str)> {
        self.0.iter().map(|(index, text)| (*index, text.as_str()))
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items = Vec::<Value>::deserialize(deserializer)?.into_iter().enumerate();
        let texts = items.filter_map(|(index, item)| match item {
            Value::String(text) => Some((index, text)),
            _ => None,
        });
        Ok(Self(texts.collect()))
    }
}

impl JsonSchema for Texts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": { "type": "string" } })
    }
}

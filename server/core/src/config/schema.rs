//! The JSON Schema of the configuration: for editors, and for us to check and
//! to explain against.

use std::sync::LazyLock;

use jsonschema::Validator;
use schemars::{Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::{Map, Value};

use super::{
    place::{Place, Step},
    raw::RawConfig,
};

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let mut settings = SchemaSettings::draft07().with_transform(RecursiveTransform(for_editors));
    // So that a place in a configuration leads straight to its schema.
    settings.inline_subschemas = true;
    settings.into_generator().into_root_schema_for::<RawConfig>().to_value()
});

static VALIDATOR: LazyLock<Option<Validator>> = LazyLock::new(|| jsonschema::draft7::new(&SCHEMA).ok());

/// The JSON Schema (draft 7) of `config.yaml`. `writeOnly` marks the values
/// that are never shown.
#[must_use]
pub fn schema() -> Value {
    SCHEMA.clone()
}

/// The compiled schema. There always is one: a test sees to that.
pub(super) fn validator() -> Option<&'static Validator> {
    VALIDATOR.as_ref()
}

/// Leaves out what is Rust's affair, and null: `key:` without a value is more
/// often an accident, or a file cut short, than a wish for the default.
fn for_editors(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.get("default") == Some(&Value::Null) {
        object.remove("default");
    }
    // Names of Rust's integers, which editors do not know.
    object.remove("format");
    // Editors take a line break for the end of a paragraph.
    if let Some(Value::String(description)) = object.get_mut("description") {
        let paragraphs: Vec<String> = description.split("\n\n").map(|text| text.replace('\n', " ")).collect();
        *description = paragraphs.join("\n\n");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(options)) = object.get_mut("enum") {
        options.retain(|option| !option.is_null());
    }
}

/// A part of the schema.
#[derive(Clone, Copy)]
pub(super) struct Known(&'static Map<String, Value>);

impl Known {
    /// The whole.
    pub(super) fn root() -> Option<Self> {
        SCHEMA.as_object().map(Self)
    }

    /// The part for a place, if the schema knows it.
    pub(super) fn at(place: &Place) -> Option<Self> {
        place.steps().into_iter().try_fold(Self::root()?, |known, step| match step {
            Step::Key(key) => known.key(key),
            Step::Item(_) => known.item(),
        })
    }

    /// The part for the value of a key.
    pub(super) fn key(self, key: &str) -> Option<Self> {
        let named = self.properties().and_then(|properties| properties.get(key));
        named.or_else(|| self.0.get("additionalProperties"))?.as_object().map(Self)
    }

    /// The part for the items of a list.
    pub(super) fn item(self) -> Option<Self> {
        self.0.get("items")?.as_object().map(Self)
    }

    /// The keys that are allowed, where not any name is.
    pub(super) fn keys(self) -> impl Iterator<Item = &'static str> {
        self.properties().into_iter().flat_map(|properties| properties.keys().map(String::as_str))
    }

    /// Whether a key is among [`Self::keys`].
    pub(super) fn has(self, key: &str) -> bool {
        self.properties().is_some_and(|properties| properties.contains_key(key))
    }

    /// What is expected, in words.
    pub(super) fn describe(self) -> &'static str {
        match self.0.get("type").and_then(Value::as_str) {
            Some("object") => "a mapping",
            Some("array") => "a list",
            Some("integer") => "a whole number",
            Some("boolean") => "`true` or `false`",
            Some("number") => "a number",
            _ => "text",
        }
    }

    pub(super) fn expects(self, name: &str) -> bool {
        self.0.get("type").and_then(Value::as_str) == Some(name)
    }

    /// Whether neither a mapping nor a list is expected.
    pub(super) fn is_scalar(self) -> bool {
        !self.expects("object") && !self.expects("array")
    }

    /// Whether the value may be secret.
    pub(super) fn is_secret(self) -> bool {
        self.0.get("writeOnly") == Some(&Value::Bool(true))
    }

    /// An example of the value, as YAML on one line.
    pub(super) fn example(self) -> Option<String> {
        self.0.get("examples")?.get(0).map(flow)
    }

    /// Where in the schema a key is allowed: `agents.NAME`, say. The root is
    /// left out.
    pub(super) fn homes(key: &str) -> Vec<String> {
        let mut homes = Vec::new();
        if let Some(root) = Self::root() {
            root.collect_homes(key, "", &mut homes);
        }
        homes
    }

    fn collect_homes(self, key: &str, path: &str, homes: &mut Vec<String>) {
        if !path.is_empty() && self.has(key) {
            homes.push(path.to_owned());
        }
        let named = self.keys().filter_map(|name| Some((name, self.key(name)?)));
        let any =
            self.0.get("additionalProperties").and_then(Value::as_object).map(|any| ("NAME", Self(any)));
        for (name, known) in named.chain(any) {
            let dot = if path.is_empty() { "" } else { "." };
            known.collect_homes(key, &format!("{path}{dot}{name}"), homes);
        }
    }

    fn properties(self) -> Option<&'static Map<String, Value>> {
        self.0.get("properties")?.as_object()
    }
}

fn flow(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| format!("{key}: {}", flow(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// Every key that the schema knows, wherever.
pub(super) static KEYS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    fn collect(value: &'static Value, keys: &mut Vec<&'static str>) {
        let Some(object) = value.as_object() else { return };
        for (name, child) in object {
            if name == "properties" {
                keys.extend(child.as_object().into_iter().flat_map(|map| map.keys().map(String::as_str)));
            }
            collect(child, keys);
        }
    }
    let mut keys = Vec::new();
    collect(&SCHEMA, &mut keys);
    keys.sort_unstable();
    keys.dedup();
    keys
});

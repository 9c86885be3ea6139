//! What handlers take, as their types say.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{
    Deserializer,
    de::{DeserializeOwned, Visitor, value::Error},
    forward_to_deserialize_any,
};
use serde_json::{Map, Value};

use crate::CallError;

/// What a handler may take: a struct with named fields that derives
/// `Deserialize` and `JsonSchema`, or `()` for nothing.
pub trait Input: DeserializeOwned + JsonSchema + 'static {}

impl<T: DeserializeOwned + JsonSchema + 'static> Input for T {}

/// One field of an input whose fields are all text.
pub(crate) struct TextField {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) required: bool,
    /// Whether it is text indeed.
    pub(crate) is_text: bool,
}

/// The JSON Schema 2020-12 of an input, without references to elsewhere. `None`
/// if it is no object.
pub(crate) fn schema<I: Input>() -> Option<Map<String, Value>> {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut schema = settings.into_generator().into_root_schema_for::<I>();
    let schema = schema.as_object_mut()?;
    if takes_nothing::<I>() {
        schema.insert("type".to_owned(), "object".into());
        schema.insert("additionalProperties".to_owned(), false.into());
    }
    // The name of the Rust type.
    schema.remove("title");
    (schema.get("type")? == "object").then(|| std::mem::take(schema))
}

/// The JSON Schema 2020-12 of an output, likewise.
pub(crate) fn output_schema<O: JsonSchema>() -> Option<Map<String, Value>> {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.inline_subschemas = true;
    let mut schema = settings.into_generator().into_root_schema_for::<O>();
    let schema = schema.as_object_mut()?;
    schema.remove("title");
    (schema.get("type")? == "object").then(|| std::mem::take(schema))
}

/// Whether the type is `()`, or a struct without fields and braces.
fn takes_nothing<I: Input>() -> bool {
    let schema = schemars::generate::SchemaGenerator::default().into_root_schema_for::<I>();
    schema.get("type").is_some_and(|kind| kind == "null")
}

/// A reader of arguments, which are checked against the schema already.
pub(crate) fn reader<I: Input>() -> impl Fn(Map<String, Value>) -> Result<I, CallError> {
    let nothing = takes_nothing::<I>();
    move |arguments| {
        if nothing && !arguments.is_empty() {
            return Err(CallError::invalid_input("there are no arguments to give"));
        }
        let value = if nothing { Value::Null } else { Value::Object(arguments) };
        serde_json::from_value(value).map_err(|error| CallError::invalid_input(error.to_string()))
    }
}

/// The fields of an input, in the order they are declared in.
pub(crate) fn text_fields<I: Input>() -> Option<Vec<TextField>> {
    let schema = schema::<I>()?;
    let required = schema.get("required").and_then(Value::as_array);
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut fields: Vec<TextField> = properties
        .into_iter()
        .flatten()
        .map(|(name, field)| TextField {
            name: name.clone(),
            description: field.get("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
            required: required.is_some_and(|required| required.iter().any(|other| other == name)),
            is_text: is_text(field),
        })
        .collect();
    let order = declared_fields::<I>();
    fields.sort_by_key(|field| order.iter().position(|name| *name == field.name));
    Some(fields)
}

fn is_text(schema: &Value) -> bool {
    let text_or_null = |kind: &Value| kind == "string" || kind == "null";
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().all(text_or_null),
        Some(kind) => text_or_null(kind),
        None => ["anyOf", "oneOf"]
            .iter()
            .find_map(|key| schema.get(key)?.as_array())
            .is_some_and(|options| options.iter().all(is_text)),
    }
}

/// The names of a struct's fields as its source has them, which a schema loses:
/// clients ask for a prompt's arguments in this order.
fn declared_fields<I: Input>() -> Vec<&'static str> {
    let mut fields = Vec::new();
    // Always an error: it only listens to what the type asks for.
    let _ = I::deserialize(FieldNames(&mut fields));
    fields
}

struct FieldNames<'a>(&'a mut Vec<&'static str>);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(fields);
        Err(serde::de::Error::custom("no value"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(serde::de::Error::custom("no value"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        option unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier
        ignored_any
    }
}

#[cfg(test)]
mod tests {
    use plugin_contract::op::ErrorCode;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Search {
        /// What to look for.
        query: String,
        page: Option<u8>,
        order: Order,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Order {
        Date,
        Title,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Texts {
        /// The first.
        zebra: String,
        /// The second.
        apple: Option<Order>,
        #[serde(default)]
        mango: String,
        count: Option<u8>,
    }

    #[test]
    fn a_schema_is_an_object_that_stands_alone() {
        assert_eq!(
            Value::from(schema::<Search>().unwrap()),
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {
                    "query": {"type": "string", "description": "What to look for."},
                    "page": {"type": ["integer", "null"], "format": "uint8", "minimum": 0, "maximum": 255},
                    "order": {"type": "string", "enum": ["date", "title"]},
                },
                "required": ["query", "order"],
                "additionalProperties": false,
            })
        );
    }

    #[test]
    fn an_input_of_nothing_is_an_empty_object() {
        assert_eq!(
            Value::from(schema::<()>().unwrap()),
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "additionalProperties": false,
            })
        );
        assert_eq!(reader::<()>()(Map::new()), Ok(()));
    }

    #[test]
    fn what_is_no_object_has_no_schema() {
        assert_eq!(schema::<String>(), None);
        assert_eq!(schema::<Vec<Search>>(), None);
        assert_eq!(schema::<Order>(), None);
    }

    #[test]
    fn arguments_that_do_not_fit_are_an_error_to_read() {
        for (arguments, message) in [
            (json!({"order": "date"}), "missing field `query`"),
            (json!({"query": "a", "order": "size"}), "unknown variant `size`, expected `date` or `title`"),
            (
                json!({"query": "a", "order": "date", "colour": 1}),
                "unknown field `colour`, expected one of `query`, `page`, `order`",
            ),
        ] {
            let arguments = arguments.as_object().unwrap().clone();
            let error = reader::<Search>()(arguments).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidInput);
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn text_fields_keep_the_order_of_their_declaration() {
        let fields: Vec<_> = text_fields::<Texts>()
            .unwrap()
            .into_iter()
            .map(|field| (field.name, field.description, field.required, field.is_text))
            .collect();
        let expected = [
            ("zebra", "The first.", true, true),
            ("apple", "The second.", false, true),
            ("mango", "", false, true),
            ("count", "", false, false),
        ];
        assert_eq!(
            fields,
            expected.map(|(name, description, required, is_text)| (
                name.to_owned(),
                description.to_owned(),
                required,
                is_text
            ))
        );
    }
}

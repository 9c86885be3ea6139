//! Resources, at fixed URIs and by template.

use std::collections::BTreeMap;

use plugin_contract::op::{Annotations, Meta, ResourceContent, ResourceContents};
use serde_json::{Map, Value};

use crate::{
    Call, CallError, Completing, Input, IntoCompletion,
    completion::{Completer, completer},
    input::{self, TextField},
    looks::{Looks, looks},
};

/// A resource at a fixed URI.
pub struct Resource {
    pub(crate) uri: String,
    pub(crate) about: About,
    pub(crate) size: Option<u64>,
    pub(crate) looks: Looks,
    pub(crate) run: Run,
}

/// Resources whose URIs share a template such as `docs://{book}/{page}`.
///
/// Only simple expansion is known: `{name}` stands for one or more characters
/// other than `/`, and there must be text between two variables. The handler gets
/// the values decoded, so `%2F` arrives as `/`: look at a value before you make a
/// path of it.
pub struct ResourceTemplate {
    pub(crate) uri_template: String,
    pub(crate) about: About,
    pub(crate) completers: BTreeMap<String, Completer>,
    pub(crate) looks: Looks,
    /// `None` if the handler takes no struct.
    pub(crate) variables: Option<Vec<TextField>>,
    pub(crate) run: RunTemplate,
}

pub(crate) type Run = Box<dyn Fn(&Call, &str) -> Result<ResourceContents, CallError> + Send + Sync>;
pub(crate) type RunTemplate =
    Box<dyn Fn(&Call, &str, &[(&str, &str)]) -> Result<ResourceContents, CallError> + Send + Sync>;

/// What both kinds say of themselves.
pub(crate) struct About {
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    pub(crate) description: String,
    pub(crate) mime_type: Option<String>,
    pub(crate) annotations: Option<Annotations>,
}

/// What a resource's handler may answer.
pub trait IntoResourceContents {
    /// What the client reads at `uri`. `mime_type` is what the resource declares.
    fn into_resource_contents(
        self,
        uri: &str,
        mime_type: Option<&str>,
    ) -> Result<ResourceContents, CallError>;
}

macro_rules! about {
    ($kind:ident) => {
        impl $kind {
            /// A name for people.
            #[must_use]
            pub fn title(mut self, title: impl Into<String>) -> Self {
                self.about.title = Some(title.into());
                self
            }

            /// What is to be found there.
            #[must_use]
            pub fn description(mut self, description: impl Into<String>) -> Self {
                self.about.description = description.into();
                self
            }

            /// Hints for clients.
            #[must_use]
            pub fn annotations(mut self, annotations: Annotations) -> Self {
                self.about.annotations = Some(annotations);
                self
            }
        }
    };
}

about!(Resource);
about!(ResourceTemplate);
looks!(Resource);
looks!(ResourceTemplate);

impl Resource {
    /// A resource of the given media type that `handler` reads. The name is
    /// short, for programs.
    pub fn new<R: IntoResourceContents>(
        uri: impl Into<String>,
        name: impl Into<String>,
        mime_type: impl Into<String>,
        handler: impl Fn(&Call) -> R + Send + Sync + 'static,
    ) -> Self {
        let mime_type = mime_type.into();
        Self {
            uri: uri.into(),
            about: About::new(name.into(), &mime_type),
            size: None,
            looks: Looks::default(),
            run: Box::new(move |call, uri| handler(call).into_resource_contents(uri, Some(&mime_type))),
        }
    }

    /// How many bytes it has, if that does not change.
    #[must_use]
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = Some(bytes);
        self
    }
}

impl ResourceTemplate {
    /// Resources of the given media type that `handler` reads. The fields of its
    /// input are the template's variables, all text. The name is short, for
    /// programs.
    pub fn new<I: Input, R: IntoResourceContents>(
        uri_template: impl Into<String>,
        name: impl Into<String>,
        mime_type: impl Into<String>,
        handler: impl Fn(&Call, I) -> R + Send + Sync + 'static,
    ) -> Self {
        let mime_type = mime_type.into();
        let read = input::reader::<I>();
        Self {
            uri_template: uri_template.into(),
            about: About::new(name.into(), &mime_type),
            completers: BTreeMap::new(),
            looks: Looks::default(),
            variables: input::text_fields::<I>(),
            run: Box::new(move |call, uri, values| {
                let values: Result<Map<_, _>, CallError> = values
                    .iter()
                    .map(|(name, value)| Ok(((*name).to_owned(), Value::String(decode(value)?))))
                    .collect();
                handler(call, read(values?)?).into_resource_contents(uri, Some(&mime_type))
            }),
        }
    }

    /// Helps a person who types the variable.
    #[must_use]
    pub fn complete<R: IntoCompletion>(
        mut self,
        variable: impl Into<String>,
        answer: impl Fn(&Call, Completing<'_>) -> R + Send + Sync + 'static,
    ) -> Self {
        self.completers.insert(variable.into(), completer(answer));
        self
    }
}

impl About {
    fn new(name: String, mime_type: &str) -> Self {
        let mime_type = Some(mime_type.to_owned());
        Self { name, title: None, description: String::new(), mime_type, annotations: None }
    }
}

impl IntoResourceContents for ResourceContents {
    fn into_resource_contents(self, _: &str, _: Option<&str>) -> Result<ResourceContents, CallError> {
        Ok(self)
    }
}

impl IntoResourceContents for String {
    fn into_resource_contents(
        self,
        uri: &str,
        mime_type: Option<&str>,
    ) -> Result<ResourceContents, CallError> {
        let (uri, mime_type) = (uri.to_owned(), mime_type.map(str::to_owned));
        ResourceContent::Text { uri, mime_type, text: self, meta: Meta::new() }
            .into_resource_contents("", None)
    }
}

/// What is no text.
impl IntoResourceContents for Vec<u8> {
    fn into_resource_contents(
        self,
        uri: &str,
        mime_type: Option<&str>,
    ) -> Result<ResourceContents, CallError> {
        let mime_type = mime_type.unwrap_or("application/octet-stream");
        ResourceContent::blob(uri, mime_type, self).into_resource_contents(uri, None)
    }
}

impl IntoResourceContents for ResourceContent {
    fn into_resource_contents(self, _: &str, _: Option<&str>) -> Result<ResourceContents, CallError> {
        Ok(ResourceContents { contents: vec![self], meta: Meta::new() })
    }
}

impl<T: IntoResourceContents> IntoResourceContents for Result<T, CallError> {
    fn into_resource_contents(
        self,
        uri: &str,
        mime_type: Option<&str>,
    ) -> Result<ResourceContents, CallError> {
        self?.into_resource_contents(uri, mime_type)
    }
}

/// Undoes percent-encoding.
fn decode(value: &str) -> Result<String, CallError> {
    let invalid = || CallError::invalid_input(format!("`{value}` is not percent-encoded UTF-8"));
    let (first, escapes) = value.split_once('%').map_or((value, None), |(first, rest)| (first, Some(rest)));
    let mut bytes = first.as_bytes().to_vec();
    for escape in escapes.into_iter().flat_map(|escapes| escapes.split('%')) {
        let (digits, text) = escape.split_at_checked(2).ok_or_else(invalid)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| invalid())?);
        bytes.extend_from_slice(text.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded() {
        for (value, text) in [
            ("plain", "plain"),
            ("a%20b", "a b"),
            ("%2Fetc%2fpasswd", "/etc/passwd"),
            ("%C3%A4%25", "ä%"),
            ("ä", "ä"),
        ] {
            assert_eq!(decode(value), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_invalid_input() {
        for value in ["%", "%2", "a%zz", "%+f", "%FF", "%ä"] {
            let error = decode(value).unwrap_err();
            assert_eq!(error, CallError::invalid_input(format!("`{value}` is not percent-encoded UTF-8")));
        }
    }
}

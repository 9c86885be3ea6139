//! Names that are valid by construction.

/// A name that breaks its rule. The message quotes the name and says the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no {kind}: {rule}")]
pub struct InvalidName {
    kind: &'static str,
    name: String,
    rule: &'static str,
}

impl InvalidName {
    /// A `name` that is no `kind`, because of the `rule`.
    #[must_use]
    pub fn new(kind: &'static str, name: &str, rule: &'static str) -> Self {
        Self { kind, name: name.to_owned(), rule }
    }
}

/// Makes a type of names: its documentation, its kind in words, what makes a text
/// valid, and that rule in words.
#[macro_export]
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $valid:expr, $rule:expr) => {
        $(#[$doc])*
        #[derive(
            Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize,
        )]
        #[serde(try_from = "String", into = "String")]
        // Calls, permits, records and configurations pass it on and on.
        pub struct $name(::std::sync::Arc<str>);

        impl $name {
            /// The name as written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::InvalidName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err($crate::InvalidName::new($kind, text, $rule))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::InvalidName;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl ::std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// A plugin's name: also its folder's, so it must be a plain file name.
    PluginName,
    "plugin name",
    |text| (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
    "1 to 64 of a-z, 0-9 and `-`, beginning with a letter"
);

name!(
    /// A tool's name as MCP clients see it, e.g. `core.echo`. The rule is MCP's
    /// (SEP-986), with the shorter length that common clients accept.
    ToolName,
    "tool name",
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)),
    "1 to 64 of A-Z, a-z, 0-9, `_`, `.` and `-`"
);

impl ToolName {
    /// The name as clients show it to a model that knows no `.`: every character
    /// outside `[A-Za-z0-9_-]` becomes `_`. Two tools that share it cannot both
    /// be offered, since such a client drops one of them silently.
    #[must_use]
    pub fn client_form(&self) -> String {
        self.0.replace('.', "_")
    }
}

name!(
    /// A prompt's name, e.g. `review_pr`.
    PromptName,
    "prompt name",
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)),
    "1 to 64 of A-Z, a-z, 0-9, `_`, `.` and `-`"
);

name!(
    /// A resource's URI or URI template, e.g. `about://server`.
    ResourceUri,
    "resource URI",
    |text| text.len() <= 2048
        && text.bytes().all(|b| b.is_ascii_graphic())
        && text.split_once("://").is_some_and(|(scheme, rest)| {
            !rest.is_empty()
                && scheme.starts_with(|c: char| c.is_ascii_lowercase())
                && scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+.-".contains(&b))
        }),
    "`scheme://rest` in visible ASCII, at most 2048 characters"
);

name!(
    /// Where an icon is. Clients load it by themselves, so it is on the web or
    /// comes along, and is on no other host of the network that they are in.
    IconSource,
    "icon source",
    |text| text.bytes().all(|b| b.is_ascii_graphic())
        && match text.strip_prefix("https://") {
            Some(rest) => !rest.is_empty() && text.len() <= 2048,
            None => text.starts_with("data:image/") && text.len() <= 32_768,
        },
    "an `https://` URL of at most 2048 characters, or a `data:image/` URL of at most 32768"
);

//! Why a plugin is refused, before it is known where.

use std::path::Path;

use plugin_contract::{
    PluginName,
    op::{ErrorCode, OpError},
};
use server_core::registry::Refusal;

/// The longest text from elsewhere that a message quotes.
const MAX_QUOTE: usize = 300;

/// A [`Refusal`] without its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    code: &'static str,
    message: String,
    help: String,
}

impl Fault {
    pub(crate) fn new(code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: help.into() }
    }

    /// Code, message and help.
    pub(crate) fn into_parts(self) -> (&'static str, String, String) {
        (self.code, self.message, self.help)
    }

    /// The refusal of what lies at `place`.
    pub(crate) fn at(self, place: &Path) -> Refusal {
        Refusal { place: place.to_owned(), code: self.code, message: self.message, help: self.help }
    }
}

/// What a plugin says went wrong in a call.
pub(crate) fn error_of(plugin: &PluginName, bytes: &[u8]) -> OpError {
    serde_json::from_slice(bytes).unwrap_or_else(|_| {
        let message = format!("plugin `{plugin}` failed and did not say why");
        OpError::new(ErrorCode::Failed, message)
    })
}

/// Text from a library, a file or the system, as a part of one line: no control
/// characters, and not endless.
pub(crate) fn quote(text: &str) -> String {
    let mut words = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if !word.is_empty() && !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
        if words.len() > MAX_QUOTE {
            let end = words.floor_char_boundary(MAX_QUOTE);
            words.truncate(end);
            words.push('…');
            break;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_one_line_of_bounded_length() {
        for (text, quoted) in [
            ("plain", "plain".to_owned()),
            ("\n  two\n\tlines \u{1b}[31m\n", "two lines [31m".to_owned()),
            (&"ä".repeat(400), format!("{}…", "ä".repeat(150))),
        ] {
            assert_eq!(quote(text), quoted);
        }
    }
}

//! Text that is to leave for a language model.

use std::{borrow::Cow, collections::BTreeSet};

use super::Redactor;

/// What becomes of a prompt in which there is something to redact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PromptFilter {
    /// It is sent as it is.
    #[default]
    Off,
    /// It is sent without that.
    Redact,
    /// It is not sent.
    Deny,
}

/// A prompt that is not sent. It says by which rules, never what they found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the prompt holds what must not leave: {}", rules.iter().map(|rule| format!("`{rule}`")).collect::<Vec<_>>().join(", "))]
pub struct PromptDenied {
    /// The rules' names, each once.
    pub rules: BTreeSet<String>,
}

impl Redactor {
    /// What may be sent of a prompt.
    ///
    /// # Errors
    ///
    /// If none of it may.
    pub fn prompt<'t>(&self, filter: PromptFilter, text: &'t str) -> Result<Cow<'t, str>, PromptDenied> {
        match filter {
            PromptFilter::Off => Ok(Cow::Borrowed(text)),
            PromptFilter::Redact => Ok(self.text(text)),
            PromptFilter::Deny => {
                let rules: BTreeSet<_> = self.findings(text).iter().map(|it| it.rule.to_owned()).collect();
                if rules.is_empty() { Ok(Cow::Borrowed(text)) } else { Err(PromptDenied { rules }) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_sent_without_what_is_secret_or_not_at_all() {
        let redactor = Redactor::default();
        let text = "call +48 600 700 800 or write to jan@example.com or ewa@example.com";
        let sent =
            |filter| redactor.prompt(filter, text).map(Cow::into_owned).map_err(|denied| denied.to_string());
        assert_eq!(sent(PromptFilter::Off), Ok(text.to_owned()));
        assert_eq!(
            sent(PromptFilter::Redact),
            Ok("call [REDACTED:phone] or write to [REDACTED:email] or [REDACTED:email]".to_owned())
        );
        assert_eq!(
            sent(PromptFilter::Deny),
            Err("the prompt holds what must not leave: `email`, `phone`".to_owned())
        );
        let harmless = redactor.prompt(PromptFilter::Deny, "what is the weather like?");
        assert!(matches!(harmless, Ok(Cow::Borrowed("what is the weather like?"))));
    }
}

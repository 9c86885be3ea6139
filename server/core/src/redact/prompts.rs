//! Text that is to leave for a language model.

use std::{borrow::Cow, collections::BTreeSet};

use plugin_contract::op::LlmQuery;

use super::Redactor;
use crate::llm::reason::LlmReason;

/// What becomes of a prompt in which there is something to redact. A later one is
/// stricter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PromptFilter {
    /// It is sent as it is.
    #[default]
    Off,
    /// It is sent without that.
    Redact,
    /// It is not sent.
    Deny,
}

impl PromptFilter {
    /// The name used in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Redact => "redact",
            Self::Deny => "deny",
        }
    }
}

impl Redactor {
    /// What may be sent of a query: its prompt and its instructions are looked
    /// through.
    ///
    /// # Errors
    ///
    /// If none of it may. The reason has the rules that found something, never what
    /// they found.
    pub fn prompt<'q>(
        &self,
        filter: PromptFilter,
        query: &'q LlmQuery,
    ) -> Result<Cow<'q, LlmQuery>, LlmReason> {
        let texts = || [Some(&query.prompt), query.system.as_ref()].into_iter().flatten();
        match filter {
            PromptFilter::Off => Ok(Cow::Borrowed(query)),
            PromptFilter::Redact => {
                let redacted = |text: &String| self.text(text).into_owned();
                let (prompt, system) = (redacted(&query.prompt), query.system.as_ref().map(redacted));
                Ok(Cow::Owned(LlmQuery { prompt, system, ..query.clone() }))
            }
            PromptFilter::Deny => {
                let rules: BTreeSet<_> =
                    texts().flat_map(|text| self.findings(text)).map(|it| it.rule.to_owned()).collect();
                if rules.is_empty() {
                    Ok(Cow::Borrowed(query))
                } else {
                    Err(LlmReason::SensitivePrompt { rules })
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(prompt: &str, system: Option<&str>) -> LlmQuery {
        let (prompt, system) = (prompt.to_owned(), system.map(str::to_owned));
        serde_json::from_value(serde_json::json!({ "model": "m", "prompt": prompt, "system": system }))
            .unwrap()
    }

    #[test]
    fn a_prompt_is_sent_without_what_is_secret_or_not_at_all() {
        let redactor = Redactor::default();
        let query = query("call +48 600 700 800 or write to jan@example.com", Some("ask ewa@example.com"));
        let sent = |filter| {
            redactor.prompt(filter, &query).map(Cow::into_owned).map_err(|reason| reason.to_string())
        };
        assert_eq!(sent(PromptFilter::Off), Ok(query.clone()));
        let redacted = sent(PromptFilter::Redact).unwrap();
        assert_eq!(redacted.prompt, "call [REDACTED:phone] or write to [REDACTED:email]");
        assert_eq!(redacted.system.as_deref(), Some("ask [REDACTED:email]"));
        assert_eq!(
            sent(PromptFilter::Deny),
            Err("the prompt holds what must not go to a model: `email`, `phone`".to_owned())
        );
    }

    #[test]
    fn instructions_are_looked_through_as_the_prompt_is() {
        let redactor = Redactor::default();
        for (prompt, system, passes) in [
            ("what is the weather like?", None, true),
            ("what is the weather like?", Some("be short"), true),
            ("what is the weather like?", Some("ask ewa@example.com"), false),
            ("ask ewa@example.com", Some("be short"), false),
        ] {
            let query = query(prompt, system);
            assert_eq!(redactor.prompt(PromptFilter::Deny, &query).is_ok(), passes, "{query:?}");
        }
    }
}

//! `redaction` and `filters`: what is taken out of what is written and answered.

use std::sync::Arc;

use regex::Regex;

use super::{Compiler, Place};
use crate::{
    config::{
        mask::quoted,
        raw::{RawFilters, RawPromptFilter, RawRedaction, RawResultFilter, Texts},
        suggest::closest,
    },
    redact::{self, InvalidPattern, KNOWN_SECRET, PromptFilter, RuleSettings, Rules},
    settings::Filters,
};

impl Compiler<'_> {
    /// The rules, without those that are wrong.
    pub(super) fn redaction(&mut self, place: &Place, raw: &RawRedaction) -> Arc<Rules> {
        let mut settings = RuleSettings::default();
        for (name, text) in &raw.patterns {
            let place = place.key("patterns").key(name.clone());
            if redact::rule_names().chain([KNOWN_SECRET]).any(|rule| rule == name) {
                let message = format!("`{name}` is a rule of the server's own");
                let help = "choose another name, or turn that one off with `redaction.off`".to_owned();
                self.report.key_error(&place, "duplicate_rule", message, Some(help));
            } else if self.is_good(&place, text, redact::pattern(text)) {
                settings.patterns.insert(name.clone(), text.to_owned());
            }
        }
        for (item, text) in raw.allow.iter().flat_map(Texts::iter) {
            if self.is_good(&place.key("allow").item(item), text, redact::allowed(text)) {
                settings.allow.push(text.to_owned());
            }
        }
        for (item, rule) in raw.off.iter().flat_map(Texts::iter) {
            if self.is_rule(&place.key("off").item(item), rule, raw) {
                settings.off.push(rule.to_owned());
            }
        }
        settings.names = raw.names.iter().flat_map(Texts::iter).map(|(_, name)| name.to_owned()).collect();
        // Every pattern has just been tried.
        Arc::new(Rules::new(settings).unwrap_or_default())
    }

    fn is_good(&mut self, place: &Place, text: &str, tried: Result<Regex, InvalidPattern>) -> bool {
        let wrong = tried.err();
        if let Some(wrong) = &wrong {
            let message = format!("{} cannot be searched for: {wrong}", quoted(text));
            let help = "the syntax is that of Rust's `regex` crate: no look-around, no back-references";
            self.report.error(place, "invalid_regex", message, Some(help.to_owned()));
        }
        wrong.is_none()
    }

    fn is_rule(&mut self, place: &Place, rule: &str, raw: &RawRedaction) -> bool {
        if rule == KNOWN_SECRET {
            let message = "secrets that the server knows are always taken out".to_owned();
            self.report.error(place, "always_redacted", message, Some("remove it".to_owned()));
            return false;
        }
        let known: Vec<String> =
            redact::rule_names().map(str::to_owned).chain(raw.patterns.keys().cloned()).collect();
        let is_known = known.iter().any(|known| known == rule);
        if !is_known {
            let help = match closest(rule, known.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "write the name that stands in `[REDACTED:name]`".to_owned(),
            };
            self.report.error(
                place,
                "unknown_rule",
                format!("there is no rule {}", quoted(rule)),
                Some(help),
            );
        }
        is_known
    }
}

pub(super) fn filters(raw: &RawFilters) -> Filters {
    let prompts = match raw.prompts {
        None | Some(RawPromptFilter::Off) => PromptFilter::Off,
        Some(RawPromptFilter::Redact) => PromptFilter::Redact,
        Some(RawPromptFilter::Deny) => PromptFilter::Deny,
    };
    Filters { redact_results: matches!(raw.results, Some(RawResultFilter::Redact)), prompts }
}

//! Takes out of a text what nobody else is to see: secrets and personal data.
//!
//! Whatever is written for people or handed on passes here last, so it asks
//! nothing of those who write. Layers, in the order of how sure they are: values
//! that the server [knows](Known), in every encoding; values under a name that
//! says they are secret; tokens and keys of known make; personal data. What is
//! taken out leaves `[REDACTED:rule]`.
//!
//! In doubt a text is redacted once too often, but not a log that nobody can read
//! any more: a rule for anything that could be an accident checks more than how
//! it looks.

use std::{borrow::Cow, ops::Range, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

mod boundary;
mod encodings;
mod formats;
mod json;
mod known;
mod live;
mod names;
mod personal;
mod prompts;
mod rules;
mod texts;
mod windows;

pub use known::{Known, MIN_BYTES};
pub use live::Redaction;
pub use names::names_secret;
pub use prompts::PromptFilter;
pub use rules::{InvalidPattern, RuleSettings, Rules, allowed, pattern, rule_names};

/// The rule by which values go that the server knows.
pub const KNOWN_SECRET: &str = "known_secret";

/// How often a text is looked through at most.
const ROUNDS: usize = 4;

/// What replaces a finding begins with this.
const MARK: &str = "[REDACTED:";

/// Finds and takes out. Cheap to clone, and never changed: after a reload there
/// is another one, in [`Redaction`].
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    rules: Arc<Rules>,
    known: Arc<Known>,
}

/// A part of a text that is not to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding<'r> {
    /// Which bytes.
    pub range: Range<usize>,
    /// By which rule.
    pub rule: &'r str,
}

impl Redactor {
    /// One that goes by these rules and knows these secrets.
    #[must_use]
    pub fn new(rules: Arc<Rules>, known: Arc<Known>) -> Self {
        Self { rules, known }
    }

    /// One that finds the same secrets and nothing else, for those to whom the rest
    /// belongs.
    #[must_use]
    pub fn known_only(&self) -> Self {
        Self { rules: Rules::none(), known: self.known.clone() }
    }

    /// What is not to be seen of a text, in order and without overlaps.
    #[must_use]
    pub fn findings(&self, text: &str) -> Vec<Finding<'_>> {
        self.findings_in("", text)
    }

    /// The text without it.
    #[must_use]
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.field("", text)
    }

    /// The same of a field's value, whose name may say what it is.
    #[must_use]
    pub fn field<'t>(&self, name: &str, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        // Where something is gone, what stood beside it begins or ends anew.
        for _ in 0..ROUNDS {
            let Some(redacted) = self.once(name, &text) else { break };
            text = Cow::Owned(redacted);
        }
        text
    }

    fn once(&self, name: &str, text: &str) -> Option<String> {
        let findings = self.findings_in(name, text);
        if findings.is_empty() {
            return None;
        }
        let mut redacted = String::with_capacity(text.len());
        let mut at = 0;
        for Finding { range, rule } in findings {
            redacted.push_str(text.get(at..range.start).unwrap_or_default());
            redacted.extend([MARK, rule, "]"]);
            at = range.end;
        }
        redacted.push_str(text.get(at..).unwrap_or_default());
        Some(redacted)
    }

    /// Takes it out of every string of a JSON value, names of fields included, and
    /// says whether there was any. A value whose field's name says that it is
    /// secret goes, whatever it is.
    pub fn value(&self, value: &mut Value) -> bool {
        json::value(self, "", value)
    }

    /// Takes it out of a line of JSON that the server is about to write, which
    /// stays one. The server's own times, numbers and hashes stay as they are. A
    /// line that is no JSON object is replaced as a whole.
    pub fn line(&self, line: &mut Vec<u8>) {
        json::line(self, line);
    }
}

impl Redactor {
    /// Whether there is a secret that the server knows, for texts in which nothing
    /// else could be found.
    #[must_use]
    pub fn knows_in(&self, text: &str) -> bool {
        let mut any = false;
        self.known.find(text.as_bytes(), &mut |_| any = true);
        any
    }

    /// Takes it out of what is in base64, as far as that is text. Of other bytes
    /// that hold a secret that the server knows, nothing is left.
    pub fn base64(&self, encoded: &mut String) -> bool {
        let mut bytes = Vec::with_capacity(encoded.len());
        encodings::base64(encoded.trim_end_matches('=').as_bytes(), &mut bytes);
        match std::str::from_utf8(&bytes) {
            Ok(text) => {
                let Cow::Owned(redacted) = self.text(text) else { return false };
                *encoded = STANDARD.encode(redacted);
                true
            }
            Err(_) if self.knows_in(encoded) => {
                *encoded = STANDARD.encode(format!("{MARK}{KNOWN_SECRET}]"));
                true
            }
            Err(_) => false,
        }
    }

    fn findings_in(&self, name: &str, text: &str) -> Vec<Finding<'_>> {
        let mut findings = Vec::new();
        self.known.find(text.as_bytes(), &mut |range| findings.push(Finding { range, rule: KNOWN_SECRET }));
        self.rules.find(name, text, &mut findings);
        if findings.is_empty() { findings } else { settled(findings, text) }
    }
}

/// In order, and those that overlap as one.
fn settled<'r>(mut findings: Vec<Finding<'r>>, text: &str) -> Vec<Finding<'r>> {
    findings.sort_by_key(|finding| (finding.range.start, usize::MAX - finding.range.end));
    let mut settled: Vec<Finding<'r>> = Vec::with_capacity(findings.len());
    for Finding { range, rule } in findings {
        let range = text.floor_char_boundary(range.start)..text.ceil_char_boundary(range.end.min(text.len()));
        match settled.last_mut().filter(|last| range.start < last.range.end) {
            Some(last) => {
                last.range.end = last.range.end.max(range.end);
                // What is sure says more than what looks like something.
                last.rule = if rule == KNOWN_SECRET { rule } else { last.rule };
            }
            None => settled.push(Finding { range, rule }),
        }
    }
    settled
}

#[cfg(test)]
mod tests;

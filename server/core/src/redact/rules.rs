//! The rules by which findings are made of what the server does not know: its
//! own, as the operator changed them.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use regex::{Regex, RegexBuilder};

use super::{
    Finding, KNOWN_SECRET, MARK,
    encodings::{self, Mapped},
    formats,
    names::names_secret,
    personal, texts,
};

/// How large a pattern of the operator's may become in memory.
const MAX_PATTERN: usize = 1 << 20;

/// How deep in one another escapes are undone.
const DEPTH: u8 = 3;

/// What the operator says about redaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSettings {
    /// Rules that are not applied.
    pub off: Vec<String>,
    /// Rules of the operator's own, each a regular expression.
    pub patterns: BTreeMap<String, String>,
    /// Regular expressions of texts that stay, whatever a rule says.
    pub allow: Vec<String>,
    /// Names of fields whose values are secret, besides those that say so.
    pub names: Vec<String>,
}

/// The rules in force.
#[derive(Debug, Default)]
pub struct Rules {
    settings: RuleSettings,
    patterns: Vec<(String, Regex)>,
    allow: Vec<Regex>,
}

/// Why a regular expression is no use here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// It is none.
    #[error("it is no regular expression: {0}")]
    Syntax(String),
    /// Nothing that is compared with every line may be so large.
    #[error("it is too large; repeat less in it")]
    TooLarge,
    /// It would be found everywhere.
    #[error("it matches an empty text, so it would be found everywhere")]
    Empty,
}

/// A regular expression as the operator writes it.
///
/// # Errors
///
/// If it is none, or of no use.
pub fn pattern(text: &str) -> Result<Regex, InvalidPattern> {
    let compiled = RegexBuilder::new(text).size_limit(MAX_PATTERN).build();
    let regex = compiled.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => InvalidPattern::TooLarge,
        error => InvalidPattern::Syntax(reason(&error.to_string())),
    })?;
    if regex.is_match("") { Err(InvalidPattern::Empty) } else { Ok(regex) }
}

/// The same, of texts that stay: it must match all of one. Not every expression
/// still is one with something around it.
///
/// # Errors
///
/// If it is none, or of no use.
pub fn allowed(text: &str) -> Result<Regex, InvalidPattern> {
    pattern(text)?;
    pattern(&format!("^(?:{text})$"))
}

/// The last line of what the library draws over several.
fn reason(error: &str) -> String {
    error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// The names of all rules that can be turned off.
pub fn rule_names() -> impl Iterator<Item = &'static str> {
    let formats = formats::all().map(|format| format.rule);
    texts::RULES.into_iter().chain(personal::RULES).chain(formats)
}

impl Rules {
    /// The rules that these settings make.
    ///
    /// # Errors
    ///
    /// The first pattern that is of no use.
    pub fn new(settings: RuleSettings) -> Result<Self, InvalidPattern> {
        let patterns = settings.patterns.iter().map(|(name, text)| Ok((name.clone(), pattern(text)?)));
        let patterns = patterns.collect::<Result<_, _>>()?;
        let allow = settings.allow.iter().map(|text| allowed(text));
        Ok(Self { patterns, allow: allow.collect::<Result<_, _>>()?, settings })
    }

    /// None at all: only what the server knows is found.
    pub(super) fn none() -> Arc<Self> {
        static NONE: LazyLock<Arc<Rules>> = LazyLock::new(|| {
            let off = rule_names().map(str::to_owned).collect();
            Arc::new(Rules { settings: RuleSettings { off, ..RuleSettings::default() }, ..Rules::default() })
        });
        NONE.clone()
    }

    /// What they were made of.
    #[must_use]
    pub fn settings(&self) -> &RuleSettings {
        &self.settings
    }

    /// Adds what they find in the value of a field, or in a text without a name.
    pub(super) fn find<'r>(&'r self, name: &str, text: &str, findings: &mut Vec<Finding<'r>>) {
        if self.patterns.is_empty() && is_plain(text) {
            return;
        }
        let first = findings.len();
        self.find_in(name, text, DEPTH, findings);
        if findings.len() > first {
            findings.retain(|finding| finding.rule == KNOWN_SECRET || !self.lets_stay(finding, text));
        }
    }

    /// Looks through the text, and through what it is once its escapes are undone.
    fn find_in<'r>(&'r self, name: &str, text: &str, depth: u8, findings: &mut Vec<Finding<'r>>) {
        formats::find(text, findings);
        texts::find(text, &|name| self.names_secret(name), &self.settings.names, findings);
        personal::find(personal::Text { text, label: name }, findings);
        for (rule, regex) in &self.patterns {
            let matches = regex.find_iter(text).filter(|found| !found.is_empty());
            findings.extend(matches.map(|found| Finding { range: found.range(), rule }));
        }
        let Some(depth) = depth.checked_sub(1) else { return };
        let Some(view) = encodings::unescaped(text.as_bytes()) else { return };
        let first = findings.len();
        self.find_in(name, &readable(view.bytes()), depth, findings);
        for finding in findings.iter_mut().skip(first) {
            finding.range = view.source(finding.range.clone());
        }
    }

    fn lets_stay(&self, finding: &Finding<'_>, text: &str) -> bool {
        let found = text.get(finding.range.clone()).unwrap_or_default();
        self.settings.off.iter().any(|rule| rule == finding.rule)
            || self.allow.iter().any(|allow| allow.is_match(found))
            || found.contains(MARK)
    }

    /// Whether a field's name says that its value is secret.
    pub(super) fn names_secret(&self, name: &str) -> bool {
        // The name itself may have been taken out.
        let is_own = || self.settings.names.iter().any(|own| own.eq_ignore_ascii_case(name));
        !name.contains(MARK) && (is_own() || (names_secret(name) && !self.is_off(texts::NAMED_SECRET)))
    }

    fn is_off(&self, rule: &str) -> bool {
        self.settings.off.iter().any(|off| off == rule)
    }
}

/// Whether it is a word or two, as most values of the log are: every rule of the
/// server's own looks for a digit, for a sign, or for more characters.
fn is_plain(text: &str) -> bool {
    text.len() < 24 && text.bytes().all(|byte| byte.is_ascii_alphabetic() || b"_-. ,".contains(&byte))
}

/// Bytes as text, each byte of what is none as a question mark, so that all others
/// stay where they are.
fn readable(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    Cow::Owned(text)
}

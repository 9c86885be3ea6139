//! Patterns of names: `core.echo`, `core.*`, `*`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One name, or all names below a prefix.
///
/// A `*` stands only at the end, alone or after one of `.`, `:`, `/`, `-` and
/// `_`, so that `core.*` is what it looks like and `core*`, which would also
/// cover `corexyz.wipe`, is refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(String);

/// Text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// Nothing there.
    #[error("a pattern cannot be empty")]
    Empty,
    /// White space or a control character.
    #[error("`{0}` is no pattern: it holds white space or a control character")]
    Blank(String),
    /// A `*` that is not the last character.
    #[error("`{0}` is no pattern: `*` may stand only at the end")]
    StarInside(String),
    /// A `*` right after a letter or digit.
    #[error("`{0}` is no pattern: `*` must follow `.`, `:`, `/`, `-` or `_`, as in `{1}.*`")]
    StarAfterWord(String, String),
}

impl Pattern {
    /// Whether the pattern covers `name`.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some("") => true,
            Some(prefix) => name.len() > prefix.len() && name.starts_with(prefix),
            None => self.0 == name,
        }
    }

    /// Whether the pattern covers every name that `other` does.
    #[must_use]
    pub fn covers_pattern(&self, other: &Self) -> bool {
        match (self.0.strip_suffix('*'), other.0.strip_suffix('*')) {
            (Some(mine), Some(theirs)) => theirs.starts_with(mine),
            (None, Some(_)) => false,
            (_, None) => self.covers(&other.0),
        }
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(InvalidPattern::Empty);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(InvalidPattern::Blank(text.to_owned()));
        }
        let prefix = text.strip_suffix('*').unwrap_or(text);
        if prefix.contains('*') {
            return Err(InvalidPattern::StarInside(text.to_owned()));
        }
        if prefix.len() < text.len() && !(prefix.is_empty() || prefix.ends_with(['.', ':', '/', '-', '_'])) {
            return Err(InvalidPattern::StarAfterWord(text.to_owned(), prefix.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Pattern {
    type Error = InvalidPattern;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A list of patterns; a name needs one that covers it. Empty covers nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns(Vec<Pattern>);

impl Patterns {
    /// The first pattern that covers `name`.
    #[must_use]
    pub fn covering(&self, name: &str) -> Option<&Pattern> {
        self.0.iter().find(|pattern| pattern.covers(name))
    }

    /// Whether any pattern covers `name`.
    #[must_use]
    pub fn cover(&self, name: &str) -> bool {
        self.covering(name).is_some()
    }

    /// The patterns in the order they were written.
    pub fn iter(&self) -> impl Iterator<Item = &Pattern> {
        self.0.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What both lists cover, as patterns: of each pair, the narrower one.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both: Vec<Pattern> = Vec::new();
        for mine in &self.0 {
            for theirs in &other.0 {
                let narrower = if mine.covers_pattern(theirs) {
                    theirs
                } else if theirs.covers_pattern(mine) {
                    mine
                } else {
                    continue;
                };
                if !both.contains(narrower) {
                    both.push(narrower.clone());
                }
            }
        }
        Self(both)
    }
}

impl FromIterator<Pattern> for Patterns {
    fn from_iter<I: IntoIterator<Item = Pattern>>(patterns: I) -> Self {
        Self(patterns.into_iter().collect())
    }
}

impl Extend<Pattern> for Patterns {
    fn extend<I: IntoIterator<Item = Pattern>>(&mut self, patterns: I) {
        self.0.extend(patterns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, covered: &[&str], not_covered: &[&str]) {
        let pattern: Pattern = pattern.parse().unwrap();
        for name in covered {
            assert!(pattern.covers(name), "`{pattern}` should cover `{name}`");
        }
        for name in not_covered {
            assert!(!pattern.covers(name), "`{pattern}` should not cover `{name}`");
        }
    }

    fn refused(pattern: &str, message: &str) {
        assert_eq!(pattern.parse::<Pattern>().unwrap_err().to_string(), message);
    }

    fn patterns(texts: &[&str]) -> Patterns {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_wildcard_covers_the_names_below_it_only() {
        check("core.*", &["core.echo", "core.a.b"], &["core", "core.", "corex.echo", "Core.echo"]);
    }

    #[test]
    fn a_lone_star_covers_everything() {
        check("*", &["core.echo", "x", "about://server"], &[]);
    }

    #[test]
    fn a_plain_name_covers_itself_only() {
        check("core.echo", &["core.echo"], &["core.echo2", "core.ech", "core.*"]);
    }

    #[test]
    fn uris_and_plugin_names_have_wildcards_too() {
        check("about://*", &["about://server"], &["about:/server", "aboutx://server"]);
        check("acme-*", &["acme-jira"], &["acme", "acmejira"]);
    }

    #[test]
    fn a_misplaced_star_is_refused_with_the_rule() {
        refused("", "a pattern cannot be empty");
        refused("core echo", "`core echo` is no pattern: it holds white space or a control character");
        refused("*.echo", "`*.echo` is no pattern: `*` may stand only at the end");
        refused("core.**", "`core.**` is no pattern: `*` may stand only at the end");
        refused("core*", "`core*` is no pattern: `*` must follow `.`, `:`, `/`, `-` or `_`, as in `core.*`");
    }

    #[test]
    fn an_intersection_keeps_the_narrower_of_each_pair() {
        for (left, right, both) in [
            (&["*"][..], &["core.echo", "acme.*"][..], &["core.echo", "acme.*"][..]),
            (&["core.*"], &["core.echo", "llm.query"], &["core.echo"]),
            (&["core.*"], &["*"], &["core.*"]),
            (&["a.*"], &["b.*"], &[]),
            (&[], &["*"], &[]),
        ] {
            assert_eq!(patterns(left).intersection(&patterns(right)), patterns(both));
        }
    }
}

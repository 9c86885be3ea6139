//! Tokens and keys that show by their form whose they are.
//!
//! Every format begins with letters that its vendor chose so that it can be found,
//! or has such letters in a fixed place. They are searched for all at once; only
//! where some are, the rest is compared, from there on. So what has none of them
//! costs one pass.

use std::{
    ops::RangeInclusive,
    sync::{LazyLock, OnceLock},
};

use aho_corasick::{AhoCorasick, MatchKind};
use regex::bytes::{Regex, RegexBuilder};

use super::{Finding, boundary};

mod agents;
mod checks;
mod clouds;
mod code;
mod services;

pub(super) use checks::{entropy, is_random};

/// A kind of token or key.
pub(super) struct Format {
    /// What the rule is called.
    pub(super) rule: &'static str,
    /// What it begins with.
    starts: &'static [&'static str],
    /// What stands before that, where it does not begin with it.
    before: Option<Before>,
    /// What comes after, as a regular expression.
    rest: &'static str,
    /// Whether a text of that form is one.
    check: fn(&str) -> bool,
}

/// Characters before the letters by which a format is found.
#[derive(Clone)]
struct Before {
    has: fn(u8) -> bool,
    count: RangeInclusive<usize>,
}

impl Format {
    /// Anything that is not obviously made up.
    const fn new(rule: &'static str, starts: &'static [&'static str], rest: &'static str) -> Self {
        Self { rule, starts, before: None, rest, check: checks::is_random }
    }

    const fn with(
        rule: &'static str,
        starts: &'static [&'static str],
        rest: &'static str,
        check: fn(&str) -> bool,
    ) -> Self {
        Self { rule, starts, before: None, rest, check }
    }

    const fn after(
        rule: &'static str,
        has: fn(u8) -> bool,
        count: RangeInclusive<usize>,
        starts: &'static [&'static str],
        rest: &'static str,
    ) -> Self {
        Self { rule, starts, before: Some(Before { has, count }), rest, check: checks::is_random }
    }
}

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Format> {
    [agents::FORMATS, clouds::FORMATS, code::FORMATS, services::FORMATS].into_iter().flatten()
}

struct Search {
    starts: AhoCorasick,
    /// Whose each start is.
    whose: Vec<usize>,
    formats: Vec<(&'static Format, OnceLock<Option<Regex>>)>,
}

static SEARCH: LazyLock<Option<Search>> = LazyLock::new(|| {
    let starts = || {
        all().enumerate().flat_map(|(which, format)| format.starts.iter().map(move |start| (which, start)))
    };
    let automaton =
        AhoCorasick::builder().match_kind(MatchKind::Standard).build(starts().map(|(_, start)| start));
    Some(Search {
        starts: automaton.ok()?,
        whose: starts().map(|(which, _)| which).collect(),
        formats: all().map(|format| (format, OnceLock::new())).collect(),
    })
});

/// Adds what has the form of a token or key.
pub(super) fn find<'r>(text: &str, findings: &mut Vec<Finding<'r>>) {
    let Some(search) = &*SEARCH else { return };
    let mut done = ("", 0);
    for hit in search.starts.find_overlapping_iter(text) {
        let Some(which) = search.whose.get(hit.pattern().as_usize()) else { continue };
        let Some((format, regex)) = search.formats.get(*which) else { continue };
        if done.0 == format.rule && done.1 > hit.start() {
            continue;
        }
        let Some(start) = format.start(text.as_bytes(), hit.start()) else { continue };
        let Some(regex) = regex.get_or_init(|| compile(format.rest)) else { continue };
        let after = text.as_bytes().get(hit.end()..).unwrap_or_default();
        let Some(rest) = regex.find(after) else { continue };
        let end = hit.end() + rest.end();
        let token = text.get(start..end).unwrap_or_default();
        if boundary::ends(text.as_bytes(), end) && (format.check)(token) {
            findings.push(Finding { range: start..end, rule: format.rule });
            done = (format.rule, end);
        }
    }
}

/// The end of a token, from where its start is over.
fn compile(rest: &str) -> Option<Regex> {
    RegexBuilder::new(&format!("^(?:{rest})")).unicode(false).build().ok()
}

impl Format {
    /// Where the token would begin whose start, or middle, is at `at`.
    fn start(&self, text: &[u8], at: usize) -> Option<usize> {
        let Some(Before { has, count }) = &self.before else {
            return boundary::begins(text, at).then_some(at);
        };
        let before = text.get(..at)?.iter().rev().take(*count.end()).take_while(|byte| has(**byte)).count();
        let start = at - before;
        (count.contains(&before) && boundary::begins(text, start)).then_some(start)
    }
}

#[cfg(test)]
mod tests;

//! Problems, as they are found.

use std::path::Path;

use super::{
    mask::{HIDDEN, Mask, mask},
    page::Page,
    place::{Place, Step},
    problem::{Problem, Severity},
    snippet::snippet,
    tree::{Node, Span},
    yaml::Refusal,
};

/// More of one severity help nobody.
const MAX_PROBLEMS: usize = 100;

/// Collects problems and says where they are.
pub(super) struct Report<'a> {
    path: &'a Path,
    page: &'a Page<'a>,
    tree: &'a Node,
    mask: Mask,
    problems: Vec<Problem>,
    untold: usize,
}

impl<'a> Report<'a> {
    pub(super) fn new(path: &'a Path, page: &'a Page<'a>, tree: &'a Node) -> Self {
        let mask = Mask::of(tree, page.text());
        Self { path, page, tree, mask, problems: Vec::new(), untold: 0 }
    }

    /// The only problem of a text that is not read at all.
    pub(super) fn refusal(path: &Path, page: &Page<'_>, refusal: &Refusal) -> Problem {
        let spot = Spot { bytes: refusal.at..refusal.at, alias: None };
        let facts = Facts {
            severity: Severity::Error,
            code: refusal.code,
            message: refusal.message.clone(),
            help: refusal.help.map(str::to_owned),
        };
        problem(path, page, &Mask::of_unread(), String::new(), &spot, facts)
    }

    pub(super) fn tree(&self) -> &'a Node {
        self.tree
    }

    /// Whether the mapping at `place` has a key, be its value wrong.
    pub(super) fn has(&self, place: &Place, key: &str) -> bool {
        self.tree.entry(place, key).is_some()
    }

    /// The keys of the mapping at `place`.
    pub(super) fn keys(&self, place: &Place) -> Vec<&'a str> {
        let entries = self.tree.at(place).map(Node::entries).unwrap_or_default();
        entries.iter().map(|entry| entry.key.as_str()).collect()
    }

    /// A key of the mapping at `place`, as it may be shown.
    pub(super) fn name(&self, place: &Place, key: &str) -> String {
        let hidden =
            self.tree.entry(place, key).is_some_and(|entry| !self.mask.shows(entry.key_span.bytes.start));
        if hidden { HIDDEN.to_string() } else { key.to_owned() }
    }

    /// A place, as it may be shown.
    pub(super) fn shown(&self, place: &Place) -> Place {
        let mut around = Place::root();
        let mut shown = Place::root();
        for step in place.steps() {
            (shown, around) = match step {
                Step::Key(key) => (shown.key(self.name(&around, key)), around.key(key)),
                Step::Item(item) => (shown.item(*item), around.item(*item)),
            };
        }
        shown
    }

    /// `line:column` of the value at `place`.
    pub(super) fn position(&self, place: &Place) -> String {
        let spot = self.value_spot(place);
        self.position_of(spot.alias.unwrap_or(spot.bytes.start))
    }

    /// `line:column` of a byte.
    pub(super) fn position_of(&self, byte: usize) -> String {
        let position = self.page.position(byte);
        format!("{}:{}", position.line, position.column)
    }

    /// An error in the value at `place`.
    pub(super) fn error(&mut self, place: &Place, code: &'static str, message: String, help: Option<String>) {
        let spot = self.value_spot(place);
        self.add(place, &spot, Facts { severity: Severity::Error, code, message, help });
    }

    /// An error in the key at `place`.
    pub(super) fn key_error(
        &mut self,
        place: &Place,
        code: &'static str,
        message: String,
        help: Option<String>,
    ) {
        let spot = self.key_spot(place);
        self.add(place, &spot, Facts { severity: Severity::Error, code, message, help });
    }

    /// An error in a key that stands at `span`, inside the mapping at `place`.
    pub(super) fn error_at(
        &mut self,
        place: &Place,
        span: &Span,
        code: &'static str,
        message: String,
        help: Option<String>,
    ) {
        let spot = Spot { bytes: span.bytes.clone(), alias: span.alias };
        self.add(place, &spot, Facts { severity: Severity::Error, code, message, help });
    }

    /// Something in the value at `place` that is allowed, and probably not meant.
    pub(super) fn warning(
        &mut self,
        place: &Place,
        code: &'static str,
        message: String,
        help: Option<String>,
    ) {
        let spot = self.value_spot(place);
        self.add(place, &spot, Facts { severity: Severity::Warning, code, message, help });
    }

    /// A doubt about the end of the text.
    pub(super) fn warning_at_end(&mut self, code: &'static str, message: String, help: Option<String>) {
        let end = self.page.text().len();
        let spot = Spot { bytes: end..end, alias: None };
        self.add(&Place::root(), &spot, Facts { severity: Severity::Warning, code, message, help });
    }

    pub(super) fn has_errors(&self) -> bool {
        self.problems.iter().any(Problem::is_error)
    }

    /// All problems in the order of the text.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
        if self.untold > 0 {
            let message = format!("and {} more problems, shown once these are gone", self.untold);
            let end = self.page.text().len();
            let facts = Facts { severity: Severity::Error, code: "more_problems", message, help: None };
            let spot = Spot { bytes: end..end, alias: None };
            self.problems.push(problem(self.path, self.page, &self.mask, String::new(), &spot, facts));
        }
        self.problems
    }

    fn add(&mut self, place: &Place, spot: &Spot, facts: Facts) {
        if self.problems.iter().filter(|problem| problem.severity == facts.severity).count() >= MAX_PROBLEMS {
            self.untold += usize::from(facts.severity == Severity::Error);
            return;
        }
        let problem = problem(self.path, self.page, &self.mask, self.shown(place).to_string(), spot, facts);
        // A text that aliases repeat is wrong once.
        let said = |other: &Problem| {
            (other.line, other.column, &other.message) == (problem.line, problem.column, &problem.message)
        };
        if !self.problems.iter().any(said) {
            self.problems.push(problem);
        }
    }

    fn value_spot(&self, place: &Place) -> Spot {
        let found = self.tree.find(place);
        match found.key {
            Some(key) if !found.node.is_scalar() => key.into(),
            _ => (&found.node.span).into(),
        }
    }

    fn key_spot(&self, place: &Place) -> Spot {
        let found = self.tree.find(place);
        found.key.unwrap_or(&found.node.span).into()
    }
}

struct Spot {
    bytes: std::ops::Range<usize>,
    alias: Option<usize>,
}

impl From<&Span> for Spot {
    fn from(span: &Span) -> Self {
        Self { bytes: span.bytes.clone(), alias: span.alias }
    }
}

struct Facts {
    severity: Severity,
    code: &'static str,
    message: String,
    help: Option<String>,
}

fn problem(
    path: &Path,
    page: &Page<'_>,
    hide: &Mask,
    config_path: String,
    spot: &Spot,
    facts: Facts,
) -> Problem {
    let position = page.position(spot.bytes.start);
    Problem {
        severity: facts.severity,
        code: facts.code,
        path: path.to_owned(),
        line: position.line,
        column: position.column,
        config_path: tidy(&config_path),
        alias_line: spot.alias.map(|alias| page.position(alias).line),
        message: tidy(&facts.message),
        help: facts.help.as_deref().map(tidy),
        snippet: snippet(page, hide, &spot.bytes),
    }
}

/// The text on one line, and without what looks like a secret.
fn tidy(text: &str) -> String {
    let line: String =
        text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    mask(&line)
}

//! Problems, as they are found.

use std::{
    cell::OnceCell,
    path::{Path, PathBuf},
};

use super::{
    files::Files,
    include::Parts,
    mask::{HIDDEN, Mask, mask},
    page::{Page, Position},
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
    files: &'a Files,
    page: Page<'a>,
    parts: &'a Parts,
    /// Only problems need it.
    mask: OnceCell<Mask>,
    /// Each with the byte at which it is.
    problems: Vec<(usize, Problem)>,
    untold: usize,
}

impl<'a> Report<'a> {
    pub(super) fn new(files: &'a Files, parts: &'a Parts) -> Self {
        let page = Page::new(files.text());
        Self { files, page, parts, mask: OnceCell::new(), problems: Vec::new(), untold: 0 }
    }

    /// The only problem of a text that is not read at all.
    pub(super) fn refusal(path: &Path, page: &Page<'_>, refusal: &Refusal) -> Problem {
        let position = page.position(refusal.at);
        Problem {
            severity: Severity::Error,
            code: refusal.code,
            path: path.to_owned(),
            line: position.line,
            column: position.column,
            config_path: String::new(),
            alias_line: None,
            message: tidy(&refusal.message),
            help: refusal.help.map(tidy),
            snippet: snippet(page, &Mask::of_unread(), position.line, &(refusal.at..refusal.at)),
        }
    }

    /// Takes over the problem of a file that is not read, and starts at a byte.
    pub(super) fn refused(&mut self, start: usize, problem: Problem) {
        if self.has_room(Severity::Error) {
            self.problems.push((start, problem));
        }
    }

    pub(super) fn tree(&self) -> &'a Node {
        &self.parts.tree
    }

    /// Whether there is a key twice, anywhere.
    pub(super) fn has_duplicates(&self) -> bool {
        self.parts.has_duplicates()
    }

    fn mask(&self) -> &Mask {
        self.mask.get_or_init(|| Mask::of([&self.parts.tree, &self.parts.rest], self.files.text()))
    }

    /// Whether the mapping at `place` has a key, be its value wrong.
    pub(super) fn has(&self, place: &Place, key: &str) -> bool {
        self.tree().entry(place, key).is_some()
    }

    /// The keys of the mapping at `place`.
    pub(super) fn keys(&self, place: &Place) -> Vec<&'a str> {
        let entries = self.tree().at(place).map(Node::entries).unwrap_or_default();
        entries.iter().map(|entry| entry.key.as_str()).collect()
    }

    /// A key of the mapping at `place`, as it may be shown.
    pub(super) fn name(&self, place: &Place, key: &str) -> String {
        let hidden =
            self.tree().entry(place, key).is_some_and(|entry| !self.mask().shows(entry.key_span.bytes.start));
        if hidden { HIDDEN.to_string() } else { key.to_owned() }
    }

    /// The name of the entry at `place`, as it may be shown.
    pub(super) fn name_at(&self, place: &Place) -> String {
        match place.split_last() {
            Some((around, Step::Key(key))) => self.name(around, key),
            _ => String::new(),
        }
    }

    /// A place, as it may be shown.
    pub(super) fn shown(&self, place: &Place) -> Place {
        let mut around = Place::root();
        let mut shown = Place::root();
        for step in place.steps() {
            (shown, around) = match step {
                Step::Key(key) => (shown.key(self.name(&around, key)), around.key(key.clone())),
                Step::Item(item) => (shown.item(*item), around.item(*item)),
            };
        }
        shown
    }

    /// `line:column` of the value at `place`, as somebody at `from` needs it: with
    /// the file, if it is another one.
    pub(super) fn position(&self, place: &Place, from: &Place) -> String {
        let spot = self.value_spot(place);
        self.position_of(spot.alias.unwrap_or(spot.bytes.start), self.value_spot(from).bytes.start)
    }

    /// The same, of bytes.
    pub(super) fn position_of(&self, byte: usize, from: usize) -> String {
        let Position { line, column } = self.files.position(&self.page, byte);
        if self.files.are_together(byte, from) {
            format!("{line}:{column}")
        } else {
            format!("{}:{line}:{column}", self.files.path(byte).display())
        }
    }

    /// The folder of the file in which the value at `place` stands.
    pub(super) fn folder(&self, place: &Place) -> &'a Path {
        let byte = self.value_spot(place).bytes.start;
        self.files.path(byte).parent().unwrap_or(Path::new(""))
    }

    /// Beside which file `.env` is, seen from the value at `place`.
    pub(super) fn main_file(&self, place: &Place) -> String {
        if self.files.is_main(self.value_spot(place).bytes.start) {
            return "this one".to_owned();
        }
        self.files.main().file_name().map_or_else(String::new, |name| format!("`{}`", name.display()))
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
        self.add_at(Severity::Error, place, span, code, message, help);
    }

    /// The same, of any severity.
    pub(super) fn add_at(
        &mut self,
        severity: Severity,
        place: &Place,
        span: &Span,
        code: &'static str,
        message: String,
        help: Option<String>,
    ) {
        self.add(place, &span.into(), Facts { severity, code, message, help });
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

    /// The same in the key at `place`.
    pub(super) fn key_warning(
        &mut self,
        place: &Place,
        code: &'static str,
        message: String,
        help: Option<String>,
    ) {
        let spot = self.key_spot(place);
        self.add(place, &spot, Facts { severity: Severity::Warning, code, message, help });
    }

    /// Doubts the end of the file that starts at a byte, if it has no line break.
    pub(super) fn doubt_end(&mut self, start: usize) {
        let end = self.files.end(start);
        if self.page.slice(start..end).ends_with(['\n', '\r']) {
            return;
        }
        let message = "the file does not end with a line break, so it may have been cut short".to_owned();
        let help = Some("end the last line with one".to_owned());
        let spot = Spot { bytes: end..end, alias: None };
        let facts = Facts { severity: Severity::Warning, code: "no_final_line_break", message, help };
        self.add(&Place::root(), &spot, facts);
    }

    pub(super) fn has_errors(&self) -> bool {
        self.problems.iter().any(|(_, problem)| problem.is_error())
    }

    /// Whether no more errors will be told, so that their words need no thought.
    pub(super) fn is_full(&self) -> bool {
        self.problems.iter().filter(|(_, problem)| problem.is_error()).count() >= MAX_PROBLEMS
    }

    /// All problems in the order of the text.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|(at, _)| *at);
        if self.untold > 0 {
            let message = format!("and {} more problems, shown once these are gone", self.untold);
            let end = self.files.text().len().saturating_sub(1);
            let facts = Facts { severity: Severity::Error, code: "more_problems", message, help: None };
            let problem = self.problem(String::new(), &Spot { bytes: end..end, alias: None }, facts);
            self.problems.push((end, problem));
        }
        self.problems.into_iter().map(|(_, problem)| problem).collect()
    }

    fn add(&mut self, place: &Place, spot: &Spot, facts: Facts) {
        if !self.has_room(facts.severity) {
            return;
        }
        let problem = self.problem(self.shown(place).to_string(), spot, facts);
        // A text that aliases repeat is wrong once.
        let at = spot.bytes.start;
        let said = |(other_at, other): &(usize, Problem)| *other_at == at && other.message == problem.message;
        if !self.problems.iter().any(said) {
            self.problems.push((at, problem));
        }
    }

    /// Whether one more of a severity is wanted; if not, it is counted.
    fn has_room(&mut self, severity: Severity) -> bool {
        let alike = self.problems.iter().filter(|(_, problem)| problem.severity == severity);
        let has_room = alike.count() < MAX_PROBLEMS;
        self.untold += usize::from(!has_room && severity == Severity::Error);
        has_room
    }

    fn problem(&self, config_path: String, spot: &Spot, facts: Facts) -> Problem {
        let at = spot.bytes.start;
        let position = self.files.position(&self.page, at);
        Problem {
            severity: facts.severity,
            code: facts.code,
            path: PathBuf::from(self.files.path(at)),
            line: position.line,
            column: position.column,
            config_path: tidy(&config_path),
            alias_line: spot.alias.map(|alias| self.files.position(&self.page, alias).line),
            message: tidy(&facts.message),
            help: facts.help.as_deref().map(tidy),
            snippet: snippet(&self.page, self.mask(), position.line, &spot.bytes),
        }
    }

    fn value_spot(&self, place: &Place) -> Spot {
        let found = self.tree().find(place);
        match found.key {
            Some(key) if !found.node.is_scalar() => key.into(),
            _ => (&found.node.span).into(),
        }
    }

    fn key_spot(&self, place: &Place) -> Spot {
        let found = self.tree().find(place);
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

/// The text on one line, and without what looks like a secret.
fn tidy(text: &str) -> String {
    let line: String =
        text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    mask(&line)
}

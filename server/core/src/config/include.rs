//! `include`: other files that hold a part of the configuration.
//!
//! What has names may be in any file: tenants, agents, profiles, limits of tools,
//! trusted keys and the entries of plugins. Their mappings become one, and a name that two
//! of them have is a duplicate, as it is within one file. What there is one of,
//! `include` too, stands in the main file.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{
    Environment, Problem, Severity, Source,
    files::Files,
    mask::quoted,
    page::Page,
    place::{Place, Step},
    report::Report,
    schema::Known,
    structure,
    tree::{Entries, Entry, Kind, Node, Span},
};

mod reading;

pub(super) use reading::read;

use reading::{Read, read_all};

/// Values in all files together: a hundred megabytes of tree, or so.
const MAX_NODES: usize = 500_000;

/// What may be in any file.
enum Shared {
    /// A mapping by names.
    Names,
    /// A mapping of which only these keys are shared.
    Keys(&'static [(&'static str, Shared)]),
}

const SHARED: &[(&str, Shared)] = &[
    ("tenants", Shared::Names),
    ("agents", Shared::Names),
    ("profiles", Shared::Names),
    ("tool_limits", Shared::Names),
    ("plugins", Shared::Keys(&[("trusted_keys", Shared::Names), ("entries", Shared::Names)])),
];

/// A configuration, put together.
pub(super) struct Parts {
    /// All that counts.
    pub(super) tree: Node,
    /// A mapping of what does not, because it is in the wrong place.
    pub(super) rest: Node,
    /// The files that were read: where each starts.
    starts: Vec<usize>,
    /// Problems of files that are not read at all: where each starts.
    refused: Vec<(usize, Problem)>,
    issues: Vec<Issue>,
    has_duplicates: bool,
    pub(super) max_nodes: usize,
    /// Whether there is so much that the whole is not looked at.
    pub(super) is_too_much: bool,
}

/// Something wrong with how the parts go together.
struct Issue {
    severity: Severity,
    place: Place,
    span: Span,
    code: &'static str,
    message: String,
    help: Option<String>,
}

impl Parts {
    /// Of the main file alone.
    pub(super) fn new(tree: Node) -> Self {
        let rest = Node { kind: Kind::Map(Entries::default()), span: Span::default() };
        Self {
            has_duplicates: tree.has_duplicates(),
            tree,
            rest,
            starts: vec![0],
            refused: Vec::new(),
            issues: Vec::new(),
            max_nodes: MAX_NODES,
            is_too_much: false,
        }
    }

    /// Adds what `include` names, and answers the files.
    pub(super) fn include(
        &mut self,
        main: &Source,
        environment: &dyn Environment,
        files: &mut Files,
    ) -> Vec<Source> {
        let sources = self.sources(main, environment);
        let starts: Vec<usize> = sources.iter().map(|source| files.add(source)).collect();
        let mut nodes = self.tree.count();
        let mut all = read_all(&sources, &starts, self.max_nodes.saturating_sub(nodes));
        for (index, start) in starts.into_iter().enumerate() {
            let read = all.remove(&index);
            nodes += read.as_ref().map_or(self.max_nodes + 1, |read| read.nodes);
            let Some(Read { tree, has_duplicates, .. }) = read.filter(|_| nodes <= self.max_nodes) else {
                let message = format!("with this file, there are more than {} values", self.max_nodes);
                self.issue(&Place::root(), &Span::at(start), "too_complex", message, None);
                self.is_too_much = true;
                break;
            };
            self.has_duplicates |= has_duplicates;
            match tree {
                Ok(tree) => {
                    self.starts.push(start);
                    self.merge(files, tree);
                }
                Err(problem) => self.refused.push((start, *problem)),
            }
        }
        sources
    }

    /// Whether any mapping has a key twice. That of each file by itself is known.
    pub(super) fn has_duplicates(&self) -> bool {
        let mut mappings = vec![&self.tree];
        mappings.extend(self.tree.entries().iter().map(|entry| &entry.value));
        mappings
            .extend(self.tree.get("plugins").into_iter().flat_map(Node::entries).map(|entry| &entry.value));
        self.has_duplicates || mappings.into_iter().any(Node::has_duplicate_keys)
    }

    /// Reports what was found on the way.
    pub(super) fn tell(&self, report: &mut Report<'_>) {
        for (start, problem) in &self.refused {
            report.refused(*start, problem.clone());
        }
        for issue in &self.issues {
            let Issue { severity, place, span, code, message, help } = issue;
            report.add_at(*severity, place, span, code, message.clone(), help.clone());
        }
        for start in &self.starts {
            report.doubt_end(*start);
        }
    }

    /// The files that the patterns name, each once and never the main file.
    fn sources(&mut self, main: &Source, environment: &dyn Environment) -> Vec<Source> {
        let folder = main.path.parent().unwrap_or(Path::new(""));
        let mut seen: BTreeSet<PathBuf> = [main.path.components().collect()].into();
        let mut sources = Vec::new();
        for (place, span, text) in self.patterns() {
            // Without the `.` of `./agents.d`.
            let path = Path::new(&text);
            let pattern: PathBuf = folder.join(path.strip_prefix(".").unwrap_or(path)).components().collect();
            let included = match environment.included(&pattern) {
                Ok(included) => included,
                Err(error) => {
                    let message = format!("{} cannot be included: {error}", quoted(&text));
                    self.issue(&place, &span, "invalid_include", message, None);
                    continue;
                }
            };
            if included.is_empty() {
                let message = format!("{} matches no file", quoted(&text));
                let help = "create one, or remove the pattern".to_owned();
                self.add(Severity::Warning, &place, &span, "nothing_included", message, Some(help));
            }
            for file in included {
                if !seen.insert(file.path.clone()) {
                    continue;
                }
                match file.text {
                    Ok(text) => sources.push(Source { path: file.path, text }),
                    Err(error) => {
                        let message = format!("cannot read `{}`: {error}", file.path.display());
                        let help = Some("create it, or let the server's user read it".to_owned());
                        self.issue(&place, &span, "unreadable_file", message, help);
                    }
                }
            }
        }
        sources
    }

    /// The texts below `include`; whatever else is there is the schema's affair.
    fn patterns(&self) -> Vec<(Place, Span, String)> {
        let Some(Kind::List(items)) = self.tree.get("include").map(|node| &node.kind) else {
            return Vec::new();
        };
        let place = Place::root().key("include");
        let texts = items.iter().enumerate().filter_map(|(index, item)| match &item.kind {
            Kind::Text(text) if !text.is_empty() => {
                Some((place.item(index), item.span.clone(), text.clone()))
            }
            _ => None,
        });
        texts.collect()
    }

    fn merge(&mut self, files: &Files, tree: Node) {
        let Kind::Map(entries) = tree.kind else { return };
        let Kind::Map(mut all) = std::mem::replace(&mut self.tree.kind, Kind::Null) else { return };
        self.merge_entries(files, &Place::root(), SHARED, &mut all, entries);
        self.tree.kind = Kind::Map(all);
    }

    fn merge_entries(
        &mut self,
        files: &Files,
        place: &Place,
        shared: &'static [(&'static str, Shared)],
        all: &mut Entries,
        entries: Entries,
    ) {
        let mut seen: Vec<(String, usize)> = Vec::new();
        for entry in entries {
            let here = place.key(entry.key.clone());
            let Some((_, shared)) = shared.iter().find(|(key, _)| *key == entry.key) else {
                if Known::at(place).is_some_and(|known| known.has(&entry.key)) {
                    let is_known = all.of(&entry.key).is_some();
                    self.misplaced(files, &here, entry, is_known);
                } else {
                    // The schema does not know it and will say so.
                    all.push(entry);
                }
                continue;
            };
            if let Some((_, first)) = seen.iter().find(|(key, _)| *key == entry.key) {
                let page = Page::new(files.text());
                let first = files.position(&page, *first);
                let message =
                    format!("`{}` is here twice, first at {}:{}", entry.key, first.line, first.column);
                self.issue(
                    &here,
                    &entry.key_span,
                    "duplicate_key",
                    message,
                    Some("keep one of them".to_owned()),
                );
                self.discard(&here, entry);
                continue;
            }
            seen.push((entry.key.clone(), entry.key_span.bytes.start));
            self.merge_entry(files, &here, shared, all, entry);
        }
    }

    fn merge_entry(
        &mut self,
        files: &Files,
        place: &Place,
        shared: &'static Shared,
        all: &mut Entries,
        entry: Entry,
    ) {
        let Entry { key, key_span, value: Node { kind, span } } = entry;
        let Kind::Map(entries) = kind else {
            let value = Node { kind, span };
            let (code, message, help) = structure::wrong_type(place, &key, &value);
            let at = if value.is_scalar() { &value.span } else { &key_span };
            self.issue(place, at, code, message, help);
            self.discard(place, Entry { key, key_span, value });
            return;
        };
        if all.of(&key).is_none() {
            // Where the main file must have a key, nothing is said of it in its place.
            if key == "tenants" {
                self.discard(place, Entry { key, key_span, value: Node { kind: Kind::Map(entries), span } });
                return;
            }
            let value = Node { kind: Kind::Map(Entries::default()), span: span.clone() };
            all.push(Entry { key: key.clone(), key_span: key_span.clone(), value });
        }
        // What is no mapping in the main file is the schema's affair.
        let Some(Entry { value: Node { kind: Kind::Map(all), .. }, .. }) = all.of_mut(&key) else { return };
        let seen = Node { kind: Kind::Map(Entries::default()), span };
        self.discard(place, Entry { key, key_span, value: seen });
        match shared {
            Shared::Names => all.extend(entries),
            Shared::Keys(shared) => self.merge_entries(files, place, shared, all, entries),
        }
    }

    fn misplaced(&mut self, files: &Files, place: &Place, entry: Entry, is_in_main: bool) {
        let main = files.main().file_name().unwrap_or_default().display();
        let message = format!("`{place}` can stand in the main file only, not in one that it includes");
        let help = if is_in_main {
            format!("remove it: `{main}` has it already")
        } else {
            format!("move it to `{main}`")
        };
        self.issue(place, &entry.key_span, "misplaced_key", message, Some(help));
        self.discard(place, entry);
    }

    /// Keeps the entry at `place` only for the lines of the text that show it.
    fn discard(&mut self, place: &Place, entry: Entry) {
        let around = place.steps().into_iter().rev().skip(1);
        let entry = around.fold(entry, |entry, step| match step {
            Step::Key(key) => {
                let key_span = entry.key_span.clone();
                let value = Node { kind: Kind::Map(vec![entry].into()), span: Span::default() };
                Entry { key: key.to_string(), key_span, value }
            }
            Step::Item(_) => entry,
        });
        if let Kind::Map(entries) = &mut self.rest.kind {
            entries.push(entry);
        }
    }

    fn issue(
        &mut self,
        place: &Place,
        span: &Span,
        code: &'static str,
        message: String,
        help: Option<String>,
    ) {
        self.add(Severity::Error, place, span, code, message, help);
    }

    fn add(
        &mut self,
        severity: Severity,
        place: &Place,
        span: &Span,
        code: &'static str,
        message: String,
        help: Option<String>,
    ) {
        self.issues.push(Issue { severity, place: place.clone(), span: span.clone(), code, message, help });
    }
}

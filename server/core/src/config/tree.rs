//! A YAML document in which every value knows where it was written.

use std::{
    cell::OnceCell,
    ops::{Deref, Range},
};

use serde_json::{Map, Number, Value};

use super::place::{Place, Step};

/// A value and its place in the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Entries),
}

/// The entries of a mapping in the order of the text, found fast by their keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries {
    entries: Vec<Entry>,
    /// Their indexes by key, and of one key by place; made when first needed.
    sorted: OnceCell<Vec<usize>>,
}

/// A key and its value. A mapping may hold a key twice: finding that is the
/// reader's affair.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) value: Node,
}

/// Bytes of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// Where it is written.
    pub(super) bytes: Range<usize>,
    /// Where the alias is through which it got here, if one.
    pub(super) alias: Option<usize>,
}

/// In mappings that are no larger, looking at every entry is faster.
const FEW: usize = 8;

impl Entries {
    pub(super) fn of(&self, key: &str) -> Option<&Entry> {
        if self.entries.len() <= FEW {
            return self.entries.iter().find(|entry| entry.key == key);
        }
        let sorted = self.sorted();
        let at = sorted.partition_point(|index| self.key(*index) < key);
        sorted.get(at).and_then(|index| self.entries.get(*index)).filter(|entry| entry.key == key)
    }

    pub(super) fn of_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    /// Whether a key is there twice.
    pub(super) fn have_duplicates(&self) -> bool {
        if self.entries.len() <= FEW {
            let mut rest = self.entries.as_slice();
            while let Some((first, others)) = rest.split_first() {
                if others.iter().any(|other| other.key == first.key) {
                    return true;
                }
                rest = others;
            }
            return false;
        }
        self.sorted().windows(2).any(|pair| match pair {
            [one, other] => self.key(*one) == self.key(*other),
            _ => false,
        })
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.extend([entry]);
    }

    pub(super) fn extend(&mut self, entries: impl IntoIterator<Item = Entry>) {
        self.sorted = OnceCell::new();
        self.entries.extend(entries);
    }

    fn sorted(&self) -> &[usize] {
        self.sorted.get_or_init(|| {
            let mut sorted: Vec<usize> = (0..self.entries.len()).collect();
            // Stable, so that of one key the first comes first.
            sorted.sort_by(|one, other| self.key(*one).cmp(self.key(*other)));
            sorted
        })
    }

    fn key(&self, index: usize) -> &str {
        self.entries.get(index).map(|entry| entry.key.as_str()).unwrap_or_default()
    }
}

impl From<Vec<Entry>> for Entries {
    fn from(entries: Vec<Entry>) -> Self {
        Self { entries, sorted: OnceCell::new() }
    }
}

impl Deref for Entries {
    type Target = [Entry];

    fn deref(&self) -> &[Entry] {
        &self.entries
    }
}

impl IntoIterator for Entries {
    type Item = Entry;
    type IntoIter = std::vec::IntoIter<Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl PartialEq for Entries {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Span {
    /// A place without length.
    pub(super) fn at(byte: usize) -> Self {
        Self { bytes: byte..byte, alias: None }
    }

    fn shift(&mut self, by: usize) {
        self.bytes = self.bytes.start + by..self.bytes.end + by;
        self.alias = self.alias.map(|alias| alias + by);
    }
}

/// What [`Node::find`] found.
pub(super) struct Found<'a> {
    /// The key of the value, where it has one.
    pub(super) key: Option<&'a Span>,
    pub(super) node: &'a Node,
}

impl Node {
    /// The value at `place`, or the nearest one around it.
    pub(super) fn find(&self, place: &Place) -> Found<'_> {
        let mut found = Found { key: None, node: self };
        for step in place.steps() {
            let next = match (step, &found.node.kind) {
                (Step::Key(key), Kind::Map(entries)) => {
                    entries.of(key).map(|entry| Found { key: Some(&entry.key_span), node: &entry.value })
                }
                (Step::Item(index), Kind::List(items)) => {
                    items.get(*index).map(|node| Found { key: None, node })
                }
                _ => None,
            };
            let Some(next) = next else { return found };
            found = next;
        }
        found
    }

    /// The value at exactly `place`.
    pub(super) fn at(&self, place: &Place) -> Option<&Self> {
        place.steps().into_iter().try_fold(self, |node, step| match (step, &node.kind) {
            (Step::Key(key), _) => node.get(key),
            (Step::Item(index), Kind::List(items)) => items.get(*index),
            _ => None,
        })
    }

    /// The entry of a key of the mapping at `place`, if there is one.
    pub(super) fn entry(&self, place: &Place, key: &str) -> Option<&Entry> {
        self.at(place)?.entry_of(key)
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entry_of(key).map(|entry| &entry.value)
    }

    fn entry_of(&self, key: &str) -> Option<&Entry> {
        if let Kind::Map(entries) = &self.kind { entries.of(key) } else { None }
    }

    /// How many values there are, this one included.
    pub(super) fn count(&self) -> usize {
        match &self.kind {
            Kind::List(items) => 1 + items.iter().map(Self::count).sum::<usize>(),
            Kind::Map(entries) => 1 + entries.iter().map(|entry| entry.value.count()).sum::<usize>(),
            _ => 1,
        }
    }

    /// Whether it is a mapping that has a key twice.
    pub(super) fn has_duplicate_keys(&self) -> bool {
        if let Kind::Map(entries) = &self.kind { entries.have_duplicates() } else { false }
    }

    /// Whether it is one, or any mapping in it.
    pub(super) fn has_duplicates(&self) -> bool {
        match &self.kind {
            Kind::List(items) => items.iter().any(Self::has_duplicates),
            Kind::Map(entries) => {
                entries.have_duplicates() || entries.iter().any(|entry| entry.value.has_duplicates())
            }
            _ => false,
        }
    }

    /// Moves everything by so many bytes.
    pub(super) fn shift(&mut self, by: usize) {
        self.span.shift(by);
        match &mut self.kind {
            Kind::List(items) => items.iter_mut().for_each(|item| item.shift(by)),
            Kind::Map(entries) => {
                for entry in &mut entries.entries {
                    entry.key_span.shift(by);
                    entry.value.shift(by);
                }
            }
            _ => {}
        }
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self.kind, Kind::Map(_))
    }

    /// The entries of a mapping; none of anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        if let Kind::Map(entries) = &self.kind { entries } else { &[] }
    }

    /// The same as JSON. Of a key that is there twice, the first counts.
    pub(super) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(number) => whole(number).map_or_else(|| Value::Number(number.clone()), Value::from),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(entries) => {
                let mut map = Map::new();
                for entry in entries.iter() {
                    map.entry(entry.key.clone()).or_insert_with(|| entry.value.to_json());
                }
                Value::Object(map)
            }
        }
    }

    /// What the value is, in words.
    pub(super) fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "nothing",
            Kind::Bool(true) => "`true`",
            Kind::Bool(false) => "`false`",
            Kind::Number(number) if number.is_f64() => "a number with a fraction",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }

    /// Whether a caret can point at the whole of it.
    pub(super) fn is_scalar(&self) -> bool {
        matches!(self.kind, Kind::Bool(_) | Kind::Number(_) | Kind::Text(_))
    }
}

/// JSON Schema takes `30.0` for a whole number, so let it be one.
fn whole(number: &Number) -> Option<i64> {
    let float = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0)?;
    format!("{float:.0}").parse().ok()
}

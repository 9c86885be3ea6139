//! From text to a [`Node`] tree, within narrow limits.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::{DuplicateKeyPolicy, Location, NonFiniteFloatPolicy, Options, Spanned};

use super::{
    page::{Page, Position},
    tree::{Entry, Kind, Node, Span},
};

mod refusal;

pub(super) use refusal::Refusal;

/// No configuration is larger.
pub(super) const MAX_BYTES: usize = 1024 * 1024;

/// Mappings and lists within one another.
const MAX_DEPTH: usize = 32;

/// Aliases, anchors and merge keys, of each kind.
const MAX_ALIASES: usize = 256;

/// Reads one document.
pub(super) fn read(page: &Page<'_>) -> Result<Node, Refusal> {
    serde_saphyr::from_str_with_options(page.text(), options()).map_err(|error| {
        let error = error.without_snippet();
        let (code, message, help) = refusal::words(error);
        let at = error.location().map_or(0, |location| offset(page, &location));
        Refusal { at, code, message, help }
    })
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH + 1,
            max_nodes: 100_000,
            max_events: 300_000,
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_merge_keys: MAX_ALIASES,
            max_documents: 1,
            max_total_scalar_bytes: 4 * MAX_BYTES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
            max_replay_stack_depth: 16,
        },
        // Every duplicate is to be reported, with both places.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        reject_unsupported_tags: true,
        // The library's own snippets would show secrets.
        with_snippet: false,
    }
}

fn offset(page: &Page<'_>, location: &Location) -> usize {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    page.offset(Position { line: number(location.line()), column: number(location.column()) })
}

impl Span {
    fn new(defined: &Location, referenced: &Location) -> Self {
        let bytes = |location: &Location| {
            let span = location.span();
            let start = usize::try_from(span.byte_offset()?).ok()?;
            let length = usize::try_from(span.byte_len()?).ok()?;
            Some(start..start.saturating_add(length))
        };
        let written = bytes(defined).unwrap_or_default();
        let alias = bytes(referenced).map(|used| used.start).filter(|used| *used != written.start);
        Self { bytes: written, alias }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, defined } = Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Self { kind: value, span: Span::new(&defined, &referenced) })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Kind, E> {
        Ok(Number::from_f64(value).map_or(Kind::Null, Kind::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut mapping: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = mapping.next_key::<Spanned<String>>()? {
            let key_span = Span::new(&key.defined, &key.referenced);
            entries.push(Entry { key: key.value, key_span, value: mapping.next_value()? });
        }
        Ok(Kind::Map(entries.into()))
    }
}

//! Whether a configuration has the shape that its schema describes.

use jsonschema::{ValidationError, error::ValidationErrorKind};
use serde_json::Value;

use super::{
    mask::quoted,
    place::{Place, Step},
    raw::RawConfig,
    report::Report,
    schema::{self, Known},
    suggest::{closest, listed},
    tree::{Kind, Node},
};

/// Reports what the schema does not allow, and reads the rest.
pub(super) fn read(report: &mut Report<'_>) -> RawConfig {
    if report.has_duplicates() {
        report_duplicates(report, report.tree(), &Place::root());
    }
    let mut value = report.tree().to_json();
    let Some(validator) = schema::validator() else {
        report.error(
            &Place::root(),
            "internal",
            "the schema of the configuration is broken".to_owned(),
            None,
        );
        return RawConfig::default();
    };
    // INVARIANT: an error's own words quote values, which may be secrets, so
    // none of them is used.
    let flaws: Vec<Flaw> = validator.iter_errors(&value).map(|error| Flaw::new(&error, &value)).collect();
    for flaw in &flaws {
        flaw.report(report);
        flaw.remove(&mut value);
    }
    // Nothing that the schema refuses may pass because we found no words for it.
    if flaws.iter().any(Flaw::is_ours) && !report.has_errors() {
        let message = "the configuration does not fit its schema".to_owned();
        report.error(&Place::root(), "internal", message, None);
    }
    serde_json::from_value(value).unwrap_or_else(|_| {
        let message = "the configuration does not have the expected shape".to_owned();
        report.error(&Place::root(), "internal", message, None);
        RawConfig::default()
    })
}

fn report_duplicates(report: &mut Report<'_>, node: &Node, place: &Place) {
    match &node.kind {
        Kind::Map(entries) => {
            let mut seen = std::collections::BTreeMap::new();
            for entry in entries.iter() {
                let here = place.key(entry.key.clone());
                let first = *seen.entry(entry.key.as_str()).or_insert(entry.key_span.bytes.start);
                if first == entry.key_span.bytes.start {
                    report_duplicates(report, &entry.value, &here);
                } else {
                    let name = report.name(place, &entry.key);
                    let first = report.position_of(first, entry.key_span.bytes.start);
                    let message = format!("`{name}` is here twice, first at {first}");
                    let help = "keep one of them".to_owned();
                    report.error_at(&here, &entry.key_span, "duplicate_key", message, Some(help));
                }
            }
        }
        Kind::List(items) => {
            for (index, item) in items.iter().enumerate() {
                report_duplicates(report, item, &place.item(index));
            }
        }
        _ => {}
    }
}

/// One thing that the schema does not allow.
struct Flaw {
    place: Place,
    fault: Fault,
}

enum Fault {
    UnknownKeys(Vec<String>),
    MissingKey(String),
    WrongType,
    NoneOf(Vec<String>),
    Empty,
    Below(String),
    Above(String),
    /// The parser of the value says it better.
    SaidElsewhere,
    Other,
}

impl Flaw {
    fn new(error: &ValidationError<'_>, root: &Value) -> Self {
        use ValidationErrorKind as E;
        let fault = match error.kind() {
            E::AdditionalProperties { unexpected } => Fault::UnknownKeys(unexpected.clone()),
            E::Required { property } => Fault::MissingKey(property.as_str().unwrap_or_default().to_owned()),
            E::Type { .. } => Fault::WrongType,
            E::Enum { options } => {
                let options = options.as_array().into_iter().flatten().filter_map(Value::as_str);
                Fault::NoneOf(options.map(str::to_owned).collect())
            }
            // The only one: `agents` or `include`.
            E::AnyOf { .. } => Fault::MissingKey("agents".to_owned()),
            E::MinItems { .. } | E::MinLength { .. } => Fault::Empty,
            E::Minimum { limit } => Fault::Below(limit.to_string()),
            E::Maximum { limit } => Fault::Above(limit.to_string()),
            E::Pattern { .. } | E::PropertyNames { .. } => Fault::SaidElsewhere,
            _ => Fault::Other,
        };
        Self { place: place_of_pointer(error.instance_path().as_str(), root), fault }
    }

    fn is_ours(&self) -> bool {
        !matches!(self.fault, Fault::SaidElsewhere)
    }

    fn report(&self, report: &mut Report<'_>) {
        let place = &self.place;
        let label = report.shown(place).label();
        match &self.fault {
            Fault::UnknownKeys(keys) => keys.iter().for_each(|key| unknown_key(report, place, key)),
            Fault::MissingKey(key) => {
                let example = Known::at(&place.key(key.clone())).and_then(Known::example).unwrap_or_default();
                let help = format!("add it, as in `{key}: {example}`");
                report.key_error(place, "missing_key", format!("`{key}` is missing"), Some(help));
            }
            Fault::WrongType => {
                let (code, message, help) = wrong_type(place, &label, report.tree().find(place).node);
                report.error(place, code, message, help);
            }
            Fault::NoneOf(options) => {
                let Kind::Text(text) = &report.tree().find(place).node.kind else { return };
                let names = || options.iter().map(String::as_str);
                let message = format!("{} is not one of {}", quoted(text), listed(names(), "and"));
                let help = closest(text, names()).map(|name| format!("did you mean `{name}`?"));
                report.error(place, "unknown_value", message, help);
            }
            Fault::Empty => report.error(place, "empty_value", format!("`{label}` cannot be empty"), None),
            Fault::Below(limit) => {
                report.error(place, "out_of_range", format!("`{label}` must be at least {limit}"), None);
            }
            Fault::Above(limit) => {
                report.error(place, "out_of_range", format!("`{label}` can be at most {limit}"), None);
            }
            Fault::SaidElsewhere => {}
            Fault::Other => report.error(place, "invalid_value", format!("`{label}` is not allowed"), None),
        }
    }

    /// Takes what was reported out of the value, so that the rest can be read.
    fn remove(&self, value: &mut Value) {
        match &self.fault {
            Fault::UnknownKeys(keys) => {
                if let Some(Value::Object(map)) = at_mut(value, &self.place) {
                    map.retain(|key, _| !keys.contains(key));
                }
            }
            Fault::MissingKey(_) | Fault::SaidElsewhere => {}
            _ => match self.place.split_last() {
                Some((around, Step::Key(key))) => {
                    if let Some(Value::Object(map)) = at_mut(value, around) {
                        map.remove(key.as_ref());
                    }
                }
                Some((_, Step::Item(_))) => {
                    // The other items keep their numbers.
                    if let Some(item) = at_mut(value, &self.place) {
                        *item = Value::Null;
                    }
                }
                None => *value = Value::Object(serde_json::Map::new()),
            },
        }
    }
}

/// Code, message and help about a value of the wrong type.
pub(super) fn wrong_type(place: &Place, label: &str, node: &Node) -> (&'static str, String, Option<String>) {
    let Some(known) = Known::at(place) else {
        return ("wrong_type", format!("`{label}` cannot be {}", node.describe()), None);
    };
    let example = || known.example().map(|example| format!("write it as in `{label}: {example}`"));
    let text = if let Kind::Text(text) = &node.kind { text.as_str() } else { "" };
    let (code, message) = match node.kind {
        Kind::Null => ("no_value", format!("`{label}` has no value")),
        _ => ("wrong_type", format!("`{label}` must be {}, not {}", known.describe(), node.describe())),
    };
    let help = match node.kind {
        Kind::Null if known.expects("array") => Some("write `[]` for none, or remove the key".to_owned()),
        Kind::Null if known.expects("object") => Some("write `{}`, or remove the key".to_owned()),
        Kind::Null => Some("give it one, or remove the key".to_owned()),
        _ if known.expects("boolean") && ["yes", "on"].contains(&text) => Some("write `true`".to_owned()),
        _ if known.expects("boolean") && ["no", "off"].contains(&text) => Some("write `false`".to_owned()),
        _ if known.expects("integer") && text.replace('_', "").parse::<u64>().is_ok() => {
            Some("write it without quotes and in digits only".to_owned())
        }
        Kind::Bool(_) | Kind::Number(_) if known.expects("string") => {
            example().or_else(|| Some("put it in quotes".to_owned()))
        }
        _ => example(),
    };
    (code, message, help)
}

fn unknown_key(report: &mut Report<'_>, place: &Place, key: &str) {
    let Some(known) = Known::at(place) else { return };
    let Some(entry) = report.tree().entry(place, key) else { return };
    let name = report.name(place, key);
    let homes = Known::homes(key);
    let help = if name != key {
        "every key needs a `:` and a space after it".to_owned()
    } else if let Some(near) = closest(key, known.keys()) {
        format!("did you mean `{near}`?")
    } else if !homes.is_empty() {
        format!("it belongs below {}", listed(homes.iter().map(String::as_str), "or"))
    } else if let [only] = known.keys().collect::<Vec<_>>().as_slice() {
        format!("only `{only}` is allowed here")
    } else {
        format!("allowed here are {}", listed(known.keys(), "and"))
    };
    report.error_at(place, &entry.key_span, "unknown_key", format!("unknown key `{name}`"), Some(help));
}

fn place_of_pointer(pointer: &str, root: &Value) -> Place {
    let mut value = Some(root);
    let mut place = Place::root();
    for part in pointer.split('/').skip(1) {
        let name = part.replace("~1", "/").replace("~0", "~");
        let index = value.filter(|value| value.is_array()).and_then(|_| name.parse::<usize>().ok());
        (place, value) = match index {
            Some(index) => (place.item(index), value.and_then(|value| value.get(index))),
            None => (place.key(name.clone()), value.and_then(|value| value.get(&name))),
        };
    }
    place
}

fn at_mut<'v>(value: &'v mut Value, place: &Place) -> Option<&'v mut Value> {
    place.steps().into_iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key.as_ref()),
        Step::Item(index) => value.get_mut(*index),
    })
}

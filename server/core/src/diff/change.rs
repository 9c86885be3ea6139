//! One change, in a sentence for people and as data for programs.

use std::fmt;

use plugin_contract::PluginName;
use serde::{Serialize, Serializer};

use crate::{
    config::quoted,
    id::{AgentId, DatabaseName, KeyName, RootName, SecretName, TenantId},
    policy::Thing,
    settings::Filters,
};

/// How many names one sentence holds.
const NAMES: usize = 8;
/// How many characters of one value a sentence holds.
const CHARACTERS: usize = 100;

/// What is different, and for whom. `Display` is a sentence; as JSON it is
/// `{kind, subject, …, text}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// For whom, or of what.
    pub subject: Subject,
    /// What is different.
    pub what: What,
}

/// Whom or what a change is about. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Subject {
    /// One agent, or several of one tenant to whom the same happens.
    Agents {
        /// Their tenant: the new one, where it changed.
        tenant: TenantId,
        /// Who they are.
        agents: Vec<AgentId>,
    },
    /// A tenant.
    Tenant {
        /// Which.
        name: TenantId,
    },
    /// A trusted key.
    Key {
        /// Which.
        name: KeyName,
    },
    /// The operator's entry for a plugin.
    PluginEntry {
        /// For which.
        name: PluginName,
    },
    /// A secret that is attached to requests.
    Secret {
        /// Which.
        name: SecretName,
    },
    /// A plugin that is there to be used.
    Plugin {
        /// Which.
        name: PluginName,
    },
    /// A folder whose files can be read.
    FileRoot {
        /// Which.
        name: RootName,
    },
    /// A database that can be queried.
    Database {
        /// Which.
        name: DatabaseName,
    },
    /// A key of the configuration that is about no one in particular.
    Setting {
        /// Which, as in `server.listen`.
        key: &'static str,
    },
}

/// What can be different.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// It is no longer there.
    Removed,
    /// A key does not count any more.
    Revoked,
    /// An agent may no longer use these.
    Loses {
        /// What they are.
        thing: Thing,
        /// Which.
        names: Vec<String>,
    },
    /// An agent may use these now.
    Gains {
        /// What they are.
        thing: Thing,
        /// Which.
        names: Vec<String>,
    },
    /// It was not there.
    New {
        /// What an agent may use, or which version a plugin has.
        names: Vec<String>,
    },
    /// A key counts again.
    Unrevoked,
    /// Tokens changed. Which ones, nobody is told.
    Tokens {
        /// How many gave way to another one.
        replaced: usize,
        /// How many there are more.
        added: usize,
        /// How many there are less.
        removed: usize,
    },
    /// A list holds something else.
    List {
        /// Which.
        list: &'static str,
        /// What it holds now.
        added: Vec<String>,
        /// What it does not hold any more.
        removed: Vec<String>,
        /// Why this is told in terms of patterns.
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// A value is another one.
    Value {
        /// Which; empty where the subject says it all.
        #[serde(skip_serializing_if = "str::is_empty")]
        value: &'static str,
        /// Before.
        from: String,
        /// Now.
        to: String,
    },
    /// Something is different that is not to be shown.
    Changed {
        /// What it is.
        value: &'static str,
    },
}

impl What {
    /// What is different about filters.
    pub(super) fn filters(was: Filters, is: Filters) -> impl Iterator<Item = Self> {
        let results = Self::value("filters.results", was.results(), is.results());
        let prompts = Self::value("filters.prompts", was.prompts.as_str(), is.prompts.as_str());
        results.into_iter().chain(prompts)
    }

    /// The place in a report: first what somebody misses, then what nobody should
    /// have got.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Removed | Self::Revoked => 0,
            Self::Loses { .. } => 1,
            Self::Gains { .. } => 2,
            Self::New { .. } | Self::Unrevoked => 3,
            Self::Tokens { .. } | Self::List { .. } | Self::Value { .. } | Self::Changed { .. } => 4,
        }
    }

    /// A list that holds something else, if it does. One more list to compare is
    /// one more call.
    pub(super) fn list<T: ToString>(
        list: &'static str,
        old: impl IntoIterator<Item = T>,
        new: impl IntoIterator<Item = T>,
    ) -> Option<Self> {
        let old: Vec<_> = old.into_iter().map(|it| it.to_string()).collect();
        let new: Vec<_> = new.into_iter().map(|it| it.to_string()).collect();
        let beyond = |these: &[String], those: &[String]| -> Vec<String> {
            these.iter().filter(|it| !those.contains(it)).map(|it| shown(it)).collect()
        };
        let (added, removed) = (beyond(&new, &old), beyond(&old, &new));
        let same = added.is_empty() && removed.is_empty();
        (!same).then_some(Self::List { list, added, removed, note: None })
    }

    /// A value that is another one, if it is.
    pub(super) fn value<T: ToString>(value: &'static str, old: T, new: T) -> Option<Self> {
        let (from, to) = (old.to_string(), new.to_string());
        (from != to).then(|| Self::Value { value, from: shown(&from), to: shown(&to) })
    }
}

/// A value as a sentence may hold it: none that looks like a secret, nothing that
/// a terminal takes for an order or does not show.
pub(super) fn shown(text: &str) -> String {
    let quoted = quoted(text);
    let mut visible = String::with_capacity(quoted.len());
    for character in quoted.trim_matches('`').chars() {
        if "\"'\\".contains(character) {
            visible.push(character);
        } else {
            visible.extend(character.escape_debug());
        }
    }
    shorter(&visible)
}

/// So many names, and how many more there are.
fn listed(names: &[String]) -> String {
    let mut listed = names.iter().take(NAMES).map(|name| shorter(name)).collect::<Vec<_>>().join(", ");
    if let Some(more) = names.len().checked_sub(NAMES).filter(|more| *more > 0) {
        listed.push_str(&format!(" and {more} more"));
    }
    listed
}

/// The names of tools and resources show what they are.
fn things(thing: Thing, names: &[String]) -> String {
    let word = match (thing, names) {
        (Thing::Tool | Thing::Resource | Thing::FileRoot | Thing::Database, _) => "",
        (Thing::Prompt, [_]) => "prompt ",
        (Thing::Prompt, _) => "prompts ",
    };
    format!("{word}{}", listed(names))
}

fn shorter(name: &str) -> String {
    match name.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}

impl Subject {
    fn is_plural(&self) -> bool {
        matches!(self, Self::Agents { agents, .. } if agents.len() > 1)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agents { tenant, agents } => match agents.as_slice() {
                [agent] => write!(f, "agent {agent}"),
                agents => write!(f, "{} agents of tenant {tenant}", agents.len()),
            },
            Self::Tenant { name } => write!(f, "tenant {name}"),
            Self::Key { name } => write!(f, "key {name}"),
            Self::PluginEntry { name } => write!(f, "plugin entry {name}"),
            Self::Secret { name } => write!(f, "secret {name}"),
            Self::Plugin { name } => write!(f, "plugin {name}"),
            Self::FileRoot { name } => write!(f, "file root {name}"),
            Self::Database { name } => write!(f, "database {name}"),
            Self::Setting { key } => f.write_str(key),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, what } = self;
        let many = subject.is_plural();
        let are = if many { "are" } else { "is" };
        match what {
            What::Removed => write!(f, "{subject} {are} removed"),
            What::Revoked => write!(f, "{subject} is revoked"),
            What::Unrevoked => write!(f, "{subject} is no longer revoked"),
            What::Loses { thing, names } => {
                write!(f, "{subject} {} {}", if many { "lose" } else { "loses" }, things(*thing, names))
            }
            What::Gains { thing, names } => {
                write!(f, "{subject} {} {}", if many { "gain" } else { "gains" }, things(*thing, names))
            }
            What::New { names } => self.arrival(f, are, names),
            What::Tokens { replaced, added, removed } => {
                write!(f, "{subject}: {}", tokens(*replaced, *added, *removed))
            }
            What::List { list, added, removed, note } => {
                let signed = |sign: &str, items: &[String]| {
                    (!items.is_empty()).then(|| format!("{sign} {}", listed(items)))
                };
                let items: Vec<_> = signed("+", added).into_iter().chain(signed("-", removed)).collect();
                let items = items.join(", ");
                match *list {
                    "" => write!(f, "{subject} {items}"),
                    list => write!(f, "{subject}: {list} {items}"),
                }?;
                note.as_ref().map_or(Ok(()), |note| write!(f, " ({note})"))
            }
            What::Value { value: "", from, to } => write!(f, "{subject} {from} → {to}"),
            What::Value { value, from, to } => write!(f, "{subject}: {value} {from} → {to}"),
            What::Changed { value } => write!(f, "{subject}: {value} changed"),
        }
    }
}

impl Change {
    fn arrival(&self, f: &mut fmt::Formatter<'_>, are: &str, names: &[String]) -> fmt::Result {
        let subject = &self.subject;
        match subject {
            Subject::Agents { tenant, agents } => {
                write!(f, "{subject} {are} new")?;
                if let [_] = agents.as_slice() {
                    write!(f, ", in tenant {tenant}")?;
                }
                match names {
                    [] => f.write_str(": nothing that is loaded"),
                    names => write!(f, ": {}", listed(names)),
                }
            }
            Subject::Plugin { .. } => write!(f, "{subject} {} is new", listed(names)),
            _ => write!(f, "{subject} is new"),
        }
    }
}

fn tokens(replaced: usize, added: usize, removed: usize) -> String {
    let some = |count: usize, word: &str| match count {
        0 => None,
        1 => Some(format!("a token was {word}")),
        count => Some(format!("{count} tokens were {word}")),
    };
    let parts = [some(replaced, "replaced"), some(added, "added"), some(removed, "removed")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat<'c> {
            #[serde(flatten)]
            what: &'c What,
            subject: &'c Subject,
            text: String,
        }
        Flat { what: &self.what, subject: &self.subject, text: self.to_string() }.serialize(serializer)
    }
}

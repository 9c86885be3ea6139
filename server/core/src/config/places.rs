//! Where a configuration says what it says: for answers about a configuration
//! that is in force.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    Environment, Included, Source,
    files::Files,
    include::{self, Parts},
    page::{Page, Position},
    place::Place,
    tree::{Kind, Node},
};
use crate::{id::AgentId, limits::Level, policy::Holder};

/// The texts of a configuration, read again for the places in them.
pub struct Places {
    files: Files,
    parts: Parts,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    /// The file.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The same in terms of keys, as in `agents.laptop.tools[0]`.
    pub config_path: String,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}

/// Nothing but the files that were compiled.
struct Sources<'a>(&'a [Source]);

impl Environment for Sources<'_> {
    fn variable(&self, _name: &str) -> Option<String> {
        None
    }

    fn file(&self, _path: &Path) -> Result<String, String> {
        Err("only places are looked for".to_owned())
    }

    /// All of them, whatever the pattern: it is known that the patterns name these,
    /// and each counts once.
    fn included(&self, _pattern: &Path) -> Result<Vec<Included>, String> {
        let included = self.0.iter().map(|source| {
            let (path, text) = (source.path.clone(), Ok(source.text.clone()));
            Included { path, text }
        });
        Ok(included.collect())
    }
}

impl Places {
    /// Of what was compiled, the main file first. `None`: that is no YAML.
    #[must_use]
    pub fn of(sources: &[Source]) -> Option<Self> {
        let (main, others) = sources.split_first()?;
        let tree = include::read(main, "").ok()?;
        let mut files = Files::new(main);
        let mut parts = Parts::new(tree);
        parts.include(main, &Sources(others), &mut files);
        Some(Self { files, parts })
    }

    /// The item with that text in a list of somebody's, or of a profile that the
    /// agent has.
    #[must_use]
    pub fn item(&self, holder: &Holder, list: &'static str, text: &str) -> Option<Spot> {
        let own = section(holder);
        let mut sections = vec![own.clone()];
        sections.extend(self.profiles(holder));
        sections.iter().find_map(|section| {
            let place = section.key(list);
            let Kind::List(items) = &self.parts.tree.at(&place)?.kind else { return None };
            let is_it = |item: &Node| matches!(&item.kind, Kind::Text(written) if written == text);
            self.spot(&place.item(items.iter().position(is_it)?))
        })
    }

    /// The list that somebody would need another item in; or where that list
    /// belongs.
    #[must_use]
    pub fn list(&self, holder: &Holder, list: &'static str) -> Option<Spot> {
        self.nearest(&section(holder).key(list))
    }

    /// Where a limit is set: for an agent its own, that of a profile, or the one for
    /// all. `None`: nowhere.
    #[must_use]
    pub fn limit(&self, level: &Level, limit: &'static str) -> Option<Spot> {
        let root = Place::root();
        let places = match level {
            Level::Agent(agent) => {
                let holder = Holder::Agent(agent.clone());
                let own = [section(&holder)].into_iter().chain(self.profiles(&holder));
                own.map(|place| place.key("limits")).chain([root.key("limits")]).collect()
            }
            Level::Tenant(tenant) => vec![section(&Holder::Tenant(tenant.clone())).key("limits")],
            Level::Tools(tools) => vec![root.key("tool_limits").key(tools.to_string())],
        };
        places.iter().find_map(|place| self.spot(&place.key(limit)))
    }

    /// What an agent's tokens are said to be, references all, and the one or two keys
    /// that say so. `None`: there is no such agent.
    #[must_use]
    pub fn tokens(&self, agent: &AgentId) -> Option<(Vec<Spot>, Vec<String>)> {
        let agent = section(&Holder::Agent(agent.clone()));
        let keys = ["token", "tokens"].map(|key| agent.key(key));
        let written = keys.iter().filter_map(|key| self.parts.tree.at(key));
        let references = written.flat_map(|node| match &node.kind {
            Kind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        });
        let references = references.filter_map(|node| match &node.kind {
            Kind::Text(reference) => Some(reference.clone()),
            _ => None,
        });
        let spots: Vec<_> = keys.iter().filter_map(|key| self.spot(key)).collect();
        (!spots.is_empty()).then(|| (spots, references.collect()))
    }

    fn profiles(&self, holder: &Holder) -> Vec<Place> {
        let list = section(holder).key("profiles");
        let Some(Kind::List(items)) = self.parts.tree.at(&list).map(|node| &node.kind) else {
            return Vec::new();
        };
        let names = items.iter().filter_map(|item| match &item.kind {
            Kind::Text(name) => Some(Place::root().key("profiles").key(name.clone())),
            _ => None,
        });
        names.collect()
    }

    fn spot(&self, place: &Place) -> Option<Spot> {
        self.parts.tree.at(place)?;
        self.nearest(place)
    }

    fn nearest(&self, place: &Place) -> Option<Spot> {
        let mut known = place;
        while self.parts.tree.at(known).is_none() {
            known = known.split_last()?.0;
        }
        let found = self.parts.tree.find(known);
        let span = found.key.filter(|_| !found.node.is_scalar()).unwrap_or(&found.node.span);
        let at = span.alias.unwrap_or(span.bytes.start);
        let Position { line, column } = self.files.position(&Page::new(self.files.text()), at);
        Some(Spot { path: self.files.path(at).to_owned(), line, column, config_path: known.to_string() })
    }
}

fn section(holder: &Holder) -> Place {
    let root = Place::root();
    match holder {
        Holder::Agent(agent) => root.key("agents").key(agent.to_string()),
        Holder::Tenant(tenant) => root.key("tenants").key(tenant.to_string()),
        Holder::Plugin(plugin) => root.key("plugins").key("entries").key(plugin.to_string()),
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places").finish_non_exhaustive()
    }
}

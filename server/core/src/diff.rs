//! Who gains and who loses what between two configurations.
//!
//! What counts is what the policy engine would decide: a right is compared as
//! the names it lets an agent use, tenant, deny lists, capabilities and plugins
//! included. Patterns are compared as such only for what no loaded name shows.

use serde::Serialize;

use crate::settings::Settings;

mod agents;
mod change;
mod models;
mod names;
mod operator;
mod pairs;
mod patterns;
mod rights;
mod stores;

pub use change::{Change, Subject, What};
pub use names::Names;

/// One of the two that are compared.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// What the operator decided.
    pub settings: &'a Settings,
    /// What there is to be used.
    pub names: &'a Names,
}

/// What is different between two configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// Every change, losses before gains and agents before the rest.
    pub changes: Vec<Change>,
    /// How many agents are concerned.
    pub agents: Counts,
}

/// How hard a change hits, for whoever is to hold back a mistake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// The agents there were.
    pub before: usize,
    /// Those of them that are no longer there.
    pub removed: usize,
    /// Those of them that are still there and lose the use of something.
    pub losing: usize,
}

/// Compares two configurations.
#[must_use]
pub fn diff(old: Side<'_>, new: Side<'_>) -> Diff {
    let (mut changes, agents) = agents::changes(old, new);
    changes.extend(operator::tenants(old.settings, new.settings));
    changes.extend(operator::keys(&old.settings.plugins, &new.settings.plugins));
    changes.extend(operator::entries(&old.settings.plugins, &new.settings.plugins));
    changes.extend(operator::secrets(old.settings, new.settings));
    changes.extend(operator::plugins(old.names, new.names));
    changes.extend(stores::roots(old.settings, new.settings));
    changes.extend(stores::databases(old.settings, new.settings));
    changes.extend(operator::server(old.settings, new.settings));
    changes.extend(models::offered(old.settings, new.settings));
    Diff { changes, agents }
}

impl Diff {
    /// Whether everything is as before.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The first sentences, at most `most`, and how many more there are: for a line
    /// of a log.
    #[must_use]
    pub fn summary(&self, most: usize) -> String {
        if self.is_empty() {
            return "no one gains or loses anything".to_owned();
        }
        let mut parts: Vec<_> = self.changes.iter().take(most).map(ToString::to_string).collect();
        let more = self.changes.len() - parts.len();
        if more > 0 {
            parts.push(format!("and {more} more"));
        }
        parts.join("; ")
    }
}

#[cfg(test)]
mod tests;

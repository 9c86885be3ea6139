//! Places in a configuration, in terms of its keys.

use std::fmt;

use super::mask::HIDDEN;

/// The way from the root to a value: `agents.laptop.tools[0]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place(Vec<Step>);

/// One step of a [`Place`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To the value of a key.
    Key(String),
    /// To an item of a list, counted from 0.
    Item(usize),
}

impl Place {
    pub(super) fn root() -> Self {
        Self::default()
    }

    pub(super) fn key(&self, key: impl Into<String>) -> Self {
        self.then(Step::Key(key.into()))
    }

    pub(super) fn item(&self, index: usize) -> Self {
        self.then(Step::Item(index))
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The last key as it is and what follows it: `tools[0]`.
    pub(super) fn label(&self) -> String {
        self.0.iter().fold(String::new(), |label, step| match step {
            Step::Key(key) => key.clone(),
            Step::Item(item) => format!("{label}[{item}]"),
        })
    }

    fn then(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Item(item) => write!(f, "[{item}]")?,
                Step::Key(key) => {
                    let dot = if index == 0 { "" } else { "." };
                    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == HIDDEN;
                    let plain = !key.is_empty() && key.chars().all(plain);
                    if plain { write!(f, "{dot}{key}")? } else { write!(f, "{dot}{key:?}")? }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_like_a_path() {
        let place = Place::root().key("agents").key("team.a").key("tools").item(2);
        assert_eq!(place.to_string(), "agents.\"team.a\".tools[2]");
        assert_eq!(place.label(), "tools[2]");
        assert_eq!(Place::root().to_string(), "");
    }
}

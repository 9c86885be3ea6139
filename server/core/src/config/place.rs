//! Places in a configuration, in terms of its keys.

use std::{borrow::Cow, fmt, rc::Rc};

use super::mask::HIDDEN;

/// The way from the root to a value: `agents.laptop.tools[0]`. There are many of
/// them, so they share their beginnings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place(Option<Rc<(Place, Step)>>);

/// One step of a [`Place`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To the value of a key.
    Key(Cow<'static, str>),
    /// To an item of a list, counted from 0.
    Item(usize),
}

impl Place {
    pub(super) fn root() -> Self {
        Self::default()
    }

    pub(super) fn key(&self, key: impl Into<Cow<'static, str>>) -> Self {
        self.then(Step::Key(key.into()))
    }

    pub(super) fn item(&self, index: usize) -> Self {
        self.then(Step::Item(index))
    }

    /// The steps from the root.
    pub(super) fn steps(&self) -> Vec<&Step> {
        let mut steps: Vec<&Step> =
            std::iter::successors(self.0.as_ref(), |link| link.0.0.as_ref()).map(|link| &link.1).collect();
        steps.reverse();
        steps
    }

    /// The place around it, and the step from there.
    pub(super) fn split_last(&self) -> Option<(&Self, &Step)> {
        self.0.as_deref().map(|(around, step)| (around, step))
    }

    /// The last key as it is and what follows it: `tools[0]`.
    pub(super) fn label(&self) -> String {
        self.steps().into_iter().fold(String::new(), |label, step| match step {
            Step::Key(key) => key.to_string(),
            Step::Item(item) => format!("{label}[{item}]"),
        })
    }

    fn then(&self, step: Step) -> Self {
        Self(Some(Rc::new((self.clone(), step))))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps().into_iter().enumerate() {
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

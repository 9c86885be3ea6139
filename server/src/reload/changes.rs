//! When files have changed so that they are worth another look.

use std::time::{Duration, Instant};

use crate::config_files::Inputs;

/// How long files must have stood unchanged: somebody may be writing them.
pub(super) const QUIET: Duration = Duration::from_millis(100);
/// The same for a configuration whose last line has no end.
const CUT_QUIET: Duration = Duration::from_secs(3);

/// What is known of the configuration's files, and when they were seen to be so.
pub(super) struct Changes {
    in_force: Inputs,
    /// What the files held that do not count until they change, where what is in
    /// force does not come from them.
    pinned: Option<Inputs>,
    /// What was not taken over since, and why.
    left: Option<(Inputs, Left)>,
    /// Whether the files held just that when they were looked at last.
    is_left: bool,
    /// What was found while compiling, and not yet seen to stand unchanged.
    found: Inputs,
    /// What they hold now, if it is something else, and since when.
    standing: Steady<Inputs>,
}

/// Why a configuration was not taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It has so many problems.
    Refused(usize),
    /// It waits for a confirmation.
    Held,
}

/// What to do about the files as they are now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: they are as before.
    Same,
    /// Look again after [`QUIET`].
    Wait,
    /// Nothing: they hold again what is in force.
    InForce,
    /// Nothing: they hold again what was not taken over.
    LeftBefore(Left),
    /// Compile them, if they still hold this.
    Compile(Inputs),
}

impl Changes {
    /// A configuration has just come into force.
    pub(super) fn new(in_force: Inputs) -> Self {
        Self {
            in_force,
            pinned: None,
            left: None,
            is_left: false,
            found: Inputs::default(),
            standing: Steady::default(),
        }
    }

    /// One has that does not come from the files, which hold `pinned`, but for its
    /// secrets, which do.
    pub(super) fn pinned(in_force: Inputs, pinned: Inputs) -> Self {
        Self { pinned: Some(pinned.without(&in_force)), ..Self::new(in_force) }
    }

    /// Every file that matters.
    pub(super) fn watched(&self) -> Inputs {
        let left = self.left.as_ref().map(|(inputs, _)| inputs.clone());
        let others = [self.pinned.clone(), Some(self.in_force.clone()), Some(self.found.clone())];
        others.into_iter().flatten().fold(left.unwrap_or_default(), Inputs::and)
    }

    /// What the files held that does not count until they change.
    pub(super) fn pin(&self) -> Option<&Inputs> {
        self.pinned.as_ref()
    }

    /// Judges what the watched files hold at an instant.
    pub(super) fn judge(&mut self, now: Inputs, at: Instant) -> Verdict {
        let same = match &self.left {
            Some((left, _)) if self.is_left => left.hold_in(&now),
            _ => self.is_in_force(&now),
        };
        if same {
            self.standing.forget();
            return Verdict::Same;
        }
        let quiet = self.standing.stood(&now, at);
        if quiet < QUIET {
            return Verdict::Wait;
        }
        if self.is_in_force(&now) {
            self.is_left = false;
            return Verdict::InForce;
        }
        if let Some((left, why)) = &self.left
            && left.hold_in(&now)
        {
            self.is_left = true;
            return Verdict::LeftBefore(*why);
        }
        if quiet < CUT_QUIET && now.is_cut() {
            return Verdict::Wait;
        }
        Verdict::Compile(now)
    }

    /// Whether the files that do not count are as they were.
    pub(super) fn is_pinned(&self, now: &Inputs) -> bool {
        self.pinned.as_ref().is_some_and(|pinned| pinned.hold_in(now))
    }

    /// Whether the files hold what is in force, or what does not count.
    pub(super) fn is_in_force(&self, now: &Inputs) -> bool {
        self.in_force.hold_in(now) && self.pinned.as_ref().is_none_or(|pinned| pinned.hold_in(now))
    }

    /// What was compiled has more files than were watched, or others: they are to
    /// stand unchanged first.
    pub(super) fn found(&mut self, inputs: Inputs) {
        self.found = inputs;
    }

    /// What was compiled is not taken over.
    pub(super) fn left(&mut self, inputs: Inputs, why: Left) {
        self.found = Inputs::default();
        self.left = Some((inputs, why));
        self.is_left = true;
        self.standing.forget();
    }

    /// Whether just this was not taken over the last time.
    pub(super) fn was_left(&self, inputs: &Inputs) -> bool {
        self.left.as_ref().is_some_and(|(left, _)| left == inputs)
    }
}

/// Since when something has been as it is.
#[derive(Debug)]
pub(super) struct Steady<T>(Option<(T, Instant)>);

impl<T> Default for Steady<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Clone + PartialEq> Steady<T> {
    /// How long it has been as it is `now`.
    pub(super) fn stood(&mut self, now: &T, at: Instant) -> Duration {
        match &self.0 {
            Some((was, since)) if was == now => at.saturating_duration_since(*since),
            _ => {
                self.0 = Some((now.clone(), at));
                Duration::ZERO
            }
        }
    }

    /// Nobody waits for it any more.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests;

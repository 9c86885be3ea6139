//! Where calls may go outside of the server. Decides and never connects: what
//! connects takes a [`Checked`] address, and only this module makes one.
//!
//! A request is judged twice. By its URL, before anything is asked of the network
//! ([`Scope::admit`]), and by every address that its host's name leads to
//! ([`Admitted::check`]). Agent and tenant must both allow it, and the operator's
//! entry for the plugin and the plugin's own manifest where they say something.

use std::fmt;

mod address;
mod credential;
mod destination;
mod host;
mod refusal;
mod rule;
mod scope;
mod widened;

pub use address::{Class, classify};
pub use credential::{Attachment, Credential};
pub use destination::{Destination, Host, InvalidUrl, Target};
pub use host::{HostName, InvalidHost};
pub use refusal::{Owner, Refusal};
pub use rule::{InvalidRule, Rule, Scheme};
pub use scope::{Admitted, Checked, Scope};
pub use widened::widened;

/// One list of rules, as an agent, a tenant or a plugin's entry has it. Without
/// any, nothing is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rules {
    /// Where it lets calls go.
    pub allow: Vec<Rule>,
    /// Where it does not, whatever `allow` says.
    pub deny: Vec<Rule>,
    /// What becomes of a request that it does not let through.
    pub mode: Mode,
}

/// What a list of rules does about a request that it does not let through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Refuses it.
    #[default]
    Enforce,
    /// Logs it, and lets it through to any public address: for finding out what
    /// the rules must be. Addresses that are not public need a rule all the same.
    Report,
}

impl Rules {
    /// The hosts of these that it does not allow. What is only reported lacks none.
    pub(crate) fn lacking<'d>(&self, declared: &'d [Rule]) -> impl Iterator<Item = &'d Rule> {
        let enforced = self.mode == Mode::Enforce;
        let allowed = |rule: &Rule| self.allow.iter().any(|mine| mine.includes(rule));
        declared.iter().filter(move |rule| enforced && !allowed(rule))
    }

    /// Whether it allows all of these hosts, or any host if there are none.
    pub(crate) fn reach(&self, declared: &[Rule]) -> bool {
        match declared {
            [] => self.mode == Mode::Report || !self.allow.is_empty(),
            declared => self.lacking(declared).next().is_none(),
        }
    }

    /// What both allow: of each pair, the narrower one.
    pub(crate) fn both<'r>(&'r self, other: &'r Self) -> Vec<&'r Rule> {
        let within = |rules: &'r Self, all: &'r Self| {
            rules.allow.iter().filter(|rule| all.allow.iter().any(|wider| wider.includes(rule)))
        };
        let mut both: Vec<_> = within(self, other).chain(within(other, self)).collect();
        both.sort();
        both.dedup();
        both
    }
}

impl Mode {
    /// The name used in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Report => "report",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;

//! Personal data: numbers that states, banks and telephone companies give out, and
//! addresses of e-mail.
//!
//! A checksum alone proves little: of ten-digit numbers, one in eleven is a valid
//! NIP. So a number must also stand by itself, have the shape in which people
//! write it, or have a word near it that says what it is.

use super::Finding;

mod accounts;
mod checksums;
mod email;
mod identity;
mod nearby;
mod phones;
mod phrase;

use nearby::Nearby;
use phrase::{Phrase, phrases};

/// A text, and what the field is called that holds it.
#[derive(Clone, Copy)]
pub(super) struct Text<'t> {
    pub(super) text: &'t str,
    pub(super) label: &'t str,
}

impl<'t> Text<'t> {
    /// What is said near a number that begins at `at`.
    fn nearby(&self, at: usize) -> Nearby<'t> {
        Nearby::new(self.label, self.text, at)
    }
}

/// A rule, with the bytes it is about.
type Found = (std::ops::Range<usize>, &'static str);

/// Adds what is personal.
pub(super) fn find<'r>(text: Text<'_>, findings: &mut Vec<Finding<'r>>) {
    let mut add = |(range, rule): Found| findings.push(Finding { range, rule });
    email::find(text.text, &mut add);
    phrases(text.text.as_bytes(), &mut |phrase| {
        let mut at = 0;
        while at < phrase.groups.len() {
            // What is one thing is no part of another.
            let found = in_phrase(text, phrase, at);
            at = found.as_ref().map_or(at + 1, |(_, next)| *next);
            if let Some((found, _)) = found {
                add(found);
            }
        }
    });
}

/// What begins with a group of digits, and the group after it.
fn in_phrase(text: Text<'_>, phrase: &Phrase<'_>, at: usize) -> Option<(Found, usize)> {
    let finders = [accounts::iban, accounts::national, accounts::card, identity::find, phones::find];
    finders.iter().find_map(|find| find(text, phrase, at))
}

/// The rules' names.
pub(super) const RULES: [&str; 9] =
    ["card", "email", "iban", "nip", "pesel", "phone", "polish_id_card", "regon", "us_ssn"];

#[cfg(test)]
mod tests;

//! Secrets that show by what stands around them: blocks of a key, passwords in a
//! URL, and values after a name that says what they are.

use super::Finding;

mod blocks;
mod named;
mod urls;
mod values;

pub(super) use named::NAMED_SECRET;

/// The rules' names.
pub(super) const RULES: [&str; 4] =
    [blocks::PRIVATE_KEY, NAMED_SECRET, urls::URL_PASSWORD, named::AUTHORIZATION];

/// Adds all of them.
pub(super) fn find<'r>(
    text: &str,
    names_secret: &dyn Fn(&str) -> bool,
    own: &[String],
    findings: &mut Vec<Finding<'r>>,
) {
    let mut add = |range, rule| findings.push(Finding { range, rule });
    blocks::find(text, &mut add);
    urls::find(text, &mut add);
    named::find(text, names_secret, &mut add);
    named::find_own(text, own, &mut add);
}

/// Takes what was found.
type Add<'a> = dyn FnMut(std::ops::Range<usize>, &'static str) + 'a;

#[cfg(test)]
mod tests;

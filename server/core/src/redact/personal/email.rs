//! Addresses of e-mail.

use super::Found;

/// What stands where a country would, in names of files and units that have an
/// `@`.
const NO_DOMAINS: [&str; 26] = [
    "css", "gif", "html", "ico", "jpeg", "jpg", "js", "json", "jsx", "map", "md", "mount", "mp4", "pdf",
    "png", "py", "rs", "service", "slice", "socket", "svg", "target", "timer", "ts", "tsx", "webp",
];

/// Whoever logs in by this name is no person.
const NO_PEOPLE: [&str; 2] = ["git", "hg"];

/// Tells every address.
pub(super) fn find(text: &str, add: &mut dyn FnMut(Found)) {
    let bytes = text.as_bytes();
    for at in memchr::memchr_iter(b'@', bytes) {
        let (before, after) = (bytes.get(..at).unwrap_or_default(), bytes.get(at + 1..).unwrap_or_default());
        let local = before.iter().rev().take(64).take_while(|byte| is_local(**byte)).count();
        let domain = after.iter().take(253).take_while(|byte| is_domain(**byte)).count();
        let start = at - local + dots(before.get(at - local..).unwrap_or_default());
        let domain = text.get(at + 1..at + 1 + domain).unwrap_or_default().trim_end_matches(['.', '-']);
        let name = text.get(start..at).unwrap_or_default();
        // A user of a host, unless it is called like a person.
        let is_url = before.get(..start).unwrap_or_default().ends_with(b"://") && !name.contains('.');
        if !is_url && is_name(name) && is_host(domain) {
            add((start..at + 1 + domain.len(), "email"));
        }
    }
}

/// What goes before a name without being part of one.
fn dots(local: &[u8]) -> usize {
    local.iter().take_while(|byte| b".-'+%".contains(byte)).count()
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._%+'-".contains(&byte) || byte >= 0x80
}

fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-".contains(&byte) || byte >= 0x80
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.ends_with('.') && !name.contains("..") && !NO_PEOPLE.contains(&name)
}

fn is_host(domain: &str) -> bool {
    let Some((rest, last)) = domain.rsplit_once('.') else { return false };
    let is_label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    (2..=24).contains(&last.len())
        && last.bytes().all(|byte| byte.is_ascii_alphabetic())
        && rest.split('.').all(is_label)
        && !NO_DOMAINS.contains(&last.to_ascii_lowercase().as_str())
}

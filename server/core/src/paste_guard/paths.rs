//! What looks like the path of a file.

/// Files that are known by their whole name.
const NAMES: [&str; 8] =
    ["Makefile", "Dockerfile", "LICENSE", "Gemfile", "Rakefile", "Procfile", "Justfile", "CODEOWNERS"];

/// Whether a text looks like the path of a file: `src/main.rs`, `Makefile`.
pub(super) fn is_path(text: &str) -> bool {
    let name = text.rsplit('/').next().unwrap_or(text);
    (3..=200).contains(&text.len())
        && !text.contains("//")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/@+~()[]".contains(&byte))
        && (NAMES.contains(&name) || has_extension(name))
}

/// The same, of a file in a folder: what stands alone may be a word with a dot.
pub(super) fn is_deep_path(text: &str) -> bool {
    text.contains('/') && is_path(text)
}

/// `rs` of `main.rs`. A version such as `1.2.3` has none.
fn has_extension(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| {
        (1..=10).contains(&extension.len())
            && extension.starts_with(|c: char| c.is_ascii_alphabetic())
            && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_a_file_s_name_at_its_end() {
        for text in
            ["src/main.rs", "main.rs", "Makefile", "a/Dockerfile", ".github/ci.yml", "app/[id]/page.tsx"]
        {
            assert!(is_path(text), "{text}");
        }
        for text in
            ["", "rs", "src/", "hello", "1.2.3", "a b.rs", "https://example.com/x.rs", "and/or", "v0.1"]
        {
            assert!(!is_path(text), "{text}");
        }
    }
}

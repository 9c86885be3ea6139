//! URI templates, as far as MCP's resource templates use them: level 1 of RFC
//! 6570, `{variable}` for one path segment.

/// A compiled template.
#[derive(Debug)]
pub struct UriTemplate {
    literals: Vec<String>,
}

/// Text that is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no URI template: use `{{name}}` for one path segment each, with text between two of them")]
pub struct InvalidTemplate(String);

impl UriTemplate {
    /// Compiles a template such as `docs://{book}/{page}`.
    pub fn new(text: &str) -> Result<Self, InvalidTemplate> {
        let invalid = || InvalidTemplate(text.to_owned());
        let mut parts = text.split('{');
        let mut literals = vec![parts.next().unwrap_or_default().to_owned()];
        for part in parts {
            let (name, literal) = part.split_once('}').ok_or_else(invalid)?;
            let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !named || literal.contains('}') {
                return Err(invalid());
            }
            literals.push(literal.to_owned());
        }
        let inner = literals.get(1..literals.len().saturating_sub(1)).unwrap_or_default();
        if literals.len() < 2 || inner.iter().any(String::is_empty) {
            return Err(invalid());
        }
        Ok(Self { literals })
    }

    /// Whether `uri` is a member: each variable stands for one or more
    /// characters without `/`.
    #[must_use]
    pub fn matches(&self, uri: &str) -> bool {
        let Some((first, rest)) = self.literals.split_first() else { return false };
        uri.strip_prefix(first.as_str()).is_some_and(|uri| matches_rest(uri, rest))
    }

    /// Whether a pattern (`docs://*`, or a plain URI) may cover a member. Errs on
    /// the side of yes: reading decides by the member itself.
    #[must_use]
    pub fn overlaps(&self, pattern: &str) -> bool {
        let literal = self.literals.first().map_or("", String::as_str);
        match pattern.strip_suffix('*') {
            Some(prefix) => prefix.starts_with(literal) || literal.starts_with(prefix),
            None => self.matches(pattern),
        }
    }
}

/// Whether `uri` is a variable's value, then the first literal, and so on.
fn matches_rest(uri: &str, literals: &[String]) -> bool {
    let Some((literal, rest)) = literals.split_first() else { return uri.is_empty() };
    let segment = uri.find('/').unwrap_or(uri.len());
    if rest.is_empty() {
        return uri
            .strip_suffix(literal.as_str())
            .is_some_and(|value| !value.is_empty() && !value.contains('/'));
    }
    uri.match_indices(literal.as_str())
        .take_while(|(at, _)| *at <= segment)
        .any(|(at, _)| at > 0 && uri.get(at + literal.len()..).is_some_and(|uri| matches_rest(uri, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_stands_for_one_segment() {
        let template = UriTemplate::new("docs://{book}/{page}.md").unwrap();
        for (uri, member) in [
            ("docs://rust/intro.md", true),
            ("docs://rust/a.b.md", true),
            ("docs://rust/.md", false),
            ("docs:///intro.md", false),
            ("docs://rust/part/intro.md", false),
            ("docs://rust/intro.txt", false),
            ("other://rust/intro.md", false),
        ] {
            assert_eq!(template.matches(uri), member, "{uri}");
        }
    }

    #[test]
    fn a_pattern_overlaps_where_it_may_cover_a_member() {
        let template = UriTemplate::new("docs://{book}/{page}").unwrap();
        for (pattern, overlaps) in [
            ("*", true),
            ("docs://*", true),
            ("docs://rust/*", true),
            ("docs://rust/intro", true),
            ("docs://rust", false),
            ("about://*", false),
        ] {
            assert_eq!(template.overlaps(pattern), overlaps, "{pattern}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for text in ["docs://plain", "docs://{", "docs://{}", "docs://{a}{b}", "docs://{a b}", "docs://{+path}", "d://{a}}"] {
            assert!(UriTemplate::new(text).is_err(), "{text}");
        }
    }
}

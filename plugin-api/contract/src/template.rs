//! URI templates, as far as resource templates use them: simple expansion
//! (level 1 of RFC 6570), where `{variable}` stands for one path segment or a
//! part of one. Host and SDK match with the same code.

/// A compiled template, e.g. `docs://{book}/{page}`.
#[derive(Clone, Debug)]
pub struct UriTemplate {
    prefix: String,
    /// Each variable with the text that follows it.
    variables: Vec<(String, String)>,
}

/// Text that is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no URI template: use `{{name}}` for a path segment, each name once, with text between two of them"
)]
pub struct InvalidTemplate(String);

impl UriTemplate {
    /// Compiles a template. There must be a variable in it, and text between two.
    pub fn new(text: &str) -> Result<Self, InvalidTemplate> {
        let invalid = || InvalidTemplate(text.to_owned());
        let (prefix, rest) = text.split_once('{').ok_or_else(invalid)?;
        let mut variables: Vec<(String, String)> = Vec::new();
        for part in rest.split('{') {
            let (name, literal) = part.split_once('}').ok_or_else(invalid)?;
            let named = !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && variables.iter().all(|(other, _)| other != name);
            let apart = variables.last().is_none_or(|(_, between)| !between.is_empty());
            if !named || !apart || literal.contains('}') {
                return Err(invalid());
            }
            variables.push((name.to_owned(), literal.to_owned()));
        }
        if prefix.contains('}') {
            return Err(invalid());
        }
        Ok(Self { prefix: prefix.to_owned(), variables })
    }

    /// The text before the first variable, which every member begins with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The variables' names, in order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|(name, _)| name.as_str())
    }

    /// Whether `uri` is a member.
    #[must_use]
    pub fn matches(&self, uri: &str) -> bool {
        self.values(uri).is_some()
    }

    /// The variables' values in `uri`, as they stand there (percent-encoded), if
    /// it is a member. A value is the shortest text of one or more characters
    /// without `/` that reaches the text after its variable.
    #[must_use]
    pub fn values<'u>(&self, uri: &'u str) -> Option<Vec<(&str, &'u str)>> {
        let mut rest = uri.strip_prefix(self.prefix.as_str())?;
        let mut values = Vec::with_capacity(self.variables.len());
        let mut variables = self.variables.iter().peekable();
        while let Some((name, literal)) = variables.next() {
            let end = if variables.peek().is_none() {
                rest.len().checked_sub(literal.len()).filter(|_| rest.ends_with(literal.as_str()))?
            } else {
                let first = rest.chars().next()?.len_utf8();
                first + rest.get(first..)?.find(literal.as_str())?
            };
            let value = rest.get(..end).filter(|value| !value.is_empty() && !value.contains('/'))?;
            values.push((name.as_str(), value));
            rest = rest.get(end + literal.len()..)?;
        }
        Some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_stands_for_one_segment_or_a_part_of_one() {
        for (template, uri, values) in [
            ("docs://{book}/{page}.md", "docs://rust/intro.md", Some(vec!["rust", "intro"])),
            ("docs://{book}/{page}.md", "docs://rust/a.md.md", Some(vec!["rust", "a.md"])),
            ("docs://{book}/{page}.md", "docs://ru%2Fst/ä.md", Some(vec!["ru%2Fst", "ä"])),
            ("docs://{book}/{page}.md", "docs://rust/.md", None),
            ("docs://{book}/{page}.md", "docs:///intro.md", None),
            ("docs://{book}/{page}.md", "docs://rust/part/intro.md", None),
            ("docs://{book}/{page}.md", "docs://rust/intro.txt", None),
            ("docs://{book}/{page}.md", "other://rust/intro.md", None),
            ("docs://{book}/{page}.md", "docs://rust", None),
            ("day://{year}-{month}", "day://2026-07", Some(vec!["2026", "07"])),
            ("day://{year}-{month}", "day://-2026-07", Some(vec!["-2026", "07"])),
            ("day://{year}--{month}", "day://---x", Some(vec!["-", "x"])),
            ("day://{year}-{month}", "day://2026-", None),
            ("day://{year}-{month}", "day://", None),
        ] {
            let found = UriTemplate::new(template).unwrap();
            let found = found.values(uri);
            let found = found.map(|values| values.into_iter().map(|(_, value)| value).collect());
            assert_eq!(found, values, "{template} {uri}");
        }
    }

    #[test]
    fn the_variables_are_known_by_name() {
        let template = UriTemplate::new("docs://{book}/{page}").unwrap();
        assert_eq!(template.variables().collect::<Vec<_>>(), ["book", "page"]);
        assert_eq!(template.values("docs://rust/intro"), Some(vec![("book", "rust"), ("page", "intro")]));
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for text in [
            "docs://plain",
            "docs://{",
            "docs://{}",
            "docs://{a}{b}",
            "docs://{a}/{a}",
            "docs://{a b}",
            "docs://{+path}",
            "docs://{path*}",
            "d://{a}}",
            "d://}{a}",
            "d://{{a}}",
        ] {
            assert_eq!(
                UriTemplate::new(text).unwrap_err().to_string(),
                format!(
                    "`{text}` is no URI template: use `{{name}}` for a path segment, each name once, with text between two of them"
                ),
            );
        }
    }
}

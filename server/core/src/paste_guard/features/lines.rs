//! What a single line may be.

use crate::paste_guard::paths::is_path;

/// The path in a line that can only announce a file: `<file path="x">`,
/// `==> x <==`, `diff --git a/x b/x`, `+++ b/x`, `>>>> x`, `--- x ---`.
pub(super) fn marked_path(line: &str) -> Option<&str> {
    let path = if let Some(rest) = line.strip_prefix("<file ") {
        quoted(rest)?
    } else if let Some(rest) = line.strip_prefix("<source>") {
        rest.strip_suffix("</source>")?
    } else if let Some(rest) = line.strip_prefix("diff --git a/") {
        rest.split_once(" b/")?.0
    } else if let Some(rest) = line.strip_prefix("+++ b/") {
        rest
    } else if let Some(rest) = line.strip_prefix(">>>> ") {
        rest
    } else if let Some(info) = line.strip_prefix("```") {
        // ```rust:src/main.rs, ```rust src/main.rs, ```rust title="src/main.rs"
        let rest = info.split_once([':', ' '])?.1.trim();
        if rest.contains('"') { quoted(rest)? } else { rest }
    } else {
        between_strokes(line)?
    };
    is_path(path).then_some(path)
}

/// The path in a line that announces a file if a fence follows: `## x`, `**x**`,
/// `` `x`: ``, `x:`.
pub(super) fn header_path(line: &str) -> Option<&str> {
    let line = line.strip_prefix("File: ").or_else(|| line.strip_prefix("FILE: ")).unwrap_or(line);
    let path = line.trim_start_matches('#').trim_matches(|c| "*`: ".contains(c));
    let path = path.strip_prefix("File: ").unwrap_or(path).trim_matches(|c| "*`: ".contains(c));
    is_path(path).then_some(path)
}

/// `==> x <==`, `--- x ---`, `=== File: x ===`: the same on both sides.
fn between_strokes(line: &str) -> Option<&str> {
    let is_stroke = |c: char| "=-#*<>".contains(c);
    let inner = line.trim_start_matches(is_stroke);
    let before = line.len() - inner.len();
    let inner = inner.trim_end_matches(is_stroke);
    let after = line.len() - before - inner.len();
    let inner = inner.trim();
    let path =
        ["File: ", "FILE: ", "file: "].iter().find_map(|word| inner.strip_prefix(word)).unwrap_or(inner);
    (before >= 3 && after >= 3).then_some(path)
}

fn quoted(text: &str) -> Option<&str> {
    text.split_once('"')?.1.split_once('"').map(|(inner, _)| inner)
}

/// `@@ -1,7 +1,9 @@`.
pub(super) fn is_hunk(line: &str) -> bool {
    line.strip_prefix("@@ -").is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains(" +") && rest.contains(" @@")
    })
}

/// A line of a tree of files.
pub(super) fn is_tree(line: &str) -> bool {
    ["├─", "└─", "|-- ", "`-- ", "│   "].iter().any(|glyph| line.starts_with(glyph))
        || (line.starts_with('│') && (line.contains("├─") || line.contains("└─")))
}

/// A line by which a source file says what it needs.
pub(super) fn is_import(line: &str) -> bool {
    let word = line.split([' ', '(', '<', '"']).next().unwrap_or_default();
    match word {
        "use" => line.ends_with(';') || line.ends_with('{'),
        "from" => line.contains(" import "),
        "import" => !line.ends_with('.'),
        "#include" => true,
        "using" | "package" => line.ends_with(';'),
        "const" | "let" | "var" => line.contains("require("),
        _ => false,
    }
}

/// A line that reads like code and not like a sentence.
pub(super) fn is_code(line: &str) -> bool {
    const BEGINNINGS: [&str; 28] = [
        "fn ",
        "pub ",
        "def ",
        "class ",
        "impl ",
        "struct ",
        "enum ",
        "const ",
        "let ",
        "var ",
        "func ",
        "function ",
        "return ",
        "if (",
        "for (",
        "while (",
        "else",
        "elif ",
        "match ",
        "#include",
        "#[",
        "//",
        "/*",
        "* @",
        "@",
        "import ",
        "use ",
        "async ",
    ];
    const ENDS: [&str; 12] = [";", "{", "}", "},", "})", "});", "};", "),", ")?;", "],", "=>", "\\"];
    if line.ends_with(['.', '!', '?']) && line.contains(' ') && !line.starts_with("//") {
        return false;
    }
    ENDS.iter().any(|end| line.ends_with(end))
        || BEGINNINGS.iter().any(|begin| line.starts_with(begin))
        || (line.ends_with(':') && (line.contains("if ") || line.contains("for ") || line.contains('(')))
        || line.contains(" = ")
        || line.contains("::")
        || line.contains("->")
        || (line.ends_with(')') && !line.contains("](") && line.contains('('))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_announced_in_many_ways() {
        for line in [
            "<file path=\"src/main.rs\">",
            "<file name=\"src/main.rs\" lines=\"3\">",
            "<source>src/main.rs</source>",
            "==> src/main.rs <==",
            "=== src/main.rs ===",
            "--- File: src/main.rs ---",
            "diff --git a/src/main.rs b/src/main.rs",
            "+++ b/src/main.rs",
            ">>>> src/main.rs",
            "```rust:src/main.rs",
            "```rust title=\"src/main.rs\"",
        ] {
            assert_eq!(marked_path(line), Some("src/main.rs"), "{line}");
        }
        for line in [
            "# src/main.rs",
            "## `src/main.rs`",
            "**src/main.rs**",
            "`src/main.rs`:",
            "### File: src/main.rs",
        ] {
            assert_eq!((marked_path(line), header_path(line)), (None, Some("src/main.rs")), "{line}");
        }
        for line in
            ["=======", "--- a line ---", "```rust", "```text and more", "## Usage", "What is main.rs for?"]
        {
            assert_eq!((marked_path(line), header_path(line)), (None, None), "{line}");
        }
    }

    #[test]
    fn code_is_told_from_sentences() {
        for line in [
            "fn main() {",
            "}",
            "let x = 1;",
            "def run(self):",
            "x = y",
            "if (a) {",
            "Foo::bar()",
            "// a comment.",
            "return x",
            "self.run()",
            "for x in y:",
        ] {
            assert!(is_code(line), "{line}");
        }
        for line in [
            "This is a sentence.",
            "- a point of a list",
            "# A heading",
            "How do I use fn main()?",
            "See [the docs](https://example.com)",
            "import duties are high.",
            "Note:",
        ] {
            assert!(!is_code(line), "{line}");
        }
    }

    #[test]
    fn imports_hunks_and_trees_have_their_own_looks() {
        for line in
            ["use a::b;", "import os", "from a import b", "#include <stdio.h>", "const a = require('a')"]
        {
            assert!(is_import(line), "{line}");
        }
        for line in ["use it well", "from here to there", "import duties are high.", "const a = 1"] {
            assert!(!is_import(line), "{line}");
        }
        assert!(is_hunk("@@ -1,7 +1,9 @@ fn main() {") && !is_hunk("@@ see above"));
        assert!(
            is_tree("├── src") && is_tree("│   └── main.rs") && is_tree("|-- src") && !is_tree("| a | b |")
        );
    }
}

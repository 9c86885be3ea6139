//! One thing wrong with a configuration, as a person reads it.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

/// Something wrong, where it is, and how to put it right. It never shows a
/// secret: see [`crate::config`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Whether it stops the configuration from being used.
    pub severity: Severity,
    /// A stable name for this kind of problem. One that is read back has none.
    #[serde(skip_deserializing)]
    pub code: &'static str,
    /// The file.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The place in terms of keys, as in `agents.laptop.tools[0]`. Empty at the
    /// root.
    pub config_path: String,
    /// The line of the alias by which the text at `line` came to `config_path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias_line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// How to put it right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The line, with what might be secret left out, and a caret below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snippet: Option<String>,
}

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can, and probably means something else than it says.
    Warning,
}

impl Problem {
    /// Whether it stops the configuration from being used.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gutter = self.line.to_string().len();
        write!(f, "{}: {}", self.severity, self.message)?;
        write!(f, "\n{:gutter$}--> {}:{}:{}", "", self.path.display(), self.line, self.column)?;
        match (self.config_path.as_str(), self.alias_line) {
            ("", _) => {}
            (path, None) => write!(f, " ({path})")?,
            (path, Some(line)) => write!(f, " ({path}, through the alias in line {line})")?,
        }
        if let Some(snippet) = &self.snippet {
            write!(f, "\n{snippet}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

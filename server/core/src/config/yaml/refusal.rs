//! Why a text is no YAML that we read, in words that quote nothing of it.

use serde_saphyr::{Error, ExternalMessageSource, budget::BudgetBreach, granit_parser::ErrorKind};

use super::{MAX_ALIASES, MAX_DEPTH};

/// A text that is not read, and where that was decided.
#[derive(Debug)]
pub(in crate::config) struct Refusal {
    /// A byte of the text.
    pub(in crate::config) at: usize,
    pub(in crate::config) code: &'static str,
    pub(in crate::config) message: String,
    pub(in crate::config) help: Option<&'static str>,
}

type Words = (&'static str, String, Option<&'static str>);

/// Code, message and help. The library's own messages may quote values, and
/// values may be secrets, so only those pass that are fixed text.
pub(super) fn words(error: &Error) -> Words {
    match error {
        Error::AliasError { error, .. } => words(error),
        Error::ExternalMessage { source, .. } => match source.as_ref() {
            ExternalMessageSource::Parser(error) => syntax(error.kind()),
            _ => invalid("this is not valid YAML", None),
        },
        Error::Budget { breach, .. } => complex(breach),
        Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => too_complex("the aliases stand for too much text"),
        Error::RecursiveReferencesRequireWeakTypes { .. } => invalid("this alias stands for itself", None),
        Error::UnknownAnchor { .. } => no_anchor(),
        Error::MultipleDocuments { .. } => second_document(),
        Error::MergeValueNotMapOrSeqOfMaps { .. } => invalid("`<<` needs a mapping to merge", None),
        Error::NullIntoString { .. } | Error::Unexpected { .. } => invalid("a key must be text", None),
        Error::UnsupportedTag { .. } => invalid(
            "tags that begin with `!` are not supported",
            Some(
                "write secrets as `\"${NAME}\"` or `\"${file:/path}\"`, and a text that begins with `!` in quotes",
            ),
        ),
        Error::Eof { .. } => invalid("the file ends in the middle of a value", None),
        _ => invalid("this value is not valid YAML", None),
    }
}

fn invalid(message: &str, help: Option<&'static str>) -> Words {
    ("invalid_yaml", message.to_owned(), help)
}

fn too_complex(message: &str) -> Words {
    ("too_complex", message.to_owned(), None)
}

fn second_document() -> Words {
    invalid(
        "a second document begins here",
        Some("keep everything in one document, without `---` in between"),
    )
}

fn no_anchor() -> Words {
    invalid("this alias names no anchor", Some("a text that begins with `*` needs quotes, as in `\"*\"`"))
}

fn complex(breach: &BudgetBreach) -> Words {
    match breach {
        BudgetBreach::Depth { .. } => too_complex(&format!("this is nested deeper than {MAX_DEPTH} levels")),
        BudgetBreach::Documents { .. } => second_document(),
        BudgetBreach::Aliases { .. }
        | BudgetBreach::Anchors { .. }
        | BudgetBreach::AliasAnchorRatio { .. } => {
            too_complex(&format!("there are more than {MAX_ALIASES} anchors or aliases"))
        }
        BudgetBreach::MergeKeys { .. } => {
            too_complex(&format!("there are more than {MAX_ALIASES} merge keys"))
        }
        _ => too_complex("there are too many values, counting each as often as aliases repeat it"),
    }
}

fn syntax(kind: &ErrorKind) -> Words {
    use ErrorKind as E;
    match kind {
        E::MappingValueNotAllowed => invalid(
            "a `key:` cannot stand here",
            Some(
                "is a `:` missing in the line above, or the indentation wrong? a text that holds `: ` needs quotes",
            ),
        ),
        E::SimpleKeyExpected | E::InvalidSimpleKey => {
            invalid("this line is no `key: value`", Some("is a `:` missing?"))
        }
        E::InvalidIndentation | E::ExpectedBlockMappingKey | E::ExpectedBlockSequenceEntry => invalid(
            "the indentation of this line fits none of the lines above",
            Some("begin the keys of one mapping, and the dashes of one list, in the same column"),
        ),
        E::TabNotAllowed
        | E::TabInBlockIndentation
        | E::TabInIndentation
        | E::TabAtBlockScalarStart
        | E::TabInPlainScalar => invalid("a tab cannot be used for indentation", Some("use spaces")),
        E::UnclosedQuotedScalar => invalid("the quote that opens here is never closed", None),
        E::InvalidTrailingSingleQuotedScalar | E::InvalidTrailingDoubleQuotedScalar => invalid(
            "a text goes on after its closing quote",
            Some("a `,` or a `#` may be missing, or a quote too many"),
        ),
        E::UnknownQuotedScalarEscape => {
            invalid("this is no escape that YAML knows", Some("use single quotes to write a `\\` as it is"))
        }
        E::UnclosedFlowCollection { open } => {
            invalid(&format!("the `{open}` that opens here is never closed"), None)
        }
        E::MismatchedFlowCollectionEnd { open, close } => {
            invalid(&format!("the `{open}` is closed by a `{close}`"), None)
        }
        E::MisplacedFlowCollectionEnd => invalid("this bracket closes none that is open", None),
        E::ExpectedFlowMappingSeparator
        | E::ExpectedFlowSequenceSeparator
        | E::InvalidColonPlacement
        | E::FlowMappingValueAdjacentCollection => {
            invalid("a `,` or a closing bracket is missing before this", None)
        }
        E::UnexpectedCharacter { character } => invalid(
            &format!("a value cannot begin with `{}`", character.escape_default()),
            Some("put it in quotes"),
        ),
        E::MissingAnchorOrAliasName => no_anchor(),
        E::RecursionLimitExceeded => too_complex(&format!("this is nested deeper than {MAX_DEPTH} levels")),
        // INVARIANT: whatever carries a text of its own is not passed on.
        E::Custom(_) | E::InputIo { .. } | E::InputDecoding { .. } => invalid("this is not valid YAML", None),
        other => invalid(&format!("this is not valid YAML: {other}"), None),
    }
}

//! The tokens of the checkout's config.yaml, which `.env` beside it holds.

use std::{
    collections::HashMap,
    env,
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use crate::Failure;

/// Adds a fresh token to `.env` for every one that config.yaml needs and nobody
/// has set. What stands there already stays as it is.
pub(super) fn complete(root: &Path, fresh: impl Fn() -> Result<String, Failure>) -> Result<(), Failure> {
    let mut known = read(root)?;
    let mut lines = String::new();
    for name in needed(&config(root)?) {
        if env::var_os(&name).is_none() && known.get(&name).is_none_or(String::is_empty) {
            let token = fresh()?;
            lines.push_str(&format!("{name}={token}\n"));
            known.insert(name, token);
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    append(&root.join(".env"), &lines)
        .map_err(|error| format!("cannot write {}: {error}", root.join(".env").display()))
}

/// The token that config.yaml names by this variable, as the server finds it.
pub(super) fn token(root: &Path, name: &str) -> Result<Option<String>, Failure> {
    if !needed(&config(root)?).iter().any(|it| it == name) {
        return Ok(None);
    }
    match env::var(name) {
        Ok(token) => Ok(Some(token)),
        Err(_) => Ok(read(root)?.remove(name)),
    }
}

fn config(root: &Path) -> Result<String, Failure> {
    let path = root.join("config.yaml");
    fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn read(root: &Path) -> Result<HashMap<String, String>, Failure> {
    let path = root.join(".env");
    if !path.exists() {
        return Ok(HashMap::new());
    }
    // The library's own message quotes the line, which may hold a token.
    let unreadable = || format!("cannot read {}: write NAME=value, one a line", path.display());
    dotenvy::from_path_iter(&path)
        .map_err(|_| unreadable())?
        .collect::<Result<_, _>>()
        .map_err(|_| unreadable())
}

/// The variables `${…_TOKEN}` that stand where a token is configured.
fn needed(config: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in config.lines().map(without_comment) {
        let mut before = String::new();
        let mut pieces = line.split("${");
        before.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let Some((name, after)) = piece.split_once('}') else {
                break;
            };
            if name.ends_with("_TOKEN") && before.contains("token") && !names.iter().any(|it| it == name) {
                names.push(name.to_owned());
            }
            before.push_str(after);
        }
    }
    names
}

/// A YAML comment starts at a `#` that stands alone or after a space, unquoted.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, character) in line.char_indices() {
        match (quote, character) {
            (None, '#') if before.is_whitespace() => return line.get(..at).unwrap_or(line),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
        before = character;
    }
    line
}

/// One write: the server may be reading. Nobody else may read a new file.
fn append(path: &Path, lines: &str) -> io::Result<()> {
    let whole = fs::read(path).map_or(true, |it| it.last().is_none_or(|last| *last == b'\n'));
    let lines = if whole { lines.to_owned() } else { format!("\n{lines}") };
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)?.write_all(lines.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, os::unix::fs::PermissionsExt};

    use super::*;

    const CONFIG: &str = r##"
admin: { listen: "127.0.0.1:8081", token: "${ONE_TEST_TOKEN}" }   # or "${OLD_TEST_TOKEN}"
llm: { providers: { x: { api_key: "${X_TEST_TOKEN}" } } }
agents:
  # token: "${GONE_TEST_TOKEN}"
  laptop: { tenant: "a#b # c", token: "${TWO_TEST_TOKEN}", tools: ["core.echo"] }
  other:  { tokens: ["${TWO_TEST_TOKEN}", "${THREE_TEST_TOKEN}", "${THREE_SECRET}"] }
"##;

    /// What `.env` holds after it was completed with the tokens t1, t2, ….
    fn check(dotenv: Option<&str>, expected: &str) {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("config.yaml"), CONFIG).unwrap();
        if let Some(dotenv) = dotenv {
            fs::write(root.path().join(".env"), dotenv).unwrap();
        }
        let made = Cell::new(0);
        let fresh = || {
            made.set(made.get() + 1);
            Ok(format!("t{}", made.get()))
        };
        complete(root.path(), fresh).unwrap();
        complete(root.path(), fresh).unwrap();
        assert_eq!(fs::read_to_string(root.path().join(".env")).unwrap(), expected);
    }

    #[test]
    fn only_tokens_that_are_configured_are_needed() {
        assert_eq!(needed(CONFIG), ["ONE_TEST_TOKEN", "TWO_TEST_TOKEN", "THREE_TEST_TOKEN"]);
    }

    #[test]
    fn what_is_missing_is_added_once_and_what_is_there_is_left_alone() {
        check(None, "ONE_TEST_TOKEN=t1\nTWO_TEST_TOKEN=t2\nTHREE_TEST_TOKEN=t3\n");
        check(
            Some("# mine\nexport TWO_TEST_TOKEN='kept' # yes\nOTHER=1"),
            "# mine\nexport TWO_TEST_TOKEN='kept' # yes\nOTHER=1\nONE_TEST_TOKEN=t1\nTHREE_TEST_TOKEN=t2\n",
        );
        check(
            Some("ONE_TEST_TOKEN=\nTWO_TEST_TOKEN=a\nTHREE_TEST_TOKEN=b\n"),
            "ONE_TEST_TOKEN=\nTWO_TEST_TOKEN=a\nTHREE_TEST_TOKEN=b\nONE_TEST_TOKEN=t1\n",
        );
    }

    #[test]
    fn a_new_file_is_for_its_owner_only() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("config.yaml"), CONFIG).unwrap();
        complete(root.path(), || Ok("t".to_owned())).unwrap();
        let mode = fs::metadata(root.path().join(".env")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_token_is_found_where_the_configuration_names_it() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("config.yaml"), CONFIG).unwrap();
        fs::write(root.path().join(".env"), "TWO_TEST_TOKEN=\"two\"\nUNUSED_TEST_TOKEN=x\n").unwrap();
        for (name, expected) in
            [("TWO_TEST_TOKEN", Some("two")), ("ONE_TEST_TOKEN", None), ("UNUSED_TEST_TOKEN", None)]
        {
            assert_eq!(token(root.path(), name).unwrap().as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_without_what_it_holds() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("config.yaml"), CONFIG).unwrap();
        fs::write(root.path().join(".env"), "ONE_TEST_TOKEN='secret\n").unwrap();
        let failure = complete(root.path(), || Ok("t".to_owned())).unwrap_err();
        assert_eq!(
            failure,
            format!("cannot read {}: write NAME=value, one a line", root.path().join(".env").display())
        );
    }
}

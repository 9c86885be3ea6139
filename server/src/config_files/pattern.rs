//! The patterns of `include`: which files they name.
//!
//! `*`, `?` and `[…]` have a meaning in the last part of a path only, so that one
//! folder has to be looked at. What editors leave behind is not matched:
//! `.x.swp`, `x~` and `#x#`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use glob::{MatchOptions, Pattern, PatternError};

/// Files that patterns may name, together.
pub(super) const MAX_FILES: usize = 1000;

/// What is wrong with a pattern, or with the folder that it looks into.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidPattern {
    #[error("it names no file")]
    NoFile,
    #[error("`*`, `?` and `[` can stand in the last part of the path only")]
    WildFolder,
    #[error("it is no pattern: {}", .0.msg)]
    Pattern(#[from] PatternError),
    #[error("the folder `{}` cannot be read: {error}", folder.display())]
    Folder { folder: PathBuf, error: io::Error },
    #[error("it matches more than {MAX_FILES} files")]
    TooMany,
}

/// The files that a pattern matches, by name. A path without wildcards stands
/// for itself.
pub(super) fn matches(pattern: &Path) -> Result<Vec<PathBuf>, InvalidPattern> {
    let (folder, name) = parts(pattern)?;
    let Some(name) = name else { return Ok(vec![pattern.to_owned()]) };
    let unreadable = |error| InvalidPattern::Folder { folder: folder.to_owned(), error };
    let looked_into = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = match fs::read_dir(looked_into) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder || !entry.file_name().to_str().is_some_and(|file| is_match(&name, file)) {
            continue;
        }
        if files.len() == MAX_FILES {
            return Err(InvalidPattern::TooMany);
        }
        files.push(folder.join(entry.file_name()));
    }
    files.sort_unstable();
    Ok(files)
}

/// Those of the paths that a pattern matches.
pub(super) fn matches_among<'p>(
    pattern: &Path,
    paths: impl Iterator<Item = &'p Path>,
) -> Result<Vec<&'p Path>, InvalidPattern> {
    let (folder, name) = parts(pattern)?;
    let matched = paths.filter(|path| match &name {
        None => *path == pattern,
        Some(name) => {
            let file = path.file_name().and_then(|file| file.to_str());
            path.parent() == Some(folder) && file.is_some_and(|file| is_match(name, file))
        }
    });
    Ok(matched.collect())
}

/// The folder, and the pattern of the name, if it has wildcards.
fn parts(pattern: &Path) -> Result<(&Path, Option<Pattern>), InvalidPattern> {
    let name = pattern.file_name().and_then(|name| name.to_str()).ok_or(InvalidPattern::NoFile)?;
    let folder = pattern.parent().unwrap_or(Path::new(""));
    if folder.to_str().is_none_or(|folder| folder.contains(WILDCARDS)) {
        return Err(InvalidPattern::WildFolder);
    }
    let name = if name.contains(WILDCARDS) { Some(Pattern::new(name)?) } else { None };
    Ok((folder, name))
}

const WILDCARDS: [char; 3] = ['*', '?', '['];

fn is_match(pattern: &Pattern, file: &str) -> bool {
    let is_left_over = file.ends_with('~') || (file.starts_with('#') && file.ends_with('#'));
    let options = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
    !is_left_over && pattern.matches_with(file, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(folder: &Path, pattern: &str) -> Result<Vec<String>, String> {
        let files = matches(&folder.join(pattern)).map_err(|error| error.to_string())?;
        let among: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        assert_eq!(matches_among(&folder.join(pattern), among.iter().copied()).unwrap(), among);
        Ok(files.iter().map(|file| file.strip_prefix(folder).unwrap().display().to_string()).collect())
    }

    #[test]
    fn a_pattern_matches_what_people_write_and_nothing_that_editors_leave() {
        let folder = tempfile::tempdir().unwrap();
        for name in
            ["b.yaml", "a.yaml", "A.yml", ".a.yaml.swp", ".b.yaml", "a.yaml~", "#a.yaml#", "a.yaml.tmp"]
        {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("folder.yaml")).unwrap();
        for (pattern, expected) in [
            ("*.yaml", &["a.yaml", "b.yaml"][..]),
            ("*", &["A.yml", "a.yaml", "a.yaml.tmp", "b.yaml"]),
            ("[ab].yaml", &["a.yaml", "b.yaml"]),
            ("?.yaml", &["a.yaml", "b.yaml"]),
            ("c*", &[]),
            ("none/*.yaml", &[]),
            ("c.yaml", &["c.yaml"]),
            (".b.yaml", &[".b.yaml"]),
        ] {
            assert_eq!(matched(folder.path(), pattern).unwrap(), expected, "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_or_matches_too_much_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..=MAX_FILES {
            fs::write(folder.path().join(format!("{number}.yaml")), "").unwrap();
        }
        for (pattern, message) in [
            ("*/x.yaml", "`*`, `?` and `[` can stand in the last part of the path only"),
            ("**/x.yaml", "`*`, `?` and `[` can stand in the last part of the path only"),
            ("[a.yaml", "it is no pattern: invalid range pattern"),
            ("..", "it names no file"),
            ("*.yaml", "it matches more than 1000 files"),
        ] {
            assert_eq!(matched(folder.path(), pattern).unwrap_err(), message, "{pattern}");
        }
        assert_eq!(matched(folder.path(), "1?.yaml").unwrap().len(), 10);
    }

    #[test]
    fn among_paths_a_pattern_matches_those_of_its_folder() {
        let paths = ["agents.d/a.yaml", "agents.d/b.yml", "agents.d/c/a.yaml", "a.yaml"].map(Path::new);
        for (pattern, expected) in [
            ("agents.d/*.yaml", &["agents.d/a.yaml"][..]),
            ("*.yaml", &["a.yaml"]),
            ("agents.d/b.yml", &["agents.d/b.yml"]),
            ("none.yaml", &[]),
        ] {
            let matched = matches_among(Path::new(pattern), paths.into_iter()).unwrap();
            assert_eq!(matched, expected.iter().map(Path::new).collect::<Vec<_>>(), "{pattern}");
        }
    }
}

//! What a search finds, and what it says it left out.

use plugin_contract::op::{FileMatch, SearchEnd, Skipped};

use super::*;

fn found(path: &str, line: u64, offset: u64, text: &str) -> FileMatch {
    FileMatch { path: path.to_owned(), line: Some(line), offset: Some(offset), text: Some(text.to_owned()) }
}

fn text(text: &str) -> SearchFiles {
    SearchFiles { text: Some(text.to_owned()), ..SearchFiles::default() }
}

#[test]
fn lines_are_found_by_text_or_by_an_expression() {
    let world = World::new();
    world.write("b.txt", "one\r\nTwo (2)\nthree\n");
    world.write("guides/b.md", "two\n");
    let (two, lower) = (found("b.txt", 2, 5, "Two (2)"), found("guides/b.md", 1, 0, "two"));
    for (asked, expected) in [
        (text("Two"), vec![two.clone()]),
        (text("(2)"), vec![two.clone()]),
        (SearchFiles { ignore_case: true, ..text("TWO") }, vec![two.clone(), lower.clone()]),
        (SearchFiles { regex: true, ..text(r"^[Tt]wo\b") }, vec![two.clone(), lower.clone()]),
        (SearchFiles { regex: true, ..text("one$") }, vec![found("b.txt", 1, 0, "one")]),
        (
            SearchFiles { name: Some("*.md".to_owned()), ignore_case: true, ..text("TWO") },
            vec![lower.clone()],
        ),
        (SearchFiles { path: "guides".to_owned(), ignore_case: true, ..text("TWO") }, vec![lower]),
        (text("four"), Vec::new()),
    ] {
        assert_eq!(world.search(&asked).unwrap().matches, expected, "{asked:?}");
    }
}

#[test]
fn a_long_line_is_shown_around_what_was_found() {
    let world = World::new();
    world.write("one-line.json", format!("{}needle{}", "日".repeat(1000), "é".repeat(1000)));
    let found = world.search(&text("needle")).unwrap().matches;
    let line = found[0].text.as_deref().unwrap();
    assert!(line.starts_with("…日") && line.contains("needleé") && line.ends_with("é…"), "{line}");
    assert!(line.len() < 320, "{}", line.len());
}

#[test]
fn what_is_left_out_is_counted() {
    let world = World::new();
    world.write("binary", b"needle\0");
    world.write("latin", b"needle \xe9");
    fs::File::create(world.root().join("huge")).unwrap().set_len((4 << 20) + 1).unwrap();
    world.link("guides", "link");
    let deep: PathBuf = std::iter::repeat_n("d", 40).collect();
    fs::create_dir_all(world.root().join(&deep)).unwrap();
    let found = world.search(&text("needle")).unwrap();
    assert_eq!(found.matches, []);
    assert_eq!(found.skipped, Skipped { binary: 2, too_large: 1, too_deep: 1, unreadable: 0, special: 1 });
}

#[test]
fn a_search_stops_at_so_many_matches() {
    let world = World::new();
    world.write("lines", "needle\n".repeat(150));
    for (limit, count, stopped) in [
        (None, 100, Some(SearchEnd::Matches)),
        (Some(149), 149, Some(SearchEnd::Matches)),
        (Some(150), 150, None),
        (Some(5000), 150, None),
    ] {
        let found = world.search(&SearchFiles { limit, ..text("needle") }).unwrap();
        assert_eq!((found.matches.len(), found.stopped), (count, stopped), "{limit:?}");
    }
}

#[test]
fn a_search_reads_so_many_bytes() {
    let world = World::new();
    for number in 0..17 {
        let file = fs::File::create(world.root().join(format!("{number:02}"))).unwrap();
        file.set_len(4 << 20).unwrap();
    }
    let found = world.search(&text("needle")).unwrap();
    assert_eq!((found.files, found.stopped), (17, Some(SearchEnd::Bytes)));
}

#[test]
fn what_cannot_be_looked_for_is_refused() {
    let world = World::new();
    let name = |name: &str| SearchFiles { name: Some(name.to_owned()), ..SearchFiles::default() };
    let size = "`text` has 1 to 1000 bytes";
    for (asked, message) in [
        (SearchFiles::default(), "say what to look for: `text`, `name` or both"),
        (text(""), size),
        (text(&"x".repeat(1001)), size),
        (name("[a"), "`name` is no pattern: invalid range pattern"),
        (name("a/**b"), "`name` is no pattern: recursive wildcards must form a single path component"),
    ] {
        assert_eq!(world.search(&asked).unwrap_err(), message);
    }
    for expression in ["(", "a{1,1000}{1,1000}{1,1000}", "\\p{Nothing}"] {
        let refused = world.search(&SearchFiles { regex: true, ..text(expression) }).unwrap_err();
        assert!(refused.starts_with("`text` is no regular expression: "), "{expression}: {refused}");
    }
}

use std::time::{Duration, Instant};

use super::*;

const PROSE: &str = "How would you explain to somebody who has never programmed what a compiler does, \
                     and why it refuses what an interpreter would have run? Please use an everyday picture.\n";

/// A file of so many lines of code.
fn source(lines: usize) -> String {
    let mut text = "use std::fmt;\n\n".to_owned();
    for line in 0..lines {
        text.push_str(&format!("    let value_{line} = compute({line});\n"));
    }
    text
}

fn agent() -> AgentId {
    "laptop".parse().unwrap()
}

/// What becomes of a prompt by itself: `passed`, `noted: what` or `refused: what`.
fn alone(text: &str) -> String {
    said(check(&GuardSettings::default(), &Memory::default(), &agent(), &[text], Instant::now()))
}

fn said(checked: Result<Passed, Vec<LlmReason>>) -> String {
    match checked {
        Ok(Passed { warning: None, .. }) => "passed".to_owned(),
        Ok(Passed { warning: Some(what), .. }) => format!("noted: {what}"),
        Err(reasons) => {
            let reasons: Vec<_> =
                reasons.iter().map(|reason| format!("{}: {reason}", reason.code())).collect();
            reasons.join("; ")
        }
    }
}

/// A repository of so many files, each announced by `header` and closed by `end`.
fn packed(files: usize, begin: &str, header: impl Fn(&str) -> String, end: &str) -> String {
    let one = |file: usize| format!("{}\n{}{end}\n", header(&format!("src/part_{file}.rs")), source(40));
    format!("{begin}{}", (0..files).map(one).collect::<String>())
}

#[test]
fn what_programs_that_pack_repositories_write_is_refused() {
    let rule = "=".repeat(48);
    for (format, text) in [
        (
            "repomix, XML",
            packed(
                12,
                "This file is a merged representation of the entire codebase, combined into a single document by Repomix.\n<directory_structure>\nsrc/\n</directory_structure>\n",
                |path| format!("<file path=\"{path}\">"),
                "</file>",
            ),
        ),
        (
            "repomix, Markdown",
            packed(
                12,
                "This file is a merged representation of a subset of the codebase.\n",
                |path| format!("## File: {path}\n```rust"),
                "```",
            ),
        ),
        (
            "gitingest",
            packed(
                12,
                "Directory structure:\n└── repo/\n    ├── src\n",
                |path| format!("{rule}\nFILE: {path}\n{rule}"),
                "",
            ),
        ),
        (
            "code2prompt",
            packed(
                12,
                "Project Path: /home/me/repo\n\nSource Tree:\n\n```\nrepo\n├── src\n```\n",
                |path| format!("`{path}`:\n\n```rs"),
                "```",
            ),
        ),
        (
            "files-to-prompt, XML",
            packed(
                12,
                "<documents>\n",
                |path| format!("<document index=\"1\">\n<source>{path}</source>"),
                "</document>",
            ),
        ),
        ("files-to-prompt", packed(12, "", |path| format!("{path}\n---"), "\n---")),
        ("yek", packed(12, "", |path| format!(">>>> {path}"), "")),
        ("head and tail", packed(12, "", |path| format!("==> {path} <=="), "")),
        ("comments in fences", packed(12, "", |path| format!("```rust\n// {path}"), "```")),
        (
            "a diff of many files",
            packed(
                12,
                "",
                |path| format!("diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1,4 +1,9 @@"),
                "",
            ),
        ),
    ] {
        let verdict = alone(&text);
        assert!(
            verdict
                .starts_with("pasted_repository: the prompt looks like a pasted repository: 12 file headers"),
            "{format}: {verdict}"
        );
    }
}

#[test]
fn a_refusal_names_what_was_found() {
    let hunks = "@@ -1,3 +1,4 @@\n".repeat(3);
    let text = packed(
        14,
        &format!("This file is a merged representation of the entire codebase.\n{hunks}"),
        |path| format!("<file path=\"{path}\">"),
        "</file>",
    );
    let reason =
        check(&GuardSettings::default(), &Memory::default(), &agent(), &[&text], Instant::now()).unwrap_err();
    assert_eq!(
        reason[0].to_string(),
        "the prompt looks like a pasted repository: 14 file headers, 3 hunks, repomix banner, 577 lines of code"
    );
    assert_eq!(
        reason[0].help(),
        "send only what the question needs: this server does not pass on whole repositories; `llm.paste_guard` has the thresholds"
    );
}

#[test]
fn what_people_ask_is_let_through() {
    let snippet = format!("Why does this panic?\n\n```rust\n{}```\n", source(60));
    let tree = "Where do tests belong?\n\n├── src\n│   ├── lib.rs\n│   └── main.rs\n└── tests\n";
    let change = "Please review:\n\n```diff\ndiff --git a/src/a.rs b/src/a.rs\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1,2 +1,2 @@\n-a\n+b\n@@ -9,2 +9,2 @@\n-a\n+b\n```\n";
    let two =
        "Compare these:\n\n### src/a.rs\n```rust\nfn a() {}\n```\n\n### src/b.rs\n```rust\nfn b() {}\n```\n";
    let readme = "# A tool\n\n## Install\n\n```sh\ncargo install tool\n```\n\n## Use\n\n```rust\nuse tool::run;\nfn main() { run(); }\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n";
    for text in ["", "hello", PROSE, &snippet, tree, change, two, readme, &PROSE.repeat(300)] {
        assert_eq!(alone(text), "passed", "{text:.60}");
    }
    // One long file is odd, and still one file.
    assert_eq!(alone(&source(1500)), "noted: 1501 lines of code");
}

#[test]
fn nothing_gets_around_the_byte_limit() {
    let settings = GuardSettings { max_prompt_bytes: 100, ..GuardSettings::default() };
    let checked =
        |texts: &[&str]| said(check(&settings, &Memory::default(), &agent(), texts, Instant::now()));
    assert_eq!(checked(&[&"x".repeat(100)]), "passed");
    // Instructions count too.
    assert_eq!(
        checked(&[&"x".repeat(60), &"y".repeat(41)]),
        "prompt_too_large: the prompt has 101 bytes, and at most 100 are let through"
    );
}

/// Sends pieces, a minute after each other, until one is refused.
fn let_through(pieces: impl Iterator<Item = String>, settings: &GuardSettings, memory: &Memory) -> usize {
    let begun = Instant::now();
    let minute = |index| begun + Duration::from_secs(60 * index as u64);
    let judge = |(index, piece): (usize, String)| check(settings, memory, &agent(), &[&piece], minute(index));
    pieces.enumerate().map(judge).take_while(Result::is_ok).count()
}

#[test]
fn splitting_a_repository_over_prompts_does_not_help() {
    let settings = GuardSettings { window: Duration::from_secs(24 * 3600), ..GuardSettings::default() };
    for (what, piece) in [
        ("a file each", (|index| format!("// src/part_{index}.rs\n{}", source(50))) as fn(usize) -> String),
        ("code without a header", |index| source(190 + index)),
        ("a part of a diff", |index| {
            format!(
                "diff --git a/{index}.rs b/{index}.rs\n@@ -1,2 +1,2 @@\n-a\n+b\n@@ -9,2 +9,2 @@\n-a\n+b\n"
            )
        }),
    ] {
        let count = let_through((0..100).map(piece), &settings, &Memory::default());
        assert!((2..20).contains(&count), "{what}: {count} pieces were let through");
    }
}

#[test]
fn plain_prose_of_any_volume_never_trips_it() {
    let settings = GuardSettings { window: Duration::from_secs(24 * 3600), ..GuardSettings::default() };
    let memory = Memory::default();
    assert_eq!(
        let_through((0..1000).map(|index| format!("{index}. {}", PROSE.repeat(50))), &settings, &memory),
        1000
    );
    // Not even of an agent that has just sent as much code as it may.
    let_through((0..100).map(|index| format!("// src/part_{index}.rs\n{}", source(50))), &settings, &memory);
    assert_eq!(let_through((0..100).map(|_| PROSE.to_owned()), &settings, &memory), 100);
}

#[test]
fn an_afternoon_of_ordinary_questions_is_let_through() {
    let piece =
        |index| format!("Why is this slow?\n```rust\n// src/part_{}.rs\n{}```\n", index % 6, source(20));
    assert_eq!(let_through((0..200).map(piece), &GuardSettings::default(), &Memory::default()), 200);
}

#[test]
fn what_was_sent_before_the_window_and_what_was_refused_does_not_count() {
    let (memory, settings, begun) = (Memory::default(), GuardSettings::default(), Instant::now());
    let piece = |first: usize| {
        (first..first + 3)
            .map(|index| format!("```rust\n// src/part_{index}.rs\nfn a() {{}}\n```\n"))
            .collect::<String>()
    };
    let mut judged = Vec::new();
    for index in 0..6 {
        judged.push(check(&settings, &memory, &agent(), &[&piece(3 * index)], begun).is_ok());
    }
    assert_eq!(judged, [true, true, true, true, false, false], "twelve files, and not fifteen");
    let refused =
        check(&settings, &memory, &agent(), &[&piece(90)], begun + Duration::from_secs(60)).unwrap_err();
    assert_eq!(refused[0].retry_after_ms(), Some(540_000));
    assert_eq!(
        refused[0].to_string(),
        "the prompt looks like a pasted repository: 15 file headers, with the prompts before it"
    );
    assert!(
        check(&settings, &memory, &"other".parse().unwrap(), &[&piece(90)], begun).is_ok(),
        "agents are apart"
    );
    assert!(check(&settings, &memory, &agent(), &[&piece(90)], begun + settings.window).is_ok());
}

#[test]
fn thresholds_hold_from_the_next_prompt_on() {
    let memory = Memory::default();
    let two = "### src/a.rs\n```rust\nfn a() {}\n```\n### src/b.rs\n```rust\nfn b() {}\n```\n";
    for (deny_score, passes) in [(50, true), (12, false), (13, true)] {
        let settings = GuardSettings { deny_score, ..GuardSettings::default() };
        assert_eq!(
            check(&settings, &memory, &agent(), &[two], Instant::now()).is_ok(),
            passes,
            "{deny_score}"
        );
    }
}

/// How often it is wrong about what is no pasted repository: every README,
/// changelog and source file of the crates that this one is built from.
///
/// `cargo test -p server-core --release --lib false_alarms -- --ignored --nocapture`
#[test]
#[ignore = "reads the registry of the machine it runs on"]
fn false_alarms_on_readmes_changelogs_and_sources() {
    let home =
        std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{}/.cargo", std::env::var("HOME").unwrap()));
    let mut counts = std::collections::BTreeMap::<&str, [usize; 3]>::new();
    let (mut folders, mut bytes) = (vec![std::path::PathBuf::from(home).join("registry/src")], 0);
    let mut reading = Duration::ZERO;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = entry.file_name().to_string_lossy().to_lowercase();
            let kind = match name.as_str() {
                name if name.starts_with("readme") => "readme",
                name if name.starts_with("changelog") => "changelog",
                name if name.ends_with(".rs") => "source",
                _ => continue,
            };
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            if text.len() > GuardSettings::default().max_prompt_bytes {
                continue;
            }
            let begun = Instant::now();
            let score = Features::of(&text).score();
            reading += begun.elapsed();
            bytes += text.len();
            let count = counts.entry(kind).or_default();
            count[0] += 1;
            count[1] += usize::from(score >= 30);
            count[2] += usize::from(score >= 50);
            if score >= 50 {
                println!("{score} {}: {}", path.display(), Features::of(&text));
            }
        }
    }
    println!("{} MB in {reading:?}", bytes / 1_000_000);
    for (kind, [all, noted, refused]) in counts {
        println!("{kind}: {all}, {noted} noted, {refused} refused");
        assert!(refused * 1000 <= all, "more than one in a thousand");
    }
}

//! Texts that nobody wrote in good faith, and files that were cut short.

use super::{compiled, good, report, said};

fn first_line(text: &str) -> String {
    report(&said(text)).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_text_that_is_too_much_is_refused() {
    let bomb = (1..9).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, level| {
        let below = vec![format!("*a{}", level - 1); 9].join(", ");
        format!("{text}a{level}: &a{level} [{below}]\n")
    });
    let aliases = format!("a: &a x\nb: [{}]\n", "*a, ".repeat(300));
    let anchors: String = (0..300).map(|n| format!("a{n}: &a{n} x\n")).collect();
    let merges = format!("a: &a {{}}\nb: [{}]\n", "{ <<: *a }, ".repeat(300));
    let blocks: String = (0..40).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    for (text, expected) in [
        (bomb, "error: the aliases stand for too much text"),
        (aliases, "error: there are more than 256 anchors or aliases"),
        (anchors, "error: there are more than 256 anchors or aliases"),
        (merges, "error: there are more than 256 merge keys"),
        (format!("a: {}", "[".repeat(20_000)), "error: this is nested deeper than 32 levels"),
        (format!("a: {}", "{a: ".repeat(20_000)), "error: this is nested deeper than 32 levels"),
        (blocks, "error: this is nested deeper than 32 levels"),
        (
            format!("a: [{}]", "x, ".repeat(200_000)),
            "error: there are too many values, counting each as often as aliases repeat it",
        ),
        (format!("# {}\n", "x".repeat(1024 * 1024)), "error: the file is larger than 1 MiB"),
        ("version: 1\n\0".to_owned(), "error: there is a NUL byte, so this is no text file"),
    ] {
        assert_eq!(first_line(&text), expected);
    }
}

#[test]
fn of_very_many_problems_the_first_are_told() {
    let keys: String = (0..150).map(|key| format!("x{key}: 1\n")).collect();
    let problems = said(&format!("version: 1\ntenants: {{}}\nagents: {{}}\n{keys}"));
    assert_eq!(problems.iter().filter(|problem| problem.code == "unknown_key").count(), 100);
    assert_eq!(problems.last().unwrap().message, "and 50 more problems, shown once these are gone");
}

#[test]
fn line_ends_of_every_kind_and_a_byte_order_mark_are_read() {
    let text = include_str!("../../../../../config.yaml");
    let plain = good(text).settings;
    for text in [text.replace('\n', "\r\n"), text.replace('\n', "\r"), format!("\u{feff}{text}")] {
        assert_eq!(format!("{:?}", good(&text).settings), format!("{plain:?}"));
    }
}

#[test]
fn a_place_is_the_same_whatever_ends_the_lines() {
    let text = "version: 1\ntenants: {}\nagents:\n  é: 5\n";
    for text in [text.replace('\n', "\r\n"), text.replace('\n', "\r"), format!("\u{feff}{text}")] {
        assert_eq!(
            report(&said(&text)),
            "error: `é` is no agent name: use 1 to 64 of A-Z, a-z, 0-9, `-`, `_` and `.`, beginning with a letter or digit\n \
             --> config.yaml:4:3 (agents.\"é\")\n  \
               |\n\
             4 |   é: …\n  \
               |   ^\n\n\
             error: `é` must be a mapping, not a number\n \
             --> config.yaml:4:6 (agents.\"é\")\n  \
               |\n\
             4 |   é: …\n  \
               |      ^"
        );
    }
}

#[test]
fn a_file_that_was_cut_within_a_line_is_refused_or_doubted() {
    let text = include_str!("../../../../../config.yaml");
    for (end, _) in text.char_indices() {
        let cut = &text[..end];
        match compiled(cut) {
            Ok(_) if cut.ends_with('\n') => {}
            Ok(compiled) => {
                let codes: Vec<&str> = compiled.warnings.iter().map(|problem| problem.code).collect();
                assert!(codes.contains(&"no_final_line_break"), "taken without doubt:\n{cut}");
            }
            Err(problems) => assert!(problems.iter().any(super::Problem::is_error)),
        }
    }
}

#[test]
fn a_file_without_its_last_line_break_is_taken_with_a_warning() {
    let problems = said(
        "version: 1\ntenants: { research: {} }\nagents: { laptop: { tenant: research, token: \"${LAPTOP_TOKEN}\" } }",
    );
    assert_eq!(
        report(&problems),
        "warning: the file does not end with a line break, so it may have been cut short\n \
         --> config.yaml:3:67\n  \
           |\n\
         3 | agents: { laptop: { tenant: research, token: \"${LAPTOP_TOKEN}\" } }\n  \
           |                                                                   ^\n  \
           help: end the last line with one"
    );
}

#[test]
fn no_text_makes_the_compiler_lose_its_way() {
    // Each line of the shipped configuration, left out or put elsewhere.
    let lines: Vec<&str> = include_str!("../../../../../config.yaml").lines().collect();
    for index in 0..lines.len() {
        for other in [index + 1, index + 7, 0] {
            let mut lines = lines.clone();
            let line = lines.remove(index);
            if other > 0 {
                lines.insert(other.min(lines.len()), line);
            }
            for problem in said(&(lines.join("\n") + "\n")) {
                assert!(!["internal", "invalid_value"].contains(&problem.code), "{problem}");
            }
        }
    }
}

//! What every command has in common.

use clap::Parser;

use super::*;

/// Every command that people use, with the words that lead to it.
fn all() -> Vec<(Vec<String>, clap::Command)> {
    fn below(path: &[String], command: &clap::Command, all: &mut Vec<(Vec<String>, clap::Command)>) {
        for command in command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help") {
            let path = [path, &[command.get_name().to_owned()]].concat();
            below(&path, command, all);
            if command.get_subcommands().next().is_none() {
                all.push((path, command.clone()));
            }
        }
    }
    let mut all = Vec::new();
    below(&[], &commands(), &mut all);
    all
}

/// A line's words as a shell reads them, up to where its output goes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    let end = words.iter().position(|word| [">", "|", "&&"].contains(&word.as_str()));
    words.truncate(end.unwrap_or(words.len()));
    words
}

#[test]
fn every_command_has_an_example_in_its_help_that_it_understands() {
    for (path, command) in all() {
        let help = command.clone().render_help().to_string();
        let start = format!("mcp-universal-server {}", path.join(" "));
        let (_, examples) =
            help.split_once("\nExample").unwrap_or_else(|| panic!("`{start}` has no example"));
        let lines =
            examples.lines().filter_map(|line| line.find("mcp-universal-server ").map(|at| &line[at..]));
        let mut shown = 0;
        for line in lines {
            assert!(line.starts_with(&start), "{line}");
            let parsed = Cli::try_parse_from(words(line));
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            shown += 1;
        }
        assert!(shown > 0, "`{start}` has no example");
    }
}

#[test]
fn every_command_that_the_readme_has_is_one() {
    let readme = include_str!("../../../README.md");
    let lines = readme.lines().filter_map(|line| line.trim_start().strip_prefix("$ "));
    let mut seen = 0;
    for line in lines.flat_map(|line| line.split(" | ")) {
        let line = line.trim_start_matches("docker compose exec mcp ").trim_start_matches("./");
        if line.starts_with("mcp-universal-server ") {
            let parsed = Cli::try_parse_from(words(line));
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            seen += 1;
        }
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn every_command_that_tells_something_tells_it_to_programs_too() {
    // These print what is for programs, or nothing.
    let others = ["serve", "schema", "completions", "man"];
    for (path, command) in all() {
        let has_json = command.get_arguments().any(|argument| argument.get_id() == "json");
        assert_eq!(has_json, !others.contains(&path.join(" ").as_str()), "{path:?}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    man::run(&Cli::man(["--out", folder.path().to_str().unwrap()]), &mut out).unwrap();
    for (path, _) in all() {
        let name = format!("mcp-universal-server-{}.1", path.join("-"));
        let page = std::fs::read_to_string(folder.path().join(&name)).unwrap_or_else(|_| panic!("{name}"));
        assert!(page.contains(".SH NAME") && page.contains("Example"), "{name}: {page}");
    }
    man::run(&Cli::man([]), &mut out).unwrap();
    assert!(String::from_utf8(out).unwrap().contains("explain"));
}

impl Cli {
    fn man<const N: usize>(arguments: [&str; N]) -> man::Arguments {
        match Self::parse_from(["mcp-universal-server", "man"].into_iter().chain(arguments)).command {
            Command::Man(arguments) => arguments,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_shells_completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let Command::Completions(arguments) =
            Cli::parse_from(["mcp-universal-server", "completions", shell]).command
        else {
            panic!("completions")
        };
        let mut script = Vec::new();
        completions::run(&arguments, &mut script).unwrap();
        let script = String::from_utf8(script).unwrap();
        for (path, _) in all() {
            assert!(script.contains(path.last().unwrap()), "{shell}: {path:?}");
        }
    }
}

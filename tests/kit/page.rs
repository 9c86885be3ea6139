//! A page of the documentation, as somebody reads it who types what it says.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long a command may take: to build a plugin takes minutes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(900);

/// Before a block whose command is left to run in a terminal of its own.
const GOES_ON: &str = "<!-- goes on running -->";

/// Something to type, and what it says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) typed: String,
    pub(super) said: Vec<String>,
    pub(super) goes_on: bool,
}

/// What a page has people do: `sh` blocks as they are, and of `console` blocks the
/// lines after `$ `, each with what follows.
pub(super) fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = page.lines();
    let mut goes_on = false;
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            goes_on |= line == GOES_ON;
            continue;
        };
        let inside: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        if language == "sh" {
            steps.push(Step { typed: inside.join("\n"), said: Vec::new(), goes_on: false });
        } else if language == "console" {
            for line in inside {
                match (line.strip_prefix("$ "), steps.last_mut()) {
                    (Some(typed), _) => {
                        steps.push(Step { typed: typed.to_owned(), said: Vec::new(), goes_on });
                    }
                    (None, Some(step)) => step.said.push(line.to_owned()),
                    (None, None) => panic!("`{line}` is said before anything is typed"),
                }
            }
        }
        goes_on = false;
    }
    steps
}

/// The first line of a page that is not found in what was said, after the one before.
/// `…` stands for anything, and alone for any number of lines.
pub(super) fn lacking<'p>(page: &'p [String], said: &str) -> Option<&'p str> {
    let mut said = said.lines();
    let wanted = page.iter().filter(|line| !["", "…"].contains(&line.as_str()));
    wanted.map(String::as_str).find(|line| !said.any(|it| is_like(it, line)))
}

fn is_like(said: &str, line: &str) -> bool {
    let Some((start, rest)) = line.split_once('…') else { return said == line };
    said.strip_prefix(start).is_some_and(|said| {
        said.char_indices().any(|(at, _)| is_like(&said[at..], rest)) || is_like("", rest)
    })
}

/// A shell in an empty folder, and what it leaves running.
pub(super) struct Reader {
    folder: tempfile::TempDir,
    shell: Child,
    input: Option<ChildStdin>,
    typed: usize,
}

impl Reader {
    /// `prepare` may change what the shell finds.
    pub(super) fn new(program: &Path, prepare: impl FnOnce(&mut Command)) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for name in ["bin", "said", "work"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::os::unix::fs::symlink(program, folder.path().join("bin/mcp-universal-server")).unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(folder.path().join("bin")).chain(std::env::split_paths(&path));
        let mut shell = Command::new("bash");
        shell
            .env("PATH", std::env::join_paths(paths).unwrap())
            .current_dir(folder.path().join("work"))
            .stdin(Stdio::piped());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_") || name.starts_with("MCP_") || name == "RUST_LOG" {
                shell.env_remove(&*name);
            }
        }
        prepare(&mut shell);
        let mut shell = shell.spawn().unwrap();
        let input = shell.stdin.take();
        Self { folder, shell, input, typed: 0 }
    }

    /// Types a step, and waits until it has said what the page says. A call is made
    /// again: what was just built takes a moment to be served.
    pub(super) fn follow(&mut self, step: &Step) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (code, said) = self.types(step, deadline);
            assert!(matches!(code, None | Some(0)), "{}\nended with {code:?}: {said}", step.typed);
            let Some(lacking) = lacking(&step.said, &said) else { return };
            let again = step.typed.starts_with("call ") && Instant::now() < deadline;
            assert!(again, "{}\ndoes not say `{lacking}`, but\n{said}", step.typed);
            // Calls have a rate.
            thread::sleep(Duration::from_millis(250));
        }
    }

    fn types(&mut self, step: &Step, deadline: Instant) -> (Option<i32>, String) {
        self.typed += 1;
        let file = |name: &str| self.folder.path().join("said").join(format!("{}.{name}", self.typed));
        let (out, done) = (file("out"), file("done"));
        let typed = &step.typed;
        let line = if step.goes_on {
            format!("{typed} > '{}' 2>&1 < /dev/null &\n", out.display())
        } else {
            let (out, done) = (out.display(), done.display());
            format!(
                "{{ {typed}\n}} > '{out}' 2>&1 < /dev/null; echo $? > '{done}.new'; mv '{done}.new' '{done}'\n"
            )
        };
        self.input.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
        loop {
            let said = fs::read_to_string(&out).unwrap_or_default();
            if step.goes_on && lacking(&step.said, &said).is_none() {
                return (None, said);
            }
            if let Ok(code) = fs::read_to_string(&done) {
                // What was said is complete by now.
                return (Some(code.trim().parse().unwrap()), fs::read_to_string(&out).unwrap());
            }
            assert!(self.shell.try_wait().unwrap().is_none(), "the shell ended at\n{typed}\n{said}");
            assert!(Instant::now() < deadline, "waited in vain for\n{typed}\n{said}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Where it works.
    pub(super) fn folder(&self) -> PathBuf {
        self.folder.path().join("work")
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(mut input) = self.input.take() {
            let _ = input.write_all(b"kill $(jobs -p); wait; exit\n");
        }
        let _ = self.shell.wait();
    }
}

#[test]
fn a_page_is_read_as_it_is_meant() {
    let page = "Text\n```sh\na\nb\n```\n<!-- goes on running -->\n```console\n$ c\n…\nsaid\n```\n```rust\nd\n```\n```console\n$ e\n$ f\n```\n";
    let step = |typed: &str, said: &[&str], goes_on| Step {
        typed: typed.to_owned(),
        said: said.iter().map(ToString::to_string).collect(),
        goes_on,
    };
    assert_eq!(
        steps(page),
        [
            step("a\nb", &[], false),
            step("c", &["…", "said"], true),
            step("e", &[], false),
            step("f", &[], false)
        ]
    );
}

#[test]
fn what_a_page_says_has_to_be_said_in_its_order() {
    let said = "one 1 two\nthree\nfour 4\n";
    for (page, missing) in [
        (&["one … two", "…", "four 4"][..], None),
        (&["one…", "three"][..], None),
        (&["three", "one…"][..], Some("one…")),
        (&["one"][..], Some("one")),
        (&["two"][..], Some("two")),
        (&["four … 5"][..], Some("four … 5")),
    ] {
        let page: Vec<_> = page.iter().map(ToString::to_string).collect();
        assert_eq!(lacking(&page, said), missing, "{page:?}");
    }
}

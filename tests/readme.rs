//! What the README tells people to type and to write, as it stands there.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::support::{
    LAPTOP, PROGRAM, REVIEWER, Server, eventually,
    output::{code, stderr, stdout},
    program,
};

const README: &str = include_str!("../README.md");

/// Commands that need what a test of this suite has not (a fresh clone, an engine for
/// containers, Claude Code), each with the file that runs them, and how they stand there.
const ELSEWHERE: [(&str, &str, &str); 9] = [
    ("cargo xtask serve", ".ci/first-start", "cargo xtask serve"),
    ("cargo xtask test", ".ci/run", "cargo xtask test"),
    ("cargo xtask bench", ".ci/run", "cargo xtask bench --smoke"),
    ("claude mcp add", "tests/clients/claude_code.mjs", "\"mcp\", \"add\", \"--transport\", \"http\""),
    ("claude mcp list", "tests/clients/claude_code.mjs", "\"mcp\", \"list\""),
    ("docker compose up --detach", "tests/docker.sh", "compose up --detach"),
    ("docker compose exec mcp", "tests/docker.sh", "docker exec \"$container\""),
    ("docker build", "tests/docker.sh", "docker build"),
    ("docker run --rm --read-only --cap-drop ALL", "tests/docker.sh", "--read-only --cap-drop ALL"),
];

/// Of the configuration that the README's commands are about: its own first one, with
/// models for one agent, and ports that are free.
fn configuration() -> String {
    let shown = blocks("yaml").next().expect("a configuration").join("\n");
    let config = shown
        .replace("127.0.0.1:8080", "127.0.0.1:0")
        .replace("127.0.0.1:8081", "127.0.0.1:0")
        .replace("limits: { rate_limit: \"20/min\", concurrency: 2 }", "llm: { max_cost_per_day: 2.50 }");
    format!(
        "{config}\nllm:\n  providers:\n    local:\n      models: {{ \"llama3.1:8b\": {{ input: 0, output: 0 }} }}\n"
    )
}

/// The lines of fenced blocks in that language, without their indentation.
fn blocks(language: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let fence = format!("```{language}");
    let mut lines = README.lines().map(str::trim_end);
    std::iter::from_fn(move || {
        let start = lines.by_ref().find(|line| line.trim_start() == fence)?;
        let indent = start.len() - start.trim_start().len();
        let inside = lines.by_ref().take_while(|line| line.trim_start() != "```");
        Some(inside.map(|line| line.get(indent..).unwrap_or_default()).collect())
    })
}

/// What a person types.
fn typed() -> impl Iterator<Item = &'static str> {
    blocks("console").flatten().filter_map(|line| line.strip_prefix("$ "))
}

/// A folder with the program in its path, a configuration that leads to a server and
/// another one beside it.
struct Desk {
    folder: tempfile::TempDir,
    _server: Server,
}

impl Desk {
    fn new() -> Self {
        let server = Server::start_with(&configuration(), |folder, command| {
            fs::create_dir(folder.join("plugins.d")).unwrap();
            command.env("ADMIN_TOKEN", format!("{REVIEWER}-admin"));
        });
        let admin = eventually("a door", || server.logged(|line| line["message"] == "admin listening"));
        // The one before, for `rollback`.
        let changed = configuration().replace("concurrency: 8", "concurrency: 9");
        fs::write(server.config(), changed).unwrap();
        eventually("the edit", || server.logged(|line| line["generation"] == 2));

        let folder = tempfile::tempdir().unwrap();
        let state = server.config().with_file_name("state");
        let config = configuration()
            .replacen("127.0.0.1:0", &server.address.to_string(), 1)
            .replacen("127.0.0.1:0", admin["address"].as_str().unwrap(), 1)
            .replace("./state", state.to_str().unwrap());
        fs::write(folder.path().join("config.yaml"), &config).unwrap();
        fs::write(folder.path().join("config.new.yaml"), config.replace("20.00", "10.00")).unwrap();
        fs::create_dir(folder.path().join("plugins.d")).unwrap();
        for shipped in ["deploy", ".env.example"] {
            symlink(fs::canonicalize(project().join(shipped)).unwrap(), folder.path().join(shipped)).unwrap();
        }
        symlink(PROGRAM, folder.path().join("mcp-universal-server")).unwrap();
        let log: Vec<_> = server.log().iter().map(Value::to_string).collect();
        fs::write(folder.path().join("log"), log.join("\n")).unwrap();
        Self { folder, _server: server }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What a shell makes of a line. Whoever follows has seen enough soon; the engine
    /// for containers is there for its log only.
    fn types(&self, line: &str) -> Output {
        let line = line.replace(" --follow", "").replace("docker logs mus", "cat log");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(self.path().to_owned()).chain(std::env::split_paths(&path));
        let steered = program();
        let mut shell = Command::new("bash");
        for (name, value) in steered.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell
            .args(["-o", "pipefail", "-c", &line])
            .current_dir(self.path())
            .env("PATH", std::env::join_paths(paths).unwrap())
            .env("LAPTOP_TOKEN", LAPTOP)
            .env("REVIEWER_TOKEN", REVIEWER)
            .env("ADMIN_TOKEN", format!("{REVIEWER}-admin"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

/// Problems of a piece of a configuration that only mean that the rest is not there.
const OF_PIECES: [&str; 7] = [
    "missing_key",
    "unset_variable",
    "unknown_profile",
    "unreadable_file",
    "no_database",
    "no_folder",
    // "RWQ…" stands for one.
    "invalid_key",
];

/// Whatever else they are about, keys and values are right.
#[test]
fn every_piece_of_a_configuration_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut pieces = 0;
    for lines in blocks("yaml") {
        let (piece, file) = (lines.join("\n"), folder.path().join("piece.yaml"));
        let version = if piece.contains("version: 1") { "" } else { "version: 1\n" };
        fs::write(&file, format!("{version}{piece}\n")).unwrap();
        let output =
            program().args(["check", "--json"]).arg(&file).current_dir(folder.path()).output().unwrap();
        let problems: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let wrong: Vec<_> =
            problems.iter().filter(|it| !OF_PIECES.contains(&it["code"].as_str().unwrap())).collect();
        assert!(wrong.is_empty(), "{piece}\n{wrong:#?}");
        pieces += 1;
    }
    assert!(pieces > 8, "{pieces} pieces");
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn what_an_operator_types_works_as_it_is_written() {
    let desk = Desk::new();
    let mut run = 0;
    for line in typed() {
        if let Some((command, file, there)) = ELSEWHERE.iter().find(|(command, ..)| line.starts_with(command))
        {
            let text = fs::read_to_string(project().join(file)).unwrap();
            assert!(text.contains(there), "{file} runs `{command}`");
            continue;
        }
        // Serving is what every other test does; these need a library.
        if line == "./mcp-universal-server serve"
            || line.contains("plugin ")
            || line.starts_with("cargo build")
        {
            continue;
        }
        let expected = i32::from(line.contains("explain"));
        let output = desk.types(line);
        assert_eq!(code(&output), expected, "{line}: {}{}", stdout(&output), stderr(&output));
        run += 1;
    }
    assert!(run > 10, "{run} commands");
}

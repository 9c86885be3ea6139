//! From YAML to [`Settings`], with every problem at once.
//!
//! A configuration goes through five steps: `yaml` reads a text into a tree in
//! which every value knows its place, `include` puts the trees of several files
//! together, `structure` compares the whole with the schema of `raw`, `compile`
//! turns what is left into [`Settings`], and the `report` that goes along turns
//! places into files, lines and columns. A step leaves out what it found wrong,
//! so that the next one still sees the rest.
//!
//! No [`Problem`] shows a secret. Its words never quote a value that may be
//! one, and of the line that goes with it only those parts are shown that the
//! schema knows and does not mark as `writeOnly`; of a text that is no YAML,
//! only the words that are keys of the schema.

use std::path::{Path, PathBuf};

use crate::settings::{Agent, Disclosure, Grant, LogLevel, Settings, Tenant};

mod compile;
mod endpoint;
mod files;
mod include;
mod mask;
mod page;
mod place;
mod problem;
mod raw;
mod report;
mod schema;
mod secrets;
mod snippet;
mod structure;
mod suggest;
mod tree;
mod yaml;

#[cfg(test)]
mod tests;

pub use endpoint::{AdminEndpoint, Endpoint, endpoint, state_dir};
pub use problem::{Problem, Severity};
pub use schema::schema;
pub use secrets::{InvalidToken, NoSecret, secret};

pub(crate) use mask::quoted;
pub(crate) use suggest::closest;

use compile::{Compiler, default_patterns, default_plugins, default_server};
use files::Files;
use include::Parts;
use place::Place;
use report::Report;
use tree::{Kind, Node};

/// Resources that are granted where nothing is said about them.
const RESOURCES: [&str; 1] = ["about://*"];

/// Prompts that are granted where nothing is said about them.
const PROMPTS: [&str; 2] = ["review_pr", "tool_usage"];

/// Tools of the one agent that exists without a configuration.
const SAFE_TOOLS: [&str; 2] = ["core.echo", "core.sum"];

/// Where the server keeps its files if nothing is said about it.
const STATE_DIR: &str = "state";

/// The most calls that a configuration may let run at the same time. Each may have
/// a thread for as long as it runs.
pub const MAX_CALLS: u32 = 4096;

/// A configuration, as a file has it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file. Relative paths in it start at its folder.
    pub path: PathBuf,
    /// What it holds.
    pub text: String,
}

/// A file that `include` names.
#[derive(Clone, Debug)]
pub struct Included {
    /// The file.
    pub path: PathBuf,
    /// What it holds; or why it cannot be read, to be told after a colon.
    pub text: Result<String, String>,
}

/// Where secrets and included files come from. Whoever implements it sees what
/// the outcome depends on, also what cannot be read.
pub trait Environment {
    /// The value of a variable.
    fn variable(&self, name: &str) -> Option<String>;

    /// Whether a variable that is set is so in `.env` only, not where the server
    /// was started.
    fn is_of_dotenv(&self, _name: &str) -> bool {
        false
    }

    /// The content of a file.
    ///
    /// # Errors
    ///
    /// Why it cannot be read, to be told after a colon.
    fn file(&self, path: &Path) -> Result<String, String>;

    /// The files that a pattern names, in the order of their names. A path without
    /// wildcards names one, be it there or not; a pattern may match none.
    ///
    /// # Errors
    ///
    /// Why there is no saying which files they are, to be told after a colon.
    fn included(&self, pattern: &Path) -> Result<Vec<Included>, String>;
}

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What it says.
    pub settings: Settings,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Problem>,
    /// SHA-256 of the file, in lower-case hexadecimal digits. Of several, that of
    /// what `sha256sum` prints about them, run in the folder of the first.
    pub sha256: String,
    /// What was compiled: the main file, and those that it includes.
    pub sources: Vec<Source>,
}

/// Compiles a configuration.
///
/// # Errors
///
/// Every problem, in the order of the text; at least one is an error.
pub fn compile(source: &Source, environment: &dyn Environment) -> Result<Compiled, Vec<Problem>> {
    let begin = "a configuration has at least `version: 1`, `tenants` and `agents`";
    let tree = include::read(source, begin).map_err(|problem| vec![*problem])?;
    let unsupported = unsupported_version(&tree);
    let mut files = Files::new(source);
    let mut parts = Parts::new(tree);
    let mut sources = vec![source.clone()];
    if unsupported.is_none() {
        sources.extend(parts.include(source, environment, &mut files));
    }
    let mut report = Report::new(&files, &parts);
    if let Some(message) = unsupported {
        let help = "this server knows `version: 1`".to_owned();
        report.error(&Place::root().key("version"), "unsupported_version", message, Some(help));
        return Err(report.finish());
    }
    parts.tell(&mut report);
    if parts.is_too_much {
        return Err(report.finish());
    }
    let raw = structure::read(&mut report);
    let folder = source.path.parent().unwrap_or(Path::new(""));
    let mut compiler = Compiler { report, folder, environment, secrets: Vec::new() };
    let settings = compiler.settings(&raw);
    let problems = compiler.report.finish();
    if problems.iter().any(Problem::is_error) {
        return Err(problems);
    }
    Ok(Compiled { settings, warnings: problems, sha256: sha256(&sources), sources })
}

/// See [`Compiled::sha256`].
fn sha256(sources: &[Source]) -> String {
    let [main, _, ..] = sources else {
        return secrets::hexadecimal(
            sources.iter().map(|source| source.text.as_str()).collect::<String>().as_bytes(),
        );
    };
    let folder = main.path.parent().unwrap_or(Path::new(""));
    let lines = sources.iter().map(|source| {
        let path = source.path.strip_prefix(folder).unwrap_or(&source.path);
        format!("{}  {}\n", secrets::hexadecimal(source.text.as_bytes()), path.display())
    });
    secrets::hexadecimal(lines.collect::<String>().as_bytes())
}

/// What counts without any configuration: one agent, `default`, that has the
/// given token and may use harmless tools.
///
/// # Errors
///
/// If the token is none that an agent may have.
pub fn without_file(token: &str) -> Result<Settings, InvalidToken> {
    let token = secrets::token(token)?;
    let grant = Grant {
        tools: default_patterns(&SAFE_TOOLS),
        resources: default_patterns(&RESOURCES),
        prompts: default_patterns(&PROMPTS),
        ..Grant::default()
    };
    let tenant = Tenant {
        grant: grant.clone(),
        limits: Default::default(),
        llm: Default::default(),
        budget: Default::default(),
        disclosure: Disclosure::Reasons,
    };
    let tenants = "default".parse().into_iter().map(|id| (id, tenant.clone()));
    let agents = "default".parse().into_iter().zip("default".parse()).map(|(id, tenant)| {
        let agent = Agent {
            tenant,
            tokens: vec![token],
            grant: grant.clone(),
            limits: Default::default(),
            llm: Default::default(),
            budget: Default::default(),
        };
        (id, agent)
    });
    Ok(Settings {
        server: default_server(),
        admin: None,
        log_level: LogLevel::default(),
        secrets: Vec::new(),
        state_dir: STATE_DIR.into(),
        reload: Default::default(),
        egress: Default::default(),
        credentials: Default::default(),
        plugins: default_plugins(),
        tool_limits: Vec::new(),
        llm: Default::default(),
        tenants: tenants.collect(),
        agents: agents.collect(),
    })
}

/// Of another version, every other problem would be a guess.
fn unsupported_version(tree: &Node) -> Option<String> {
    match tree.get("version").map(|version| &version.kind) {
        Some(Kind::Number(number)) if number.as_f64() != Some(1.0) => {
            Some(format!("version {number} of the format is not supported"))
        }
        _ => None,
    }
}

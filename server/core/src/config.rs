//! From YAML to [`Settings`], with every problem at once.
//!
//! A configuration goes through four steps: `yaml` reads the text into a tree
//! in which every value knows its place, `structure` compares the tree with the
//! schema of `raw`, `compile` turns what is left into [`Settings`], and the
//! `report` that goes along turns places into lines and columns. A step leaves
//! out what it found wrong, so that the next one still sees the rest.
//!
//! No [`Problem`] shows a secret. Its words never quote a value that may be
//! one, and of the line that goes with it only those parts are shown that the
//! schema knows and does not mark as `writeOnly`; of a text that is no YAML,
//! only the words that are keys of the schema.

use std::path::{Path, PathBuf};

use crate::settings::{Agent, Disclosure, Grant, LogLevel, Settings, Tenant};

mod compile;
mod endpoint;
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
use page::Page;
use place::Place;
use report::Report;
use tree::{Kind, Node};
use yaml::Refusal;

/// Resources that are granted where nothing is said about them.
const RESOURCES: [&str; 1] = ["about://*"];

/// Prompts that are granted where nothing is said about them.
const PROMPTS: [&str; 2] = ["review_pr", "tool_usage"];

/// Tools of the one agent that exists without a configuration.
const SAFE_TOOLS: [&str; 2] = ["core.echo", "core.sum"];

/// Where the server keeps its files if nothing is said about it.
const STATE_DIR: &str = "state";

/// A configuration, as a file has it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file. Relative paths in it start at its folder.
    pub path: PathBuf,
    /// What it holds.
    pub text: String,
}

/// Where secrets come from.
pub trait Environment {
    /// The value of a variable.
    fn variable(&self, name: &str) -> Option<String>;

    /// Whether a variable that is set is so in `.env` only, not where the server
    /// was started.
    fn is_of_dotenv(&self, _name: &str) -> bool {
        false
    }

    /// The content of a file. Whoever implements it sees which files the outcome
    /// depends on, also those that cannot be read.
    ///
    /// # Errors
    ///
    /// Why it cannot be read, to be told after a colon.
    fn file(&self, path: &Path) -> Result<String, String>;
}

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What it says.
    pub settings: Settings,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Problem>,
    /// SHA-256 of the text, in lower-case hexadecimal digits.
    pub sha256: String,
}

/// Compiles a configuration.
///
/// # Errors
///
/// Every problem, in the order of the text; at least one is an error.
pub fn compile(source: &Source, environment: &dyn Environment) -> Result<Compiled, Vec<Problem>> {
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
    let page = Page::new(text);
    let tree = read(&page).map_err(|refusal| vec![Report::refusal(&source.path, &page, &refusal)])?;
    let mut report = Report::new(&source.path, &page, &tree);
    if !is_known_version(&mut report) {
        return Err(report.finish());
    }
    let raw = structure::read(&mut report);
    if !text.ends_with(['\n', '\r']) {
        let message = "the file does not end with a line break, so it may have been cut short".to_owned();
        report.warning_at_end("no_final_line_break", message, Some("end the last line with one".to_owned()));
    }
    let folder = source.path.parent().unwrap_or(Path::new(""));
    let mut compiler = Compiler { report, folder, environment, secrets: Vec::new() };
    let settings = compiler.settings(&raw);
    let problems = compiler.report.finish();
    if problems.iter().any(Problem::is_error) {
        return Err(problems);
    }
    Ok(Compiled { settings, warnings: problems, sha256: secrets::hexadecimal(source.text.as_bytes()) })
}

/// What counts without any configuration: one agent, `default`, that has the
/// given token and may use harmless tools.
///
/// # Errors
///
/// If the token is none that an agent may have.
pub fn without_file(token: &str) -> Result<Settings, InvalidToken> {
    let token = secrets::Token::new(token)?;
    let grant = Grant {
        tools: default_patterns(&SAFE_TOOLS),
        resources: default_patterns(&RESOURCES),
        prompts: default_patterns(&PROMPTS),
        ..Grant::default()
    };
    let tenant = Tenant { grant: grant.clone(), limits: Default::default(), disclosure: Disclosure::Reasons };
    let tenants = "default".parse().into_iter().map(|id| (id, tenant.clone()));
    let agents = "default".parse().into_iter().zip("default".parse()).map(|(id, tenant)| {
        let agent =
            Agent { tenant, tokens: vec![token.digest], grant: grant.clone(), limits: Default::default() };
        (id, agent)
    });
    Ok(Settings {
        server: default_server(),
        admin: None,
        log_level: LogLevel::default(),
        secrets: Vec::new(),
        state_dir: STATE_DIR.into(),
        reload: Default::default(),
        plugins: default_plugins(),
        tenants: tenants.collect(),
        agents: agents.collect(),
    })
}

/// The tree of a text, if it can be a configuration.
fn read(page: &Page<'_>) -> Result<Node, Refusal> {
    let text = page.text();
    let refusal =
        |at: usize, code, message: &str, help| Refusal { at, code, message: message.to_owned(), help };
    if text.len() > yaml::MAX_BYTES {
        return Err(refusal(0, "too_large", "the file is larger than 1 MiB", None));
    }
    if let Some(at) = text.find('\0') {
        return Err(refusal(at, "invalid_yaml", "there is a NUL byte, so this is no text file", None));
    }
    let tree = yaml::read(page)?;
    let begin = Some("a configuration has at least `version: 1`, `tenants` and `agents`");
    match &tree.kind {
        Kind::Map(_) => Ok(tree),
        Kind::Null => Err(refusal(0, "empty", "the file holds no configuration", begin)),
        _ => {
            let message = format!("the file holds {}, not a mapping", tree.describe());
            Err(refusal(tree.span.bytes.start, "wrong_type", &message, begin))
        }
    }
}

/// Of another version, every other problem would be a guess.
fn is_known_version(report: &mut Report<'_>) -> bool {
    match report.tree().get("version").map(|version| &version.kind) {
        Some(Kind::Number(number)) if number.as_f64() != Some(1.0) => {
            let message = format!("version {number} of the format is not supported");
            let help = "this server knows `version: 1`".to_owned();
            report.error(&Place::root().key("version"), "unsupported_version", message, Some(help));
            false
        }
        _ => true,
    }
}

//! `diff`.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io::Write,
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Args;
use serde::Serialize;
use server_core::{
    config::{self, Problem},
    diff::{Diff, Names, Side, Subject, diff},
    redact::Redaction,
    settings::{PluginSettings, Settings},
};

use crate::{
    cli::{
        Failure,
        stand_in::{Missing, StandIn},
    },
    config_files::ConfigFiles,
    plugin::{
        Installation,
        claims::{Claims, claims},
    },
};

/// Say who gains and loses what between two configurations
#[derive(Debug, Args)]
#[command(after_help = "\
Each file is read with the .env in its own folder. A secret that is not available counts as
the same in both. Tools, resources and prompts are known from the plugin.json of the plugins in the
folders that each names; signatures are not checked, and nothing of a plugin runs.

Exit codes: 0 compared, whatever came of it; 64 wrong usage; 78 one of the two cannot be used.

Examples:
  mcp-universal-server diff config.yaml config.new.yaml
  git show HEAD:config.yaml > old.yaml && mcp-universal-server diff old.yaml config.yaml
  mcp-universal-server diff --json config.yaml config.new.yaml")]
pub(super) struct Arguments {
    /// The configuration to start from
    old: PathBuf,
    /// The configuration to replace it with
    new: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What is printed.
#[derive(Serialize)]
struct Page {
    #[serde(flatten)]
    diff: Diff,
    /// What the comparison could not see.
    notes: Vec<String>,
}

pub(super) fn run(arguments: &Arguments, redaction: &Redaction, out: &mut dyn Write) -> Result<(), Failure> {
    let page = compare(&arguments.old, &arguments.new, redaction)?;
    let text = if arguments.json {
        serde_json::to_string_pretty(&page).map_err(Failure::failed)?
    } else {
        text(&page.diff, &page.notes).map_err(Failure::failed)?
    };
    writeln!(out, "{}", text.trim_end()).map_err(Failure::failed)
}

fn compare(old: &Path, new: &Path, redaction: &Redaction) -> Result<Page, Failure> {
    let missing = Missing::default();
    let mut settings = compiled([old, new], &missing, redaction)?;
    let mut notes: Vec<_> = missing.note().into_iter().collect();
    if !notes.is_empty() {
        // What one of the two lacks must not look like a change in the other.
        settings = compiled([old, new], &missing, redaction)?;
    }
    let [before, after] = &mut settings;
    notes.extend(folder_of_one(&before.plugins, &after.plugins));
    let names = (offered(&before.plugins, &mut notes), offered(&after.plugins, &mut notes));
    as_named(before, old);
    as_named(after, new);
    let before = Side { settings: before, names: &names.0 };
    let diff = diff(before, Side { settings: after, names: &names.1 });
    if diff.changes.iter().any(|change| matches!(change.subject, Subject::Key { .. })) {
        notes.push(
            "signatures were not checked: what a plugin offers counts whether or not its key still does"
                .to_owned(),
        );
    }
    // Both may have found the same wrong.
    let mut told = BTreeSet::new();
    notes.retain(|note| told.insert(note.clone()));
    Ok(Page { diff, notes })
}

/// What the plugins of a configuration claim to offer. What cannot be read is
/// noted.
pub(super) fn offered(settings: &PluginSettings, notes: &mut Vec<String>) -> Names {
    let Claims { manifests, unread } = claims(settings, &Installation::of_this_process());
    notes.extend(unread.into_iter().map(|unread| format!("{unread}; names in it are not known")));
    Names::claimed(&manifests, settings)
}

/// Plugins that only one of the two has because its file is where they are.
fn folder_of_one(old: &PluginSettings, new: &PluginSettings) -> Option<String> {
    let (old, new) = (old.dir.as_ref()?, new.dir.as_ref()?);
    let missing = match (old.exists(), new.exists()) {
        (false, true) => old,
        (true, false) => new,
        _ => return None,
    };
    Some(format!(
        "there is no folder {}: a relative `plugins.dir` starts where its configuration is",
        missing.display()
    ))
}

/// Paths as a configuration names them: that two files lie in different folders
/// is no change.
fn as_named(settings: &mut Settings, file: &Path) {
    let folder = file.parent().unwrap_or(Path::new(""));
    let within = |path: &mut PathBuf| {
        if let Ok(rest) = path.strip_prefix(folder) {
            *path = rest.to_owned();
        }
    };
    within(&mut settings.state_dir);
    let PluginSettings { dir, bundled_dir, .. } = &mut settings.plugins;
    dir.iter_mut().chain(bundled_dir).for_each(within);
}

/// Both configurations, or every problem of both.
fn compiled(files: [&Path; 2], missing: &Missing, redaction: &Redaction) -> Result<[Settings; 2], Failure> {
    match files.map(|file| settings(file, missing, redaction)) {
        [Ok(old), Ok(new)] => Ok([old, new]),
        both => {
            let problems: Vec<_> = both.into_iter().filter_map(Result::err).collect();
            Err(Failure::Configuration(problems.join("\n\n")))
        }
    }
}

fn settings(file: &Path, missing: &Missing, redaction: &Redaction) -> Result<Settings, String> {
    let (source, environment) = ConfigFiles::new(file).read().map_err(|error| format!("error: {error}"))?;
    let stand_in = StandIn { environment: &environment, config: file, missing };
    let compiled = config::compile(&source, &stand_in);
    redaction.learn(environment.secrets(), Instant::now());
    let compiled = compiled.map_err(|problems| {
        let errors: Vec<_> = problems.iter().filter(|it| it.is_error()).map(Problem::to_string).collect();
        errors.join("\n\n")
    })?;
    Ok(compiled.settings)
}

/// Every change below the heading it belongs to, then the notes.
pub(super) fn text(diff: &Diff, notes: &[String]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let mut last = "";
    for change in &diff.changes {
        let heading = heading(&change.subject);
        if heading != last {
            writeln!(text, "{}{heading}", if last.is_empty() { "" } else { "\n" })?;
            last = heading;
        }
        writeln!(text, "  {change}")?;
    }
    if diff.is_empty() {
        writeln!(text, "no one gains or loses anything")?;
    }
    for (n, note) in notes.iter().enumerate() {
        // Paths may hold what a terminal takes for an order.
        let note: String = note.chars().filter(|c| !c.is_control()).collect();
        writeln!(text, "{}note: {note}", if n == 0 { "\n" } else { "" })?;
    }
    Ok(text)
}

fn heading(subject: &Subject) -> &'static str {
    match subject {
        Subject::Agents { .. } => "Agents",
        Subject::Tenant { .. } => "Tenants",
        Subject::Key { .. } => "Keys",
        Subject::PluginEntry { .. } | Subject::Plugin { .. } => "Plugins",
        Subject::FileRoot { .. } | Subject::Database { .. } => "Stores",
        Subject::Secret { .. } => "Secrets",
        Subject::Setting { .. } => "Server",
    }
}

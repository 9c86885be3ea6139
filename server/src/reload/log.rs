//! What a start or a reload tells the operator.

use server_core::{
    config::Problem, diff::Diff, registry::Refusal, snapshot::Snapshot, unused::UnusedPattern,
};
use tracing::{error, info, warn};

use super::{Refused, control::Trigger, staging::Notes};
use crate::plugin::Change;

/// How many changes a line of the log tells.
const CHANGES: usize = 20;

/// How many patterns that cover nothing it names.
const UNUSED: usize = 100;

/// Logs which configuration is in force now, and what is different.
pub(super) fn in_force(snapshot: &Snapshot, trigger: Trigger, diff: &Diff) {
    info!(
        target: "config",
        generation = snapshot.generation.0,
        config_sha256 = snapshot.config_sha256,
        trigger = trigger.as_str(),
        agents = snapshot.settings.agents.len(),
        plugins = snapshot.registry.plugins().count(),
        tools = snapshot.registry.tools().count(),
        changes = (trigger != Trigger::Start).then(|| diff.summary(CHANGES)),
        "configuration in force"
    );
}

pub(super) fn refused(refused: &Refused) {
    if let Refused::Invalid(problems) = refused {
        for problem in problems {
            error!(target: "config", place = place(problem), help = problem.help, "{}", problem.message);
        }
    }
    error!(
        target: "config",
        problems = refused.count(),
        reason = if let Refused::Invalid(_) = refused { "see the lines before".to_owned() } else { refused.to_string() },
        "reload refused: the configuration before it stays in force"
    );
}

pub(super) fn held(reason: &str, config_sha256: &str, diff: &Diff) {
    warn!(
        target: "config",
        reason,
        config_sha256,
        changes = diff.summary(CHANGES),
        help = format!("to put it in force: mcp-universal-server reload --confirm {config_sha256}"),
        "reload held: the configuration before it stays in force"
    );
}

/// What is odd about a configuration that is in force now.
pub(super) fn notes(notes: &Notes) {
    for problem in &notes.warnings {
        let code = problem.code;
        warn!(target: "config", place = place(problem), code, help = problem.help, "{}", problem.message);
    }
    notes.unused.iter().take(UNUSED).for_each(unused);
    let more = notes.unused.len().saturating_sub(UNUSED);
    if more > 0 {
        warn!(target: "config", more, help = "remove them, or install the plugins that they are for", "more patterns cover nothing that is loaded");
    }
}

/// Which plugins came and went, and which are refused that were not before.
pub(super) fn plugins(changes: &[Change], refused: &[&Refusal]) {
    for change in changes {
        change.log();
    }
    for refusal in refused {
        error!(target: "plugin", place = %refusal.place.display(), code = refusal.code, help = refusal.help, "plugin refused: {}", refusal.message);
    }
}

fn unused(pattern: &UnusedPattern) {
    warn!(target: "config", place = pattern.place, code = "unused_pattern", help = pattern.help(), "{pattern}");
}

fn place(problem: &Problem) -> String {
    format!("{}:{}:{}", problem.path.display(), problem.line, problem.column)
}

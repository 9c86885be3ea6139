//! What a start or a reload tells the operator.

use server_core::{config::Problem, registry::Refusal, snapshot::Snapshot, unused::UnusedPattern};
use tracing::{error, info, warn};

use super::Refused;

/// Logs which configuration is in force now.
pub fn log_in_force(snapshot: &Snapshot) {
    info!(
        target: "config",
        generation = snapshot.generation.0,
        config_sha256 = snapshot.config_sha256,
        agents = snapshot.settings.agents.len(),
        plugins = snapshot.registry.plugins().count(),
        tools = snapshot.registry.tools().count(),
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

pub(super) fn warnings(problems: &[Problem]) {
    for problem in problems {
        let code = problem.code;
        warn!(target: "config", place = place(problem), code, help = problem.help, "{}", problem.message);
    }
}

pub(super) fn refusals(refusals: &[Refusal]) {
    for refusal in refusals {
        error!(target: "plugin", place = %refusal.place.display(), code = refusal.code, help = refusal.help, "plugin refused: {}", refusal.message);
    }
}

pub(super) fn unused(patterns: &[UnusedPattern]) {
    for pattern in patterns {
        warn!(target: "config", place = pattern.place, code = "unused_pattern", help = pattern.help(), "{pattern}");
    }
}

fn place(problem: &Problem) -> String {
    format!("{}:{}:{}", problem.path.display(), problem.line, problem.column)
}

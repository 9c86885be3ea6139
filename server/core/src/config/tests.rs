//! Configurations, good and bad, as an operator meets them.

use std::path::Path;

use super::*;

mod admin;
mod hostile;
mod include;
mod masking;
mod places;
mod reports;
mod settings;
mod shipped;
mod size;

/// Variables and files that every test sees.
struct World;

const LAPTOP: &str = "laptop-token-with-32-characters-or-more";
const REVIEWER: &str = "reviewer-token-with-32-characters-or-more";
const ADMIN: &str = "admin-token-with-32-characters-or-more";

impl Environment for World {
    fn variable(&self, name: &str) -> Option<String> {
        let value = match name {
            "LAPTOP_TOKEN" | "LAPTOP_AGAIN" => LAPTOP,
            "REVIEWER_TOKEN" => REVIEWER,
            "ADMIN_TOKEN" => ADMIN,
            "EMPTY" => "",
            "SHORT" => "hunter2",
            "SPACED" => "a token with spaces is a token that is not",
            "BAD_DIGEST" => "sha256:hunter2",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn is_of_dotenv(&self, name: &str) -> bool {
        name == "REVIEWER_TOKEN"
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        match path.to_str() {
            Some("/run/secrets/laptop" | "/etc/mus/secrets/laptop") => Ok(format!("{LAPTOP}\r\n")),
            _ => Err("no such file".to_owned()),
        }
    }

    fn included(&self, _: &Path) -> Result<Vec<Included>, String> {
        Ok(Vec::new())
    }
}

/// What becomes of a text that stands in `config.yaml`.
fn compiled(text: &str) -> Result<Compiled, Vec<Problem>> {
    compile(&Source { path: "config.yaml".into(), text: text.to_owned() }, &World)
}

/// The same, of a text that is right.
fn good(text: &str) -> Compiled {
    compiled(text).unwrap_or_else(|problems| panic!("{}", report(&problems)))
}

/// Everything that is said about a text.
fn said(text: &str) -> Vec<Problem> {
    compiled(text).map_or_else(|problems| problems, |compiled| compiled.warnings)
}

/// Problems as an operator reads them.
fn report(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n\n")
}

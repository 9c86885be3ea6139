//! `token` and `tokens`: from references to digests, none of them twice.

use std::{collections::BTreeMap, fmt};

use super::{Compiler, Place};
use crate::{
    config::{
        raw::{RawAgent, Texts},
        secrets::{InvalidReference, InvalidToken, Reference, Token, Unresolved, resolve},
    },
    settings::{SecretSource, SecretUse},
};

/// Whose each token is: the place where it was found, and the agent.
pub(super) type Owners = BTreeMap<String, (Place, String)>;

/// Whose a token is.
#[derive(Clone, Copy)]
pub(super) enum Holder<'a> {
    /// An agent's, which cannot do without.
    Agent(&'a str),
    /// The operator's. A variable that is not set means that there is none.
    Admin,
}

impl Holder<'_> {
    /// A name for the variable that holds it.
    fn variable(self) -> String {
        match self {
            Self::Agent(agent) => variable_for(agent),
            Self::Admin => "ADMIN_TOKEN".to_owned(),
        }
    }
}

impl fmt::Display for Holder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(agent) => write!(f, "agent `{agent}`"),
            Self::Admin => f.write_str("`admin`"),
        }
    }
}

impl Compiler<'_> {
    /// An agent's tokens, of which no other agent has one.
    pub(super) fn tokens(
        &mut self,
        place: &Place,
        agent: &str,
        raw: &RawAgent,
        owners: &mut Owners,
    ) -> Vec<Token> {
        if !self.report.has(place, "token") && !self.report.has(place, "tokens") {
            let message = format!("agent `{agent}` has no token, so it cannot connect");
            let help = format!("add `token: \"${{{}}}\"`", variable_for(agent));
            self.report.key_error(place, "no_token", message, Some(help));
        }
        let one = raw.token.iter().map(|text| (place.key("token"), text.as_str()));
        let several = raw.tokens.iter().flat_map(Texts::iter);
        let several = several.map(|(item, text)| (place.key("tokens").item(item), text));
        let mut tokens = Vec::new();
        for (place, text) in one.chain(several) {
            let Some(token) = self.token(&place, Holder::Agent(agent), text) else { continue };
            match owners.get(&token.hexadecimal) {
                Some((first, owner)) => self.same_token(&place, agent, owner, first),
                None => {
                    owners.insert(token.hexadecimal.clone(), (place, agent.to_owned()));
                }
            }
            tokens.push(token);
        }
        tokens
    }

    fn same_token(&mut self, place: &Place, agent: &str, owner: &str, first: &Place) {
        let first = self.report.position(first, place);
        let (message, help) = if agent == owner {
            (format!("agent `{agent}` has the same token twice, first at {first}"), "keep one of the two")
        } else {
            (
                format!("agents `{owner}` and `{agent}` have the same token, first at {first}"),
                "give each agent a token of its own: `mcp-universal-server token new`",
            )
        };
        self.report.error(place, "duplicate_token", message, Some(help.to_owned()));
    }

    /// The token that a text refers to.
    pub(super) fn token(&mut self, place: &Place, holder: Holder<'_>, text: &str) -> Option<Token> {
        let reference = match Reference::parse(text) {
            Ok(reference) => reference,
            Err(error) => {
                let main = self.report.main_file(place);
                let (code, message, help) = reference_words(error, holder, &main);
                self.report.error(place, code, message.to_owned(), Some(help));
                return None;
            }
        };
        let place_shown = self.report.shown(place).to_string();
        let source = self.source(place, &reference);
        self.secrets.push(SecretUse { place: place_shown, source });
        let source = match &reference {
            Reference::Variable(name) => format!("`{name}`"),
            Reference::File(path) => format!("`{}`", path.display()),
            Reference::Digest(_) => "it".to_owned(),
        };
        let (code, message, help) =
            match (resolve(&reference, self.report.folder(place), self.environment), holder) {
                (Ok(token), _) => return Some(token),
                (
                    Err(unset @ (Unresolved::Unset | Unresolved::Invalid(InvalidToken::Empty))),
                    Holder::Admin,
                ) if matches!(reference, Reference::Variable(_)) => {
                    let what = if unset == Unresolved::Unset { "not set" } else { "empty" };
                    let message = format!("the variable {source} is {what}, so `admin` is off");
                    self.report.warning(
                        place,
                        "unset_variable",
                        message,
                        Some(set(&source, &self.report.main_file(place))),
                    );
                    return None;
                }
                (Err(Unresolved::Unset), _) => (
                    "unset_variable",
                    format!("the variable {source} is not set, so {holder} has no token"),
                    set(&source, &self.report.main_file(place)),
                ),
                (Err(Unresolved::Unreadable(error)), _) => (
                    "unreadable_file",
                    format!("the file {source} with the token of {holder} cannot be read: {error}"),
                    "create it, or let the server's user read it".to_owned(),
                ),
                (Err(Unresolved::Invalid(error)), _) => (
                    "invalid_token",
                    format!("{source} holds no token that {holder} can use: {error}"),
                    error.help().to_owned(),
                ),
            };
        self.report.error(place, code, message, Some(help));
        None
    }

    fn source(&self, place: &Place, reference: &Reference) -> SecretSource {
        match reference {
            Reference::Digest(_) => SecretSource::Digest,
            Reference::File(path) => SecretSource::File { path: self.report.folder(place).join(path) },
            Reference::Variable(name) => {
                let variable = name.clone();
                if self.environment.variable(name).is_none() {
                    SecretSource::Unset { variable }
                } else if self.environment.is_of_dotenv(name) {
                    SecretSource::Dotenv { variable }
                } else {
                    SecretSource::Environment { variable }
                }
            }
        }
    }
}

/// What to do about a variable that is not set.
fn set(source: &str, main: &str) -> String {
    format!(
        "add a line `{}=…` to the file `.env` beside {main}, or set it where the server is started",
        source.trim_matches('`')
    )
}

fn reference_words(
    error: InvalidReference,
    holder: Holder<'_>,
    main: &str,
) -> (&'static str, &'static str, String) {
    let variable = holder.variable();
    match error {
        InvalidReference::Literal => (
            "literal_token",
            "a token must not stand in the configuration",
            format!(
                "write it to the file `.env` beside {main}, as `{variable}=…`, and `\"${{{variable}}}\"` here"
            ),
        ),
        InvalidReference::Name => (
            "invalid_reference",
            "there is no name of a variable between `${` and `}`",
            format!("write `\"${{{variable}}}\"`, or `\"${{file:/path}}\"` for a file"),
        ),
        InvalidReference::Digest => (
            "invalid_reference",
            "`sha256:` must be followed by 64 hexadecimal digits",
            "they are the token's SHA-256, as `printf %s TOKEN | sha256sum` prints it".to_owned(),
        ),
    }
}

/// A name for the variable that holds an agent's token.
fn variable_for(agent: &str) -> String {
    let name: String =
        agent.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    let first = if name.starts_with(|c: char| c.is_ascii_digit()) { "AGENT_" } else { "" };
    format!("{first}{name}_TOKEN")
}

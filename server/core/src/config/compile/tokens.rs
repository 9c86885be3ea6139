//! `token` and `tokens`: from references to digests, none of them twice; and the
//! other secrets that the configuration refers to.

use std::collections::{HashMap, hash_map::Entry};

use super::{Compiler, Place};
use crate::{
    config::{
        raw::{RawAgent, Texts},
        secrets::{InvalidReference, InvalidToken, NoSecret, Reference, Unresolved, resolve, secret},
    },
    secret::{Secret, TokenDigest},
    settings::{SecretSource, SecretUse},
};

/// Whose each token is: the place where it was found, and the agent's.
pub(super) type Owners = HashMap<TokenDigest, (Place, Place)>;

/// Whose a token is.
#[derive(Clone, Copy)]
pub(super) enum Holder<'a> {
    /// Of the agent at this place, which cannot do without.
    Agent(&'a Place),
    /// The operator's. A variable that is not set means that there is none.
    Admin,
}

impl Compiler<'_> {
    /// An agent's tokens, of which no other agent has one.
    pub(super) fn tokens(&mut self, place: &Place, raw: &RawAgent, owners: &mut Owners) -> Vec<TokenDigest> {
        let agent = place;
        let is_silent = raw.token.is_none() && raw.tokens.is_none();
        if is_silent && !self.report.has(place, "token") && !self.report.has(place, "tokens") {
            let agent = self.report.name_at(agent);
            let message = format!("agent `{agent}` has no token, so it cannot connect");
            let help = format!("add `token: \"${{{}}}\"`", variable_for(&agent));
            self.report.key_error(place, "no_token", message, Some(help));
        }
        let one = raw.token.iter().map(|text| (place.key("token"), text.as_str()));
        let several = raw.tokens.iter().flat_map(Texts::iter);
        let several = several.map(|(item, text)| (place.key("tokens").item(item), text));
        let mut tokens = Vec::new();
        for (place, text) in one.chain(several) {
            let Some(token) = self.token(&place, Holder::Agent(agent), text) else { continue };
            tokens.push(token);
            match owners.entry(token) {
                Entry::Occupied(owner) => {
                    let (first, owner) = owner.get();
                    self.same_token(&place, agent, owner, first);
                }
                Entry::Vacant(owner) => {
                    owner.insert((place, agent.clone()));
                }
            }
        }
        tokens
    }

    fn same_token(&mut self, place: &Place, agent: &Place, owner: &Place, first: &Place) {
        let first = self.report.position(first, place);
        let [agent, owner] = [agent, owner].map(|place| self.report.name_at(place));
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
    pub(super) fn token(&mut self, place: &Place, holder: Holder<'_>, text: &str) -> Option<TokenDigest> {
        let reference = match Reference::parse(text) {
            Ok(Reference::Digest(token)) => return Some(token),
            Ok(reference) => reference,
            Err(error) => {
                let variable = self.variable_of(holder);
                let (code, message, help) = reference_words(error, &variable, &self.report.main_file(place));
                self.report.error(place, code, message.to_owned(), Some(help));
                return None;
            }
        };
        let source = match &reference {
            Reference::Variable(name) => format!("`{name}`"),
            Reference::File(path) => format!("`{}`", path.display()),
            Reference::Digest(_) => "it".to_owned(),
        };
        self.note_use(place, &reference);
        let resolved = resolve(&reference, self.report.folder(place), self.environment);
        let unresolved = match resolved {
            Ok(token) => return Some(token),
            Err(unresolved) => unresolved,
        };
        if let (Holder::Admin, Some(what)) = (holder, absent(&reference, &unresolved)) {
            let message = format!("the variable {source} is {what}, so `admin` is off");
            self.report.warning(place, "unset_variable", message, Some(self.set(place, &source)));
            return None;
        }
        let holder = self.words_for(holder);
        let (code, message, help) = match unresolved {
            Unresolved::Unset => (
                "unset_variable",
                format!("the variable {source} is not set, so {holder} has no token"),
                self.set(place, &source),
            ),
            Unresolved::Unreadable(error) => (
                "unreadable_file",
                format!("the file {source} with the token of {holder} cannot be read: {error}"),
                "create it, or let the server's user read it".to_owned(),
            ),
            Unresolved::Invalid(error) => (
                "invalid_token",
                format!("{source} holds no token that {holder} can use: {error}"),
                error.help().to_owned(),
            ),
        };
        self.report.error(place, code, message, Some(help));
        None
    }

    fn words_for(&self, holder: Holder<'_>) -> String {
        match holder {
            Holder::Agent(agent) => format!("agent `{}`", self.report.name_at(agent)),
            Holder::Admin => "`admin`".to_owned(),
        }
    }

    /// A name for the variable that holds it.
    fn variable_of(&self, holder: Holder<'_>) -> String {
        match holder {
            Holder::Agent(agent) => variable_for(&self.report.name_at(agent)),
            Holder::Admin => "ADMIN_TOKEN".to_owned(),
        }
    }

    /// What to do about a variable that is not set.
    pub(super) fn set(&self, place: &Place, source: &str) -> String {
        format!(
            "add a line `{}=…` to the file `.env` beside {}, or set it where the server is started",
            source.trim_matches('`'),
            self.report.main_file(place)
        )
    }

    /// The secret that a text refers to, seen from the file in which it stands.
    pub(super) fn secret(&mut self, place: &Place, text: &str) -> Result<Secret, NoSecret> {
        if let Ok(reference) = Reference::parse(text) {
            self.note_use(place, &reference);
        }
        secret(text, self.report.folder(place), self.environment)
    }

    fn note_use(&mut self, place: &Place, reference: &Reference) {
        let source = self.source(place, reference);
        self.secrets.extend(source.map(|source| SecretUse { place: place.to_string(), source }));
    }

    fn source(&self, place: &Place, reference: &Reference) -> Option<SecretSource> {
        match reference {
            Reference::Digest(_) => None,
            Reference::File(path) => Some(SecretSource::File { path: self.report.folder(place).join(path) }),
            Reference::Variable(name) => {
                let variable = name.clone();
                Some(match self.environment.variable(name) {
                    None => SecretSource::Unset { variable },
                    Some(_) if self.environment.is_of_dotenv(name) => SecretSource::Dotenv { variable },
                    Some(_) => SecretSource::Environment { variable },
                })
            }
        }
    }
}

/// In a word, why a variable holds nothing at all.
fn absent(reference: &Reference, unresolved: &Unresolved) -> Option<&'static str> {
    match (reference, unresolved) {
        (Reference::Variable(_), Unresolved::Unset) => Some("not set"),
        (Reference::Variable(_), Unresolved::Invalid(InvalidToken::Empty)) => Some("empty"),
        _ => None,
    }
}

fn reference_words(
    error: InvalidReference,
    variable: &str,
    main: &str,
) -> (&'static str, &'static str, String) {
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

//! Secrets that the server attaches to requests, and to which.

use super::{Destination, Owner, Refusal, Rule, Scheme, Scope};
use crate::{id::SecretName, secret::Secret};

/// A secret, and the hosts that may have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The secret. `None`: what it refers to is not set.
    pub value: Option<Secret>,
    /// Who may have it. Over http only where a rule says `http://`.
    pub hosts: Vec<Rule>,
    /// The header that it is sent in, in lower case.
    pub header: String,
    /// What stands before it there, such as `Bearer `.
    pub prefix: String,
}

/// A header that goes with a request to the one destination that it was given for.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// The only destination that gets it.
    pub to: Destination,
    /// Its name.
    pub header: String,
    /// Its value, all of it secret.
    pub value: Secret,
    /// The secret as it is: it must not come back to the plugin.
    pub secret: Secret,
}

impl Attachment {
    /// A secret in a header, with what stands before it there.
    #[must_use]
    pub fn new(to: Destination, header: &str, prefix: &str, secret: Secret) -> Self {
        let value = Secret::new(format!("{prefix}{}", secret.expose()));
        Self { to, header: header.to_owned(), value, secret }
    }
}

impl Credential {
    fn is_for(&self, to: &Destination) -> bool {
        let meant = |rule: &Rule| to.scheme == Scheme::Https || rule.is_in_the_clear();
        self.hosts.iter().any(|rule| rule.allows(to) && meant(rule))
    }
}

impl Scope<'_> {
    /// The secret of that name, for a request that goes there; or every reason why
    /// not.
    pub fn attach(&self, name: &SecretName, to: &Destination) -> Result<Attachment, Vec<Refusal>> {
        let mut against: Vec<_> = self
            .grants()
            .filter(|(_, secrets)| !secrets.contains(name))
            .map(|(owner, _)| Refusal::SecretNotGranted { owner, name: name.clone() })
            .collect();
        let credential = self.settings().credentials.get(name);
        match credential {
            None => against.push(Refusal::SecretUnknown(name.clone())),
            Some(credential) if !credential.is_for(to) => against.push(Refusal::SecretForOthers {
                name: name.clone(),
                scheme: to.scheme,
                host: to.host.clone(),
                port: to.port,
            }),
            Some(_) => {}
        }
        let secret = credential.and_then(|credential| credential.value.clone());
        match (credential, secret) {
            (Some(credential), Some(secret)) if against.is_empty() => {
                Ok(Attachment::new(to.clone(), &credential.header, &credential.prefix, secret))
            }
            (Some(_), None) => {
                against.push(Refusal::SecretUnset(name.clone()));
                Err(against)
            }
            _ => Err(against),
        }
    }
}

impl Owner {
    /// Whether it is the one whose calls these are, by its own right or its
    /// tenant's.
    pub(super) fn is_principal(&self) -> bool {
        matches!(self, Self::Agent(_) | Self::Tenant(_))
    }
}

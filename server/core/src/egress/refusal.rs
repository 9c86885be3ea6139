//! Why a request does not go out.

use std::fmt;

use plugin_contract::{PluginName, ToolName};

use super::{Host, InvalidUrl, Rule, Scheme};
use crate::id::{AgentId, SecretName, TenantId};

/// Whose word it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// An agent's rules.
    Agent(AgentId),
    /// Its tenant's, the ceiling.
    Tenant(TenantId),
    /// The operator's entry for a plugin.
    Entry(PluginName),
    /// What a plugin says of itself, as signed.
    Manifest(PluginName),
}

impl Owner {
    /// Where the configuration has it.
    fn place(&self) -> Option<String> {
        match self {
            Self::Agent(agent) => Some(format!("agents.{agent}")),
            Self::Tenant(tenant) => Some(format!("tenants.{tenant}")),
            Self::Entry(plugin) => Some(format!("plugins.entries.{plugin}")),
            Self::Manifest(_) => None,
        }
    }

    /// What to add to what.
    fn add(&self, item: impl fmt::Display, key: &str) -> String {
        match self.place() {
            Some(place) => format!("add `{item}` to `{place}.{key}`"),
            None => "ask the plugin's authors for a release that declares it".to_owned(),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(agent) => write!(f, "agent `{agent}`"),
            Self::Tenant(tenant) => write!(f, "tenant `{tenant}`"),
            Self::Entry(plugin) => write!(f, "plugin `{plugin}`"),
            Self::Manifest(plugin) => write!(f, "plugin `{plugin}`, by its own manifest,"),
        }
    }
}

/// One reason against a request. None of them tells an agent to which address a
/// name leads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The URL is not requested, whoever asks.
    #[error("{0}")]
    Url(InvalidUrl),
    /// No rule names the host.
    #[error("{owner} may not reach `{host}:{port}`")]
    HostNotAllowed {
        /// Whose rules.
        owner: Owner,
        /// Which host.
        host: Host,
        /// At which port.
        port: u16,
    },
    /// Rules name the host, at other ports.
    #[error("{owner} may reach `{host}`, but not at port {port}")]
    PortNotAllowed {
        /// Whose rules.
        owner: Owner,
        /// Which host.
        host: Host,
        /// At which port.
        port: u16,
    },
    /// Rules name host and port, and not this scheme.
    #[error("{owner} may reach `{host}:{port}`, but not over {scheme}")]
    SchemeNotAllowed {
        /// Whose rules.
        owner: Owner,
        /// How.
        scheme: Scheme,
        /// Which host.
        host: Host,
        /// At which port.
        port: u16,
    },
    /// A rule denies it.
    #[error("{owner} may not reach `{host}:{port}`: `{rule}` is denied")]
    Denied {
        /// Whose rules.
        owner: Owner,
        /// Which host.
        host: Host,
        /// At which port.
        port: u16,
        /// The rule.
        rule: Rule,
    },
    /// The address is nobody's on the internet, and no rule names it.
    #[error("`{host}` is at an address that is not public, which no rule of {owner} names")]
    AddressNotPublic {
        /// Whose rules.
        owner: Owner,
        /// Which host.
        host: Host,
        /// At which port.
        port: u16,
    },
    /// Where a cloud's machines get their credentials.
    #[error("`{0}` is at an address that is never reached: that of a cloud's metadata service")]
    Metadata(Host),
    /// It is this server.
    #[error("`{0}` is this server itself")]
    OwnListener(Host),
    /// From https to http.
    #[error("`{0}` redirects to a URL that is not https")]
    Downgrade(Host),
    /// There is nowhere to go.
    #[error("tool `{tool}` needs to reach hosts, and {owner} may reach none")]
    NothingAllowed {
        /// Whose rules.
        owner: Owner,
        /// Which tool.
        tool: ToolName,
    },
    /// What a plugin says that it needs is not allowed.
    #[error("tool `{tool}` needs to reach `{rule}`, which {owner} may not")]
    DeclaredNotAllowed {
        /// Whose rules.
        owner: Owner,
        /// Which tool.
        tool: ToolName,
        /// What its plugin declares.
        rule: Rule,
    },
    /// There is no secret of that name, or it was not granted.
    #[error("{owner} is not granted secret `{name}`")]
    SecretNotGranted {
        /// Whose grant.
        owner: Owner,
        /// Which secret.
        name: SecretName,
    },
    /// The configuration has none.
    #[error("there is no secret `{0}`")]
    SecretUnknown(SecretName),
    /// It is there, and empty.
    #[error("secret `{0}` is not set")]
    SecretUnset(SecretName),
    /// It is for other hosts.
    #[error("secret `{name}` is not for {scheme}://{host}:{port}")]
    SecretForOthers {
        /// Which secret.
        name: SecretName,
        /// How.
        scheme: Scheme,
        /// Which host.
        host: Host,
        /// At which port.
        port: u16,
    },
    /// Too many requests to one host at the same time.
    #[error("{running} requests to `{host}:{port}` are running, as many as there can be")]
    Busy {
        /// Which host.
        host: Host,
        /// At which port.
        port: u16,
        /// How many.
        running: usize,
    },
}

impl Refusal {
    /// A stable name for the reason.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url(_) => "egress_url_invalid",
            Self::HostNotAllowed { owner: Owner::Manifest(_), .. } => "egress_host_not_declared",
            Self::HostNotAllowed { .. } => "egress_host_not_allowed",
            Self::PortNotAllowed { .. } => "egress_port_not_allowed",
            Self::SchemeNotAllowed { .. } => "egress_scheme_not_allowed",
            Self::Denied { .. } => "egress_denied",
            Self::AddressNotPublic { .. } => "egress_address_not_public",
            Self::Metadata(_) => "egress_metadata_address",
            Self::OwnListener(_) => "egress_own_listener",
            Self::Downgrade(_) => "egress_downgrade",
            Self::NothingAllowed { .. } => "egress_nothing_allowed",
            Self::DeclaredNotAllowed { .. } => "egress_declared_host_not_allowed",
            Self::SecretNotGranted { .. } => "secret_not_granted",
            Self::SecretUnknown(_) => "secret_unknown",
            Self::SecretUnset(_) => "secret_unset",
            Self::SecretForOthers { .. } => "secret_for_other_hosts",
            Self::Busy { .. } => "egress_busy",
        }
    }

    /// What to do about it, and where in the configuration.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Url(_) => {
                "write it as `https://host[:port]/path`, with anything unusual percent-encoded".to_owned()
            }
            Self::HostNotAllowed { owner, host, port } | Self::PortNotAllowed { owner, host, port } => {
                owner.add(format_args!("{host}:{port}"), "egress")
            }
            Self::SchemeNotAllowed { owner, scheme, host, port } => {
                owner.add(format_args!("{scheme}://{host}:{port}"), "egress")
            }
            Self::Denied { owner, rule, .. } => match owner.place() {
                Some(place) => format!("remove `{rule}` from `{place}.egress_deny`"),
                None => "ask the plugin's authors".to_owned(),
            },
            Self::AddressNotPublic { owner, port, .. } => {
                let place = owner.place().unwrap_or_default();
                format!(
                    "add its address or network to `{place}.egress`, as in `10.1.2.3:{port}`, beside its name"
                )
            }
            Self::Metadata(_) => "nothing lifts this".to_owned(),
            Self::OwnListener(_) => "call its tools instead; nothing lifts this".to_owned(),
            Self::Downgrade(_) => "ask for the http URL itself, if that is allowed".to_owned(),
            Self::NothingAllowed { owner, .. } => {
                let place = owner.place().unwrap_or_default();
                format!("list the hosts that it may reach in `{place}.egress`")
            }
            Self::DeclaredNotAllowed { owner, rule, .. } => owner.add(rule, "egress"),
            Self::SecretNotGranted { owner, name } => owner.add(name, "secrets"),
            Self::SecretUnknown(name) => format!("add `{name}` to `secrets`"),
            Self::SecretUnset(name) => format!("set what `secrets.{name}.value` refers to"),
            Self::SecretForOthers { name, host, port, .. } => {
                format!("add `{host}:{port}` to `secrets.{name}.hosts`, if it may have it")
            }
            Self::Busy { .. } => "wait for one of them to end".to_owned(),
        }
    }

    /// When the same request may go out, where that is known.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u64> {
        matches!(self, Self::Busy { .. }).then_some(1000)
    }
}

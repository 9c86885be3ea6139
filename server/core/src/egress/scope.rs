//! Whose rules a request is under, and what they say of it.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
    net::{IpAddr, SocketAddr},
};

use plugin_contract::PluginName;

use super::{
    Class, Destination, Mode, Owner, Refusal, Rule, Rules,
    address::{classify, meanings},
};
use crate::{
    id::{AgentId, SecretName},
    policy::{Permit, Reason},
    registry::Plugin,
    settings::{Agent, PluginEntry, Settings, Tenant},
};

/// All the rules that a request must satisfy: those of the call's agent and its
/// tenant, of the operator's entry for the plugin, and of the plugin's manifest.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    settings: &'a Settings,
    agent: (&'a AgentId, &'a Agent),
    tenant: &'a Tenant,
    plugin: &'a Plugin,
    entry: Option<&'a PluginEntry>,
    /// Whether the plugin decides where to, and its own lists count too.
    is_plugins: bool,
}

/// A request whose host, port and scheme are allowed. Its addresses have yet to be
/// checked.
#[derive(Clone, Debug)]
pub struct Admitted<'a> {
    scope: Scope<'a>,
    to: Destination,
    reported: Vec<Refusal>,
}

/// An address that a request may connect to: it has been checked with all others
/// that the host's name leads to. Only [`Admitted::check`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked(SocketAddr);

impl Checked {
    /// The address.
    #[must_use]
    pub fn address(self) -> SocketAddr {
        self.0
    }
}

impl<'a> Scope<'a> {
    /// The scope of what runs with a permit, whatever it runs for: a plugin's own
    /// request, or one that the host makes on its behalf.
    pub fn of(permit: &'a Permit) -> Result<Self, Vec<Reason>> {
        let (settings, principal) = (&permit.snapshot().settings, permit.principal());
        let standing = permit.snapshot().standing(principal);
        let (agent, tenant) =
            standing.ok_or_else(|| vec![Reason::AgentRemoved { agent: principal.agent.clone() }])?;
        let plugin = permit.plugin();
        let entry = settings.plugins.entries.get(&plugin.manifest.name);
        Ok(Self { settings, agent: (&principal.agent, agent), tenant, plugin, entry, is_plugins: true })
    }

    /// The same for a request to where the operator says, such as a provider of
    /// models: agent and tenant must be allowed to go there, and what the plugin may
    /// do on its own does not matter.
    pub fn for_agent(permit: &'a Permit) -> Result<Self, Vec<Reason>> {
        Ok(Self { is_plugins: false, ..Self::of(permit)? })
    }

    /// Whether a request may go there, by its URL alone.
    pub fn admit(self, to: &Destination) -> Result<Admitted<'a>, Vec<Refusal>> {
        let (mut against, mut reported) = (Vec::new(), Vec::new());
        for (owner, rules) in self.rules() {
            let refusals = refusals(&owner, rules.allow, rules.deny, to);
            match rules.mode {
                Mode::Enforce => against.extend(refusals),
                Mode::Report => reported.extend(refusals),
            }
        }
        if against.is_empty() { Ok(Admitted { scope: self, to: to.clone(), reported }) } else { Err(against) }
    }

    /// Tells apart what connections may be shared: the agent, and all its rules.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (owner, rules) in self.rules() {
            owner.hash(&mut hasher);
            (rules.allow, rules.deny, rules.mode).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The configuration.
    #[must_use]
    pub fn settings(&self) -> &'a Settings {
        self.settings
    }

    /// Whose calls these are.
    #[must_use]
    pub fn agent(&self) -> &'a AgentId {
        self.agent.0
    }

    /// Whose code runs.
    #[must_use]
    pub fn plugin(&self) -> &'a PluginName {
        &self.plugin.manifest.name
    }

    fn rules(&self) -> impl Iterator<Item = (Owner, List<'a>)> {
        let (id, agent) = self.agent;
        let plugin = &self.plugin.manifest.name;
        let declared = self.plugin.egress();
        let is_plugins = self.is_plugins;
        let principals = [
            (Owner::Agent(id.clone()), List::of(&agent.grant.egress)),
            (Owner::Tenant(agent.tenant.clone()), List::of(&self.tenant.grant.egress)),
        ];
        let entry = self.entry.and_then(|entry| entry.egress.as_ref());
        let entry = entry.map(|rules| (Owner::Entry(plugin.clone()), List::of(rules)));
        // A plugin that declares nothing goes wherever its callers may.
        let declared = (!declared.is_empty()).then(|| {
            (Owner::Manifest(plugin.clone()), List { allow: declared, deny: &[], mode: Mode::Enforce })
        });
        let of_plugin = entry.into_iter().chain(declared).filter(move |_| is_plugins);
        principals.into_iter().chain(of_plugin)
    }

    /// The secrets that each has whose grant is needed.
    pub(super) fn grants(&self) -> impl Iterator<Item = (Owner, &'a BTreeSet<SecretName>)> {
        static NONE: BTreeSet<SecretName> = BTreeSet::new();
        let (id, agent) = self.agent;
        [
            (Owner::Agent(id.clone()), &agent.grant.secrets),
            (Owner::Tenant(agent.tenant.clone()), &self.tenant.grant.secrets),
            (
                Owner::Entry(self.plugin.manifest.name.clone()),
                self.entry.map_or(&NONE, |entry| &entry.secrets),
            ),
        ]
        .into_iter()
    }
}

#[derive(Clone, Copy)]
struct List<'a> {
    allow: &'a [Rule],
    deny: &'a [Rule],
    mode: Mode,
}

impl<'a> List<'a> {
    fn of(rules: &'a Rules) -> Self {
        Self { allow: &rules.allow, deny: &rules.deny, mode: rules.mode }
    }
}

/// What one list has against a destination, by its URL.
fn refusals(owner: &Owner, allow: &[Rule], deny: &[Rule], to: &Destination) -> Vec<Refusal> {
    let (host, port) = (|| to.host.clone(), to.port);
    let owner = || owner.clone();
    let mut refusals = Vec::new();
    if !allow.iter().any(|rule| rule.allows(to)) {
        let named = || allow.iter().filter(|rule| rule.names(&to.host));
        refusals.push(if named().any(|rule| rule.allowed_port() == port) {
            Refusal::SchemeNotAllowed { owner: owner(), scheme: to.scheme, host: host(), port }
        } else if named().next().is_some() {
            Refusal::PortNotAllowed { owner: owner(), host: host(), port }
        } else {
            Refusal::HostNotAllowed { owner: owner(), host: host(), port }
        });
    }
    if let Some(rule) = deny.iter().find(|rule| rule.denies(to)) {
        refusals.push(Refusal::Denied { owner: owner(), host: host(), port, rule: rule.clone() });
    }
    refusals
}

impl Admitted<'_> {
    /// Where to.
    #[must_use]
    pub fn destination(&self) -> &Destination {
        &self.to
    }

    /// The rule of the agent that allows it. `None`: nothing does, and its rules are
    /// only reported.
    #[must_use]
    pub fn rule(&self) -> Option<&Rule> {
        self.scope.agent.1.grant.egress.allow.iter().find(|rule| rule.allows(&self.to))
    }

    /// What would have refused it, if it were in force.
    #[must_use]
    pub fn reported(&self) -> &[Refusal] {
        &self.reported
    }

    /// Checks every address that the host's name leads to, or its own. One that is
    /// refused refuses all: a name that leads here and there is a trap. `is_own`
    /// says whether the server itself listens there.
    pub fn check(
        &self,
        addresses: &[IpAddr],
        is_own: impl Fn(SocketAddr) -> bool,
    ) -> Result<Vec<Checked>, Vec<Refusal>> {
        let mut against = Vec::new();
        for address in addresses.iter().flat_map(|address| meanings(*address)) {
            for refusal in self.against(address, &is_own) {
                if !against.contains(&refusal) {
                    against.push(refusal);
                }
            }
        }
        if !against.is_empty() {
            return Err(against);
        }
        let checked = |ip: &IpAddr| Checked(SocketAddr::new(ip.to_canonical(), self.to.port));
        Ok(addresses.iter().map(checked).collect())
    }

    fn against(&self, address: IpAddr, is_own: &impl Fn(SocketAddr) -> bool) -> Vec<Refusal> {
        let (host, port) = (|| self.to.host.clone(), self.to.port);
        let mut against = Vec::new();
        let class = classify(address);
        if class == Class::Metadata {
            against.push(Refusal::Metadata(host()));
        } else if class != Class::Public {
            let missing = self.not_naming(address);
            against.extend(missing.into_iter().map(|owner| Refusal::AddressNotPublic {
                owner,
                host: host(),
                port,
            }));
        }
        if is_own(SocketAddr::new(address, port)) {
            against.push(Refusal::OwnListener(host()));
        }
        for (owner, rules) in self.scope.rules().filter(|(_, rules)| rules.mode == Mode::Enforce) {
            if let Some(rule) = rules.deny.iter().find(|rule| rule.denies_address(address, &self.to)) {
                against.push(Refusal::Denied { owner, host: host(), port, rule: rule.clone() });
            }
        }
        against
    }

    /// Those of agent and tenant that would have to name an address and do not. One
    /// whose rules are only reported need not; but somebody must.
    fn not_naming(&self, address: IpAddr) -> Vec<Owner> {
        let principals = || self.scope.rules().filter(|(owner, _)| owner.is_principal());
        let names = |rules: &List<'_>| rules.allow.iter().any(|rule| rule.lifts(address, &self.to));
        let nobody = !principals().any(|(_, rules)| names(&rules));
        principals()
            .filter(|(_, rules)| !names(rules) && (nobody || rules.mode == Mode::Enforce))
            .map(|(owner, _)| owner)
            .collect()
    }
}

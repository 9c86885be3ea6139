//! The policy engine: may this principal do this? Listing and calling ask the
//! same functions, and doubt denies.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use plugin_contract::{Capability, op::Offered, template::UriTemplate};

use crate::{
    egress::{Owner, Refusal, Rule},
    pattern::Patterns,
    principal::Principal,
    registry::{Plugin, Prompt, ResourceTemplate, Tool},
    settings::{Agent, Filters, Grant, Tenant},
    snapshot::Snapshot,
};

mod ground;
mod reason;
mod revoked;
mod stores;

pub use ground::{Ground, Holder, Wanted, grounds};
pub(crate) use reason::RETRY_WHEN_BUSY_MS;
pub use reason::{Reason, Thing};
pub(crate) use revoked::revoked;
pub use revoked::{Lapse, Revoked};
pub use stores::{Found, StoreReason, database, databases, file_root, file_roots};

/// Proof that the engine allowed something. Whatever executes takes one, and
/// only this module makes one.
#[derive(Debug)]
pub struct Permit {
    snapshot: Arc<Snapshot>,
    principal: Principal,
    subject: Subject,
    capabilities: BTreeSet<Capability>,
    revoked: AtomicBool,
}

impl Permit {
    /// The configuration it was given under, and holds for.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// To whom.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// For what.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// What is done to what goes through the server for it.
    #[must_use]
    pub fn filters(&self) -> Filters {
        self.snapshot.filters(&self.principal, &self.plugin().manifest.name)
    }

    /// What the plugin may ask of the host meanwhile.
    #[must_use]
    pub fn capabilities(&self) -> &BTreeSet<Capability> {
        &self.capabilities
    }

    /// Whether it was taken back: the plugin may still run, but gets nothing
    /// from the host any more.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Acquire)
    }

    pub(crate) fn revoke(&self) {
        self.revoked.store(true, Ordering::Release);
    }

    /// Whose code runs.
    #[must_use]
    pub fn plugin(&self) -> &Arc<Plugin> {
        match &self.subject {
            Subject::Tool(tool) => &tool.plugin,
            Subject::Resource { plugin, .. } => plugin,
            Subject::Prompt(prompt) => &prompt.plugin,
        }
    }
}

/// What a permit is for.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A call of a tool.
    Tool(Arc<Tool>),
    /// Reading a resource.
    Resource {
        /// As the client named it.
        uri: String,
        /// Whose it is.
        plugin: Arc<Plugin>,
    },
    /// Getting a prompt.
    Prompt(Arc<Prompt>),
}

impl Subject {
    fn named(&self) -> (Thing, String) {
        match self {
            Self::Tool(tool) => (Thing::Tool, tool.spec.name.to_string()),
            Self::Resource { uri, .. } => (Thing::Resource, uri.clone()),
            Self::Prompt(prompt) => (Thing::Prompt, prompt.spec.name.to_string()),
        }
    }
}

/// The engine's answer: a permit, or every reason against.
pub type Decision = Result<Permit, Vec<Reason>>;

/// May `principal` call `tool`?
pub fn tool(snapshot: &Arc<Snapshot>, principal: &Principal, tool: &Arc<Tool>) -> Decision {
    let (agent, tenant) = standing(snapshot, principal)?;
    let spec = &tool.spec;
    let mut reasons = granted(principal, agent, tenant, Thing::Tool, spec.name.as_str());
    reasons.extend(denied(principal, agent, tenant, spec.name.as_str()));
    for capability in &spec.capabilities {
        reasons.extend(lacking(principal, agent, tenant, tool, *capability));
        reasons.extend(stores::nothing_granted(principal, agent, tenant, tool, *capability));
    }
    if spec.capabilities.contains(&Capability::NetworkOutbound) {
        reasons.extend(unreachable(snapshot, principal, agent, tenant, tool));
    }
    reasons.extend(withdrawn(&tool.plugin, Thing::Tool, &Offered::Tool(spec.name.to_string())));
    decide(snapshot, principal, reasons, || (Subject::Tool(tool.clone()), spec.capabilities.clone()))
}

/// May `principal` read `uri`, which `plugin` answers for?
pub fn resource(
    snapshot: &Arc<Snapshot>,
    principal: &Principal,
    uri: &str,
    plugin: &Arc<Plugin>,
) -> Decision {
    let (agent, tenant) = standing(snapshot, principal)?;
    let mut reasons = granted(principal, agent, tenant, Thing::Resource, uri);
    if let Some((offered, _)) = snapshot.registry.offered(uri) {
        reasons.extend(withdrawn(plugin, Thing::Resource, &offered));
    }
    let subject = || Subject::Resource { uri: uri.to_owned(), plugin: plugin.clone() };
    decide(snapshot, principal, reasons, || (subject(), BTreeSet::new()))
}

/// Could `principal` read any member of `template`?
pub fn template(
    snapshot: &Arc<Snapshot>,
    principal: &Principal,
    template: &Arc<ResourceTemplate>,
) -> Decision {
    let (agent, tenant) = standing(snapshot, principal)?;
    let uri = template.spec.uri_template.as_str();
    let mut reasons = if could_read(&agent.grant, &tenant.grant, &template.template) {
        Vec::new()
    } else {
        granted(principal, agent, tenant, Thing::Resource, uri)
    };
    reasons.extend(withdrawn(&template.plugin, Thing::Resource, &Offered::Template(uri.to_owned())));
    let subject = || Subject::Resource { uri: uri.to_owned(), plugin: template.plugin.clone() };
    decide(snapshot, principal, reasons, || (subject(), BTreeSet::new()))
}

/// Whether agent and tenant together let any member of a template be read.
pub(crate) fn could_read(agent: &Grant, tenant: &Grant, template: &UriTemplate) -> bool {
    let both = agent.resources.intersection(&tenant.resources);
    both.iter().any(|pattern| overlaps(pattern.as_str(), template))
}

/// What agent and tenant must both do: let through a thing of that name, which
/// needs these capabilities and hosts. Says in one word what the reasons say in many, for
/// [`crate::diff`], which asks it of every agent and every name.
pub(crate) fn lets_through(
    grant: &Grant,
    thing: Thing,
    name: &str,
    needs: (&BTreeSet<Capability>, &[Rule]),
) -> bool {
    let (capabilities, declared) = needs;
    let reaches = !capabilities.contains(&Capability::NetworkOutbound) || grant.egress.reach(declared);
    patterns(grant, thing).cover(name)
        && !(thing == Thing::Tool && grant.deny.cover(name))
        && capabilities.is_subset(&grant.capabilities)
        && capabilities.iter().all(|capability| !stores::is_idle(grant, *capability))
        && reaches
}

/// Whether a pattern (`docs://*`, or a plain URI) may cover a member of a
/// template. Errs on the side of yes: reading decides by the member itself.
pub(crate) fn overlaps(pattern: &str, template: &UriTemplate) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => prefix.starts_with(template.prefix()) || template.prefix().starts_with(prefix),
        None => template.matches(pattern),
    }
}

/// May `principal` get `prompt`?
pub fn prompt(snapshot: &Arc<Snapshot>, principal: &Principal, prompt: &Arc<Prompt>) -> Decision {
    let (agent, tenant) = standing(snapshot, principal)?;
    let name = prompt.spec.name.as_str();
    let mut reasons = granted(principal, agent, tenant, Thing::Prompt, name);
    reasons.extend(withdrawn(&prompt.plugin, Thing::Prompt, &Offered::Prompt(name.to_owned())));
    decide(snapshot, principal, reasons, || (Subject::Prompt(prompt.clone()), BTreeSet::new()))
}

/// May the code that has `permit` use what `capability` stands for? A tool was only
/// let through with all that it declares, so what is lacking here is at least the
/// declaration.
pub fn uses(permit: &Permit, capability: Capability) -> Result<(), Vec<Reason>> {
    if permit.capabilities.contains(&capability) {
        return Ok(());
    }
    let (thing, name) = permit.subject.named();
    let plugin = permit.plugin().manifest.name.clone();
    let mut reasons = vec![Reason::CapabilityNotDeclared { plugin, thing, name, capability }];
    if let Subject::Tool(tool) = &permit.subject {
        let (agent, tenant) = standing(&permit.snapshot, &permit.principal)?;
        reasons.extend(lacking(&permit.principal, agent, tenant, tool, capability));
    }
    Err(reasons)
}

/// A plugin may withdraw what it lists, for a time.
fn withdrawn(plugin: &Plugin, thing: Thing, offered: &Offered) -> Option<Reason> {
    let (Offered::Tool(name) | Offered::Resource(name) | Offered::Template(name) | Offered::Prompt(name)) =
        offered;
    (!plugin.instance.offers(offered)).then(|| Reason::Withdrawn {
        plugin: plugin.manifest.name.clone(),
        thing,
        name: name.clone(),
    })
}

fn standing<'a>(
    snapshot: &'a Snapshot,
    principal: &Principal,
) -> Result<(&'a Agent, &'a Tenant), Vec<Reason>> {
    snapshot.standing(principal).ok_or_else(|| vec![Reason::AgentRemoved { agent: principal.agent.clone() }])
}

fn decide(
    snapshot: &Arc<Snapshot>,
    principal: &Principal,
    reasons: Vec<Reason>,
    allowed: impl FnOnce() -> (Subject, BTreeSet<Capability>),
) -> Decision {
    if !reasons.is_empty() {
        return Err(reasons);
    }
    let (subject, capabilities) = allowed();
    Ok(Permit {
        snapshot: snapshot.clone(),
        principal: principal.clone(),
        subject,
        capabilities,
        revoked: AtomicBool::new(false),
    })
}

fn granted(principal: &Principal, agent: &Agent, tenant: &Tenant, thing: Thing, name: &str) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if !patterns(&agent.grant, thing).cover(name) {
        reasons.push(Reason::NotGrantedToAgent {
            agent: principal.agent.clone(),
            thing,
            name: name.to_owned(),
        });
    }
    if !patterns(&tenant.grant, thing).cover(name) {
        reasons.push(Reason::NotGrantedToTenant {
            tenant: principal.tenant.clone(),
            thing,
            name: name.to_owned(),
        });
    }
    reasons
}

pub(crate) fn patterns(grant: &Grant, thing: Thing) -> &Patterns {
    match thing {
        Thing::Tool => &grant.tools,
        Thing::Resource => &grant.resources,
        Thing::Prompt => &grant.prompts,
        Thing::FileRoot => &grant.files,
        Thing::Database => &grant.databases,
    }
}

fn denied(principal: &Principal, agent: &Agent, tenant: &Tenant, tool: &str) -> Vec<Reason> {
    let by_agent = agent.grant.deny.covering(tool).map(|pattern| Reason::DeniedToAgent {
        agent: principal.agent.clone(),
        tool: tool.to_owned(),
        pattern: pattern.clone(),
    });
    let by_tenant = tenant.grant.deny.covering(tool).map(|pattern| Reason::DeniedToTenant {
        tenant: principal.tenant.clone(),
        tool: tool.to_owned(),
        pattern: pattern.clone(),
    });
    by_agent.into_iter().chain(by_tenant).collect()
}

fn lacking(
    principal: &Principal,
    agent: &Agent,
    tenant: &Tenant,
    tool: &Tool,
    capability: Capability,
) -> Vec<Reason> {
    let name = &tool.spec.name;
    let mut reasons = Vec::new();
    if !tool.plugin.granted.contains(&capability) {
        reasons.push(Reason::CapabilityNotGrantedToPlugin {
            plugin: tool.plugin.manifest.name.clone(),
            tool: name.clone(),
            capability,
        });
    }
    if !agent.grant.capabilities.contains(&capability) {
        let agent = principal.agent.clone();
        reasons.push(Reason::CapabilityNotGrantedToAgent { agent, tool: name.clone(), capability });
    }
    if !tenant.grant.capabilities.contains(&capability) {
        let tenant = principal.tenant.clone();
        reasons.push(Reason::CapabilityNotGrantedToTenant { tenant, tool: name.clone(), capability });
    }
    reasons
}

/// What a tool must reach and its caller may not; and if it can reach nothing at
/// all, that.
fn unreachable(
    snapshot: &Snapshot,
    principal: &Principal,
    agent: &Agent,
    tenant: &Tenant,
    tool: &Tool,
) -> Vec<Reason> {
    let name = || tool.spec.name.clone();
    let plugin = &tool.plugin.manifest.name;
    let entry = snapshot.settings.plugins.entries.get(plugin).and_then(|entry| entry.egress.as_ref());
    let owners = [
        (Owner::Agent(principal.agent.clone()), &agent.grant.egress),
        (Owner::Tenant(principal.tenant.clone()), &tenant.grant.egress),
    ]
    .into_iter()
    .chain(entry.map(|rules| (Owner::Entry(plugin.clone()), rules)));
    let declared = tool.plugin.egress();
    let mut refusals = Vec::new();
    for (owner, rules) in owners {
        if declared.is_empty() && !rules.reach(declared) {
            refusals.push(Refusal::NothingAllowed { owner, tool: name() });
            continue;
        }
        let missing = rules.lacking(declared).cloned();
        refusals.extend(missing.map(|rule| Refusal::DeclaredNotAllowed {
            owner: owner.clone(),
            tool: name(),
            rule,
        }));
    }
    refusals.into_iter().map(Reason::Egress).collect()
}

#[cfg(test)]
mod tests;

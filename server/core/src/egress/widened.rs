//! Whether an edit opens the way out so far that somebody should look twice.

use super::{Mode, Owner, Rules};
use crate::settings::Settings;

/// How an edit comes to allow a network as large as the internet, or to only
/// report what was refused, said of the first list that it does so in.
#[must_use]
pub fn widened(old: &Settings, new: &Settings) -> Option<String> {
    let before = |owner: &Owner| lists(old).find(|(other, _)| other == owner).map(|(_, rules)| rules);
    lists(new).find_map(|(owner, rules)| {
        let was = before(&owner);
        let is_new = |rule: &_| !was.is_some_and(|was| was.allow.contains(rule));
        let wide = rules.allow.iter().find(|rule| rule.is_wide() && is_new(rule));
        let loosened = rules.mode == Mode::Report && was.is_none_or(|was| was.mode != Mode::Report);
        match wide {
            Some(rule) => Some(format!("it lets {owner} reach `{rule}`")),
            None => loosened.then(|| format!("it only reports what the rules of {owner} do not allow")),
        }
    })
}

fn lists(settings: &Settings) -> impl Iterator<Item = (Owner, &Rules)> {
    let agents = settings.agents.iter().map(|(id, agent)| (Owner::Agent(id.clone()), &agent.grant.egress));
    let tenants = settings.tenants.iter();
    let tenants = tenants.map(|(id, tenant)| (Owner::Tenant(id.clone()), &tenant.grant.egress));
    agents.chain(tenants)
}

//! Whether an edit opens the way out so far that somebody should look twice.

use super::{Mode, Owner, Rules};
use crate::settings::Settings;

/// How an edit comes to allow a network as large as the internet, or to only
/// report what was refused, said of the first list that it does so in.
#[must_use]
pub fn widened(old: &Settings, new: &Settings) -> Option<String> {
    let of_agent = new.agents.iter().find_map(|(id, agent)| {
        let was = old.agents.get(id).map(|was| &was.grant.egress);
        how(was, &agent.grant.egress, || Owner::Agent(id.clone()))
    });
    let of_tenant = || {
        new.tenants.iter().find_map(|(id, tenant)| {
            let was = old.tenants.get(id).map(|was| &was.grant.egress);
            how(was, &tenant.grant.egress, || Owner::Tenant(id.clone()))
        })
    };
    of_agent.or_else(of_tenant)
}

fn how(was: Option<&Rules>, is: &Rules, owner: impl Fn() -> Owner) -> Option<String> {
    let is_new = |rule: &_| !was.is_some_and(|was| was.allow.contains(rule));
    let wide = is.allow.iter().find(|rule| rule.is_wide() && is_new(rule));
    let loosened = is.mode == Mode::Report && was.is_none_or(|was| was.mode != Mode::Report);
    match wide {
        Some(rule) => Some(format!("it lets {} reach `{rule}`", owner())),
        None => loosened.then(|| format!("it only reports what the rules of {} do not allow", owner())),
    }
}

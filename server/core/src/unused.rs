//! Patterns that cover nothing: often a misspelt name, and in `deny` one that
//! leaves allowed what it was to forbid.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use crate::{
    config::{closest, quoted},
    pattern::Pattern,
    registry::Registry,
    settings::{Grant, Settings},
};

/// A pattern that covers no tool that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusedPattern {
    /// Where it stands, in terms of keys, as in `agents.laptop.deny`. An agent's
    /// may come from one of its profiles.
    pub place: String,
    /// The pattern.
    pub pattern: Pattern,
    /// What may have been meant.
    pub nearest: Option<String>,
}

impl UnusedPattern {
    /// How to put it right.
    #[must_use]
    pub fn help(&self) -> String {
        match &self.nearest {
            Some(near) => format!("did you mean `{near}`?"),
            None => "remove it, or load the plugin that has such a tool".to_owned(),
        }
    }
}

impl fmt::Display for UnusedPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} covers no tool that is loaded", quoted(self.pattern.as_str()))
    }
}

/// The patterns for tools, of tenants, agents and limits, that cover no tool that is
/// loaded. `*` is never one of them.
#[must_use]
pub fn tool_patterns(settings: &Settings, registry: &Registry) -> Vec<UnusedPattern> {
    let tenants = settings.tenants.iter().map(|(id, tenant)| (format!("tenants.{id}"), &tenant.grant));
    let agents = settings.agents.iter().map(|(id, agent)| (format!("agents.{id}"), &agent.grant));
    let names: Vec<&str> = registry.tools().map(|tool| tool.spec.name.as_str()).collect();
    let mut judged = Judged { names, verdicts: HashMap::new() };
    let mut unused: Vec<_> =
        tenants.chain(agents).flat_map(|(place, grant)| unused(&place, grant, &mut judged)).collect();
    let limits = settings.tool_limits.iter().filter_map(|limits| match judged.verdict(&limits.tools) {
        Verdict::Used => None,
        Verdict::Unused { nearest } => Some(UnusedPattern {
            place: "tool_limits".to_owned(),
            pattern: limits.tools.clone(),
            nearest: nearest.clone(),
        }),
    });
    unused.extend(limits);
    unused
}

/// Patterns that were compared with what is loaded: thousands of agents may have
/// the same ones.
struct Judged<'s> {
    names: Vec<&'s str>,
    verdicts: HashMap<&'s str, Verdict>,
}

enum Verdict {
    Used,
    Unused { nearest: Option<String> },
}

impl<'s> Judged<'s> {
    fn verdict(&mut self, pattern: &'s Pattern) -> &Verdict {
        let names = &self.names;
        self.verdicts.entry(pattern.as_str()).or_insert_with(|| {
            if pattern.as_str() == "*" || names.iter().any(|name| pattern.covers(name)) {
                Verdict::Used
            } else {
                Verdict::Unused { nearest: nearest(pattern.as_str(), names) }
            }
        })
    }
}

fn unused<'s>(place: &str, grant: &'s Grant, judged: &mut Judged<'s>) -> Vec<UnusedPattern> {
    let mut unused: Vec<UnusedPattern> = Vec::new();
    for (key, patterns) in [("tools", &grant.tools), ("deny", &grant.deny)] {
        for pattern in patterns.iter() {
            let Verdict::Unused { nearest } = judged.verdict(pattern) else { continue };
            let pattern = UnusedPattern {
                place: format!("{place}.{key}"),
                pattern: pattern.clone(),
                nearest: nearest.clone(),
            };
            // A profile may have the same one.
            if !unused.contains(&pattern) {
                unused.push(pattern);
            }
        }
    }
    unused
}

fn nearest(pattern: &str, names: &[&str]) -> Option<String> {
    if pattern.ends_with('*') {
        let families: BTreeSet<String> = names.iter().flat_map(|name| families(name)).collect();
        return closest(pattern, families.iter().map(String::as_str)).map(str::to_owned);
    }
    closest(pattern, names.iter().copied()).map(str::to_owned)
}

/// The wildcards that cover a name: `a.*` and `a.b.*` for `a.b.c`.
fn families(name: &str) -> impl Iterator<Item = String> {
    name.match_indices('.').filter_map(|(at, _)| name.get(..=at)).map(|prefix| format!("{prefix}*"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        limits::{LimitCeilings, ToolLimits},
        testing::{content, patterns, plugin, settings, tool, unreachable},
    };

    /// What is said of an agent's patterns where demo.echo and demo.pages.list
    /// are loaded.
    fn said(tools: &[&str], deny: &[&str]) -> Vec<(String, String)> {
        let tools_loaded = [tool("demo.echo", &[]), tool("demo.pages.list", &[])];
        let mut content = content(settings(), plugin(&tools_loaded, &[], unreachable()));
        for agent in content.settings.agents.values_mut() {
            agent.grant.tools = patterns(tools);
            agent.grant.deny = patterns(deny);
        }
        let unused = tool_patterns(&content.settings, &content.registry);
        unused.iter().map(|unused| (format!("{}: {unused}", unused.place), unused.help())).collect()
    }

    #[test]
    fn a_pattern_that_covers_a_loaded_tool_is_used() {
        assert_eq!(said(&["*", "demo.*", "demo.pages.*", "demo.echo"], &["*", "demo.pages.list"]), []);
    }

    #[test]
    fn a_pattern_that_covers_none_is_told_with_what_is_near() {
        let removed = "remove it, or load the plugin that has such a tool";
        for (pattern, help) in [
            ("demo.ehco", "did you mean `demo.echo`?"),
            ("demo.page.list", "did you mean `demo.pages.list`?"),
            ("demos.*", "did you mean `demo.*`?"),
            ("demo.page.*", "did you mean `demo.pages.*`?"),
            ("demo.echo.*", removed),
            ("acme.*", removed),
            ("demo", removed),
        ] {
            let message = format!("`{pattern}` covers no tool that is loaded");
            assert_eq!(
                said(&[pattern], &[pattern, pattern]),
                [
                    (format!("agents.laptop.tools: {message}"), help.to_owned()),
                    (format!("agents.laptop.deny: {message}"), help.to_owned()),
                ],
            );
        }
    }

    #[test]
    fn the_patterns_of_tenants_and_of_limits_are_judged_too() {
        let mut content = content(settings(), plugin(&[tool("demo.echo", &[])], &[], unreachable()));
        for tenant in content.settings.tenants.values_mut() {
            tenant.grant.deny = patterns(&["demo.ehco"]);
        }
        for tools in ["demo.*", "demo.ehco"] {
            let limits = ToolLimits { tools: tools.parse().unwrap(), limits: LimitCeilings::default() };
            content.settings.tool_limits.push(limits.into());
        }
        let unused = tool_patterns(&content.settings, &content.registry);
        let places: Vec<_> = unused.iter().map(|unused| unused.place.as_str()).collect();
        assert_eq!(places, ["tenants.research.deny", "tool_limits"]);
    }
}

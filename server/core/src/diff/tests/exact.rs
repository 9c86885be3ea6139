//! The comparison and the engine never differ.

use std::{collections::BTreeSet, sync::Arc};

use plugin_contract::Capability;

use super::*;
use crate::{
    egress::{Mode, Rules},
    id::AgentId,
    pattern::Patterns,
    policy,
    principal::Principal,
    registry::Registry,
    settings::{Agent, Grant, Tenant},
    snapshot::{Content, Live, Snapshot},
    testing,
};

/// Small numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn some<T: Clone>(&mut self, of: &[T]) -> Vec<T> {
        of.iter().filter(|_| self.roll(3) == 0).cloned().collect()
    }

    fn most<T: Clone>(&mut self, of: &[T]) -> Vec<T> {
        of.iter().filter(|_| self.roll(4) > 0).cloned().collect()
    }

    fn patterns(&mut self, of: &[&str]) -> Patterns {
        testing::patterns(&self.some(of))
    }

    fn grant(&mut self) -> Grant {
        Grant {
            tools: self.patterns(&["*", "a.*", "b.*", "a.one", "a.two", "b.one", "c.one"]),
            deny: self.patterns(&["a.one", "b.*", "c.*"]),
            resources: self.patterns(&["*", "doc://*", "doc://x/*", "doc://x/y", "fix://one", "fix://*"]),
            prompts: self.patterns(&["*", "p_one", "p_two", "p_*"]),
            capabilities: self.most(&Capability::ALL).into_iter().collect(),
            files: testing::patterns(&self.most(&["docs"])),
            databases: testing::patterns(&self.most(&["sales"])),
            egress: Rules {
                allow: self
                    .most(&["jira.lan", "*.example.com"])
                    .iter()
                    .map(|it| it.parse().unwrap())
                    .collect(),
                deny: Vec::new(),
                mode: if self.roll(5) == 0 { Mode::Report } else { Mode::Enforce },
            },
            secrets: BTreeSet::new(),
        }
    }

    fn registry(&mut self) -> Registry {
        let mut plugins = Vec::new();
        for name in self.most(&["a", "b", "c", "d"]) {
            let needs: Vec<_> = self.some(&Capability::ALL).iter().map(|it| it.as_str()).collect();
            let tools =
                [testing::tool(&format!("{name}.one"), &needs), testing::tool(&format!("{name}.two"), &[])];
            let mut json = serde_json::to_value(manifest(name, "1.0.0", &self.most(&tools))).unwrap();
            json["egress"] = json!(self.some(&["jira.lan", "api.example.com"]));
            if name == "d" {
                json["resources"] = json!([{ "uri": "fix://one", "name": "one" }]);
                json["resource_templates"] = json!([{ "uri_template": "doc://{a}/{b}", "name": "two" }]);
                json["prompts"] = json!([{ "name": "p_one" }, { "name": "p_two" }]);
            }
            let granted =
                if self.roll(2) == 0 { Capability::ALL.to_vec() } else { self.some(&Capability::ALL) };
            plugins.push(testing::named(
                serde_json::from_value(json).unwrap(),
                &granted,
                testing::unreachable(),
            ));
        }
        Registry::admit(plugins).0
    }

    /// A part of the old settings stays as it is, so that what is passed over as
    /// unchanged is tried too.
    fn settings(&mut self, old: Option<&Settings>) -> Settings {
        let mut settings = testing::settings();
        let (tenant, agent) =
            (settings.tenants.pop_first().unwrap().1, settings.agents.pop_first().unwrap().1);
        for name in ["t1", "t2"] {
            let id = name.parse().unwrap();
            let kept = old.and_then(|old| old.tenants.get(&id)).filter(|_| self.roll(2) == 0).cloned();
            let tenant = kept.unwrap_or_else(|| Tenant { grant: self.grant(), ..tenant.clone() });
            settings.tenants.insert(id, tenant);
        }
        for name in ["one", "two", "three", "four"].iter().filter(|_| self.roll(5) > 0).collect::<Vec<_>>() {
            let id = name.parse().unwrap();
            let kept = old.and_then(|old| old.agents.get(&id)).filter(|_| self.roll(2) == 0).cloned();
            let mut agent = kept.unwrap_or_else(|| Agent { grant: self.grant(), ..agent.clone() });
            agent.tenant = ["t1", "t2"][self.roll(2)].parse().unwrap();
            settings.agents.insert(id, agent);
        }
        settings
    }
}

type Uses = BTreeSet<(AgentId, &'static str, String)>;

/// All that the engine lets each agent use.
fn uses(snapshot: &Arc<Snapshot>) -> Uses {
    let mut uses = Uses::new();
    let registry = &snapshot.registry;
    for (id, agent) in &snapshot.settings.agents {
        let principal = Principal { agent: id.clone(), tenant: agent.tenant.clone() };
        let mut add = |allowed, kind, name: &str| {
            if allowed {
                uses.insert((id.clone(), kind, name.to_owned()));
            }
        };
        for tool in registry.tools() {
            add(policy::tool(snapshot, &principal, tool).is_ok(), "tool", tool.spec.name.as_str());
        }
        for it in registry.resources() {
            let uri = it.spec.uri.as_str();
            add(policy::resource(snapshot, &principal, uri, &it.plugin).is_ok(), "resource", uri);
        }
        for it in registry.templates() {
            add(
                policy::template(snapshot, &principal, it).is_ok(),
                "resource",
                it.spec.uri_template.as_str(),
            );
        }
        for prompt in registry.prompts() {
            add(policy::prompt(snapshot, &principal, prompt).is_ok(), "prompt", prompt.spec.name.as_str());
        }
    }
    uses
}

/// What is reported as lost and gained by agents that are in both, and what new
/// ones are said to have.
fn reported(diff: &Diff) -> [Uses; 3] {
    let mut all = [Uses::new(), Uses::new(), Uses::new()];
    for Change { subject, what } in &diff.changes {
        let Subject::Agents { agents, .. } = subject else { continue };
        let (at, thing, names) = match what {
            What::Loses { thing, names } => (0, thing.as_str(), names),
            What::Gains { thing, names } => (1, thing.as_str(), names),
            What::New { names } => (2, "", names),
            _ => continue,
        };
        for agent in agents {
            for name in names {
                assert!(
                    all[at].insert((agent.clone(), thing, name.clone())),
                    "{agent} {name} is reported twice"
                );
            }
        }
    }
    all
}

#[test]
fn what_is_reported_is_just_what_the_engine_decides_differently() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut seen = [0; 3];
    for round in 0..600 {
        let old = dice.settings(None);
        let new = dice.settings(Some(&old));
        let content = |settings, registry| Content { config_sha256: String::new(), settings, registry };
        let before = Live::new(content(old, dice.registry())).load();
        let after = Live::new(content(new, dice.registry())).load();
        let names = [&before, &after].map(|it| Names::of(&it.registry, &it.settings.plugins));
        let diff = diff(
            Side { settings: &before.settings, names: &names[0] },
            Side { settings: &after.settings, names: &names[1] },
        );
        let in_both = |(agent, ..): &&(AgentId, &str, String)| {
            before.settings.agents.contains_key(agent) && after.settings.agents.contains_key(agent)
        };
        let is_new = |(agent, ..): &&(AgentId, &str, String)| !before.settings.agents.contains_key(agent);
        let (could, can) = (uses(&before), uses(&after));
        let [lost, gained, had_by_new] = reported(&diff);
        assert_eq!(lost, could.difference(&can).filter(in_both).cloned().collect(), "round {round}");
        assert_eq!(gained, can.difference(&could).filter(in_both).cloned().collect(), "round {round}");
        let of_new = can.iter().filter(is_new).map(|(agent, _, name)| (agent.clone(), "", name.clone()));
        assert_eq!(had_by_new, of_new.collect(), "round {round}");
        let removed = before.settings.agents.keys().filter(|it| !after.settings.agents.contains_key(*it));
        assert_eq!(diff.agents.removed, removed.count());
        let losing: BTreeSet<_> = lost.iter().map(|(agent, ..)| agent).collect();
        assert_eq!(diff.agents.losing, losing.len());
        for (seen, uses) in seen.iter_mut().zip([&lost, &gained, &had_by_new]) {
            *seen += uses.len();
        }
    }
    // The dice do not always fall the same way.
    assert!(seen.iter().all(|seen| *seen > 200), "{seen:?}");
}

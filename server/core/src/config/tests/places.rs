//! Where a configuration says what it says.

use super::{include::Folder, *};
use crate::{limits::Level, policy::Holder};

const MAIN: &str = "\
version: 1
include: [\"agents.d/*.yaml\"]
plugins: { entries: { http: { isolation: in_process } } }
limits: { concurrency: 4, timeout_seconds: 9 }
tool_limits: { core.*: { rate_limit: 3/min } }
profiles:
  reader:
    tools: [\"core.*\"]
    limits: { concurrency: 3 }
tenants:
  research:
    tools: [\"*\"]
    deny: [\"core.wipe\"]
    limits: { timeout_seconds: 5 }
agents: {}
";

const AGENTS: &str = "\
agents:
  laptop:
    tenant: research
    token: \"${LAPTOP_TOKEN}\"
    profiles: [reader]
    tools: [\"acme.x\", \"acme.y\"]
";

fn holder(text: &str) -> Holder {
    match text.split_once(' ').unwrap() {
        ("agent", name) => Holder::Agent(name.parse().unwrap()),
        ("tenant", name) => Holder::Tenant(name.parse().unwrap()),
        (_, name) => Holder::Plugin(name.parse().unwrap()),
    }
}

fn places() -> Places {
    let source = Source { path: "config.yaml".into(), text: MAIN.to_owned() };
    let files = Folder(vec![("agents.d/a.yaml".to_owned(), AGENTS.to_owned())]);
    let compiled = compile(&source, &files).unwrap();
    Places::of(&compiled.sources).unwrap()
}

fn shown(spot: Option<Spot>) -> String {
    spot.map_or_else(|| "nowhere".to_owned(), |spot| format!("{spot} {}", spot.config_path))
}

#[test]
fn an_entry_is_found_where_it_is_written_whichever_file_or_profile_that_is() {
    let places = places();
    for (of, list, text, expected) in [
        ("agent laptop", "tools", "acme.y", "agents.d/a.yaml:6:23 agents.laptop.tools[1]"),
        ("agent laptop", "tools", "core.*", "config.yaml:8:13 profiles.reader.tools[0]"),
        ("agent laptop", "tools", "core.x", "nowhere"),
        ("tenant research", "tools", "*", "config.yaml:12:13 tenants.research.tools[0]"),
        ("tenant research", "deny", "core.wipe", "config.yaml:13:12 tenants.research.deny[0]"),
    ] {
        assert_eq!(shown(places.item(&holder(of), list, text)), expected);
    }
}

#[test]
fn a_missing_right_is_placed_in_its_list_or_where_that_belongs() {
    let places = places();
    for (of, list, expected) in [
        ("agent laptop", "tools", "agents.d/a.yaml:6:5 agents.laptop.tools"),
        ("agent laptop", "capabilities", "agents.d/a.yaml:2:3 agents.laptop"),
        ("tenant research", "capabilities", "config.yaml:11:3 tenants.research"),
        ("plugin http", "capabilities", "config.yaml:3:23 plugins.entries.http"),
        ("plugin core", "capabilities", "config.yaml:3:12 plugins.entries"),
    ] {
        assert_eq!(shown(places.list(&holder(of), list)), expected);
    }
}

#[test]
fn a_limit_is_placed_at_the_level_that_sets_it() {
    let places = places();
    let agent = Level::Agent("laptop".parse().unwrap());
    let tools = Level::Tools("core.*".parse().unwrap());
    let tenant = Level::Tenant("research".parse().unwrap());
    for (level, limit, expected) in [
        (&agent, "concurrency", "config.yaml:9:28 profiles.reader.limits.concurrency"),
        (&agent, "timeout_seconds", "config.yaml:4:44 limits.timeout_seconds"),
        (&agent, "rate_limit", "nowhere"),
        (&tools, "rate_limit", "config.yaml:5:38 tool_limits.\"core.*\".rate_limit"),
        (&tenant, "timeout_seconds", "config.yaml:14:32 tenants.research.limits.timeout_seconds"),
    ] {
        assert_eq!(shown(places.limit(level, limit)), expected);
    }
}

//! The cases, in the order of the schema.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use serde_json::{Value, json};

use super::{
    audit,
    case::{Case, KEY, PLUGINS, case},
    egress,
    look::{
        NEXT, a_token_changed_unseen, a_warning_in_the_log, address_of_a_failure, bench_in_the_log, call,
        call_as, call_beside_another, call_of_a_removed_agent, call_with, door, get, half_a_head, read,
        refusals, replacements_in_the_log, second_call, the_first_of_many_connections, two_calls_at_once,
        version_after_a_refused_upgrade,
    },
};
use crate::support::{LAPTOP, REVIEWER, testbench::build};

mod models;
mod stores;

/// A key that no plugin is signed with.
const ANOTHER_KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = whole();
    cases.extend(plugins());
    cases.extend(trusted_keys());
    cases.extend(reload());
    cases.extend(audit::cases());
    cases.extend(operators());
    cases.extend(redaction());
    cases.extend(filters());
    cases.extend(entries());
    cases.extend(workers());
    cases.extend(egress::egress());
    cases.extend(tenants());
    cases.extend(agents());
    cases.extend(stores::cases());
    cases.extend(models::cases());
    for (level, whose) in [("agents.*", "agent"), ("tenants.*", "tenant"), ("profiles.*", "agent")] {
        cases.extend(grants(level, whose));
        cases.extend(stores::grants(level, whose));
        cases.extend(egress::reach(level));
    }
    cases.extend(load());
    for level in ["limits", "agents.*.limits", "tenants.*.limits", "profiles.*.limits", "tool_limits.*"] {
        cases.extend(limits(level));
    }
    cases
}

fn hello() -> Value {
    json!({ "text": "hello" })
}

fn whole() -> Vec<Case> {
    vec![
        case("version", json!(1), json!(2)).shows(
            refusals(),
            " (generation 1)",
            "version 2 of the format is not supported; see the lines before (generation 1)",
        ),
        case("include", json!([]), json!(["agents.d/*.yaml"]))
            .beside(|folder, _| {
                fs::create_dir(folder.join("agents.d")).unwrap();
                let reviewer = "{ tenant: research, token: \"${REVIEWER_TOKEN}\", tools: [core.echo] }";
                let file = folder.join("agents.d/reviewer.yaml");
                fs::write(file, format!("agents:\n  reviewer: {reviewer}\n")).unwrap();
            })
            .shows(call_as(REVIEWER, "core.echo", hello()), "401 unauthorized", "hello"),
        case("server.listen", json!("127.0.0.1:0"), json!("127.0.0.2:0")).shows(
            door("listening", "/healthz"),
            "127.0.0.1 200",
            "127.0.0.2 200",
        ),
        case("server.allowed_hosts", json!([]), json!(["mcp.example.lan"])).shows(
            call_with("host", "mcp.example.lan"),
            "403 host_not_allowed",
            "hello",
        ),
        case("server.allowed_origins", json!([]), json!(["https://app.example.lan"])).shows(
            call_with("origin", "https://app.example.lan"),
            "403 origin_not_allowed",
            "hello",
        ),
        case("server.public_url", json!(null), json!("https://mcp.example.lan/mcp")).shows(
            call_with("host", "mcp.example.lan"),
            "403 host_not_allowed",
            "hello",
        ),
        case("server.trusted_proxies", json!([]), json!(["127.0.0.0/8"])).shows(
            address_of_a_failure("x-forwarded-for", "203.0.113.9"),
            "127.0.0.1",
            "203.0.113.9",
        ),
        case("state.dir", json!("./state"), json!("./elsewhere")).shows(
            refusals(),
            " (generation 1)",
            "a change of `state.dir` needs a restart; nothing of this edit is in force (generation 1)",
        ),
    ]
}

/// What all agents share.
fn load() -> Vec<Case> {
    vec![
        case("server.max_calls", json!(10), json!(1)).bench().shows(
            call_beside_another("core.echo", hello()),
            "hello",
            "server_overloaded",
        ),
        case("server.max_connections", json!(64), json!(16)).shows(
            the_first_of_many_connections(),
            "stays",
            "gives way",
        ),
        case("server.max_connections_per_address", json!(64), json!(16)).shows(
            the_first_of_many_connections(),
            "stays",
            "gives way",
        ),
        case("server.client_timeout_seconds", json!(600), json!(1)).shows(
            half_a_head(),
            "waited for",
            "given up",
        ),
    ]
}

fn operators() -> Vec<Case> {
    let token = json!("${REVIEWER_TOKEN}");
    let another = json!(format!("sha256:{}", "a".repeat(64)));
    vec![
        case("admin.listen", json!("127.0.0.1:0"), json!("127.0.0.2:0"))
            .with("admin.token", token.clone())
            .shows(door("admin listening", "/metrics"), "127.0.0.1 200", "127.0.0.2 200"),
        case("admin.token", token, another).with("admin.listen", json!("127.0.0.1:0")).shows(
            door("admin listening", "/metrics"),
            "127.0.0.1 200",
            "127.0.0.1 401",
        ),
        case("log.level", json!("info"), json!("error")).shows(
            a_warning_in_the_log(),
            "logged",
            "not logged",
        ),
    ]
}

/// What is redacted shows in results that are filtered.
fn redaction() -> Vec<Case> {
    let rule = |key: &str, before, after, text: &str, kept: &str, shown: &str| {
        case(format!("redaction.{key}"), before, after)
            .with("tenants.*.filters.results", json!("redact"))
            .shows(call("core.echo", json!({ "text": text })), kept, shown)
    };
    let (email, gone) = ("ada@example.com", "[REDACTED:email]");
    let (employee, pin) = ("EMP-123456", "pin: 4711");
    vec![
        rule("off", json!([]), json!(["email"]), email, gone, email),
        rule("allow", json!([]), json!([r"ada@example\.com"]), email, gone, email),
        rule("patterns.*", json!(null), json!("EMP-[0-9]{6}"), employee, employee, "[REDACTED:employee]"),
        rule("names", json!([]), json!(["pin"]), pin, pin, "pin: [REDACTED:named_secret]"),
    ]
}

fn filters() -> Vec<Case> {
    let (email, gone) = ("ada@example.com", "[REDACTED:email]");
    let filter = |holder: &str| case(format!("{holder}.filters.results"), json!("off"), json!("redact"));
    let echo = || call("core.echo", json!({ "text": email }));
    let leak = call("bench.leak", json!({ "text": email, "end": "answer" }));
    vec![
        filter("tenants.*").shows(echo(), email, gone),
        filter("agents.*").shows(echo(), email, gone),
        filter("plugins.entries.*").bench().shows(leak, email, gone),
    ]
}

const NOT_THERE: &str = "unknown tool: `bench.version`";

fn plugins() -> Vec<Case> {
    vec![
        case("plugins.dir", json!("./nothing"), json!(PLUGINS)).bench().shows(
            call("bench.version", json!({})),
            NOT_THERE,
            "1.0.1",
        ),
        // Where there is Landlock, the same plugin takes over from itself.
        case("plugins.require_landlock", json!(true), json!(false))
            .bench()
            .with("plugins.entries.*.isolation", json!("process"))
            .shows(replacements_in_the_log(), "0", "1"),
        case("plugins.bundled_dir", json!(null), json!("./nothing")).shows(
            call("core.echo", hello()),
            "hello",
            "unknown tool: `core.echo`",
        ),
        case("plugins.max_retired_bytes", json!(0), json!(null))
            .bench()
            .with("plugins.dir", json!("./plugins.d"))
            .beside(|folder, benches| {
                for (name, release) in [("plugins.d", 1), (NEXT, 2)] {
                    fs::create_dir(folder.join(name)).unwrap();
                    fs::set_permissions(folder.join(name), Permissions::from_mode(0o755)).unwrap();
                    benches.plain().sign(&build(release), &folder.join(name));
                }
            })
            .shows(version_after_a_refused_upgrade(), "1.0.1", "1.0.2"),
    ]
}

fn reload() -> Vec<Case> {
    let another = json!({ "tenant": "research", "token": "${REVIEWER_TOKEN}", "tools": ["core.echo"] });
    vec![
        case("reload.poll_ms", json!(60000), json!(100))
            .with("agents.*.token", json!("${file:token}"))
            .beside(|folder, _| {
                fs::create_dir(folder.join(NEXT)).unwrap();
                fs::write(folder.join("token"), LAPTOP).unwrap();
                fs::hard_link(folder.join("token"), folder.join(NEXT).join("token")).unwrap();
            })
            .shows(a_token_changed_unseen(), "later", "soon"),
        case("reload.hold.removed_agents_percent", json!(null), json!(0))
            .with("agents.reviewer", another)
            .shows(call_of_a_removed_agent(), "401 unauthorized", "hello"),
    ]
}

/// Whatever takes the key's signature its worth takes the plugin away.
fn trusted_keys() -> Vec<Case> {
    let key = |key: &str, good, bad| {
        let case = case(format!("plugins.trusted_keys.*.{key}"), good, bad);
        case.bench().shows(call("bench.version", json!({})), "1.0.1", NOT_THERE)
    };
    vec![
        key("minisign", json!(KEY), json!(ANOTHER_KEY)),
        key("plugins", json!(["bench"]), json!(["other"])),
        key("names", json!(null), json!(["bench.label"])),
        key("capabilities", json!(["network:outbound"]), json!([])).capable(),
        key("in_process", json!(true), json!(false)),
        key("not_after", json!(null), json!("2001-02-03")),
        key("revoked", json!(false), json!(true)),
    ]
}

fn entries() -> Vec<Case> {
    let entry = |key: &str, before, after| case(format!("plugins.entries.*.{key}"), before, after);
    let label = |text: &str| json!({ "label": text });
    vec![
        entry("enabled", json!(true), json!(false)).bench().shows(
            call("bench.version", json!({})),
            "1.0.1",
            NOT_THERE,
        ),
        entry("isolation", json!("in_process"), json!("process")).bench().shows(
            bench_in_the_log(),
            "in_process",
            "process",
        ),
        entry("config", label("one"), label("two")).bench().shows(
            call("bench.label", json!({})),
            "one",
            "two",
        ),
        entry("capabilities", json!(["network:outbound"]), json!([]))
            .capable()
            .with("plugins.entries.*.config", label("one"))
            .shows(call("bench.label", json!({})), "one", "capability_not_granted_to_plugin"),
    ]
}

/// What a plugin's processes may have.
fn workers() -> Vec<Case> {
    let worker = |key: &str, before: u64, after: u64| {
        let case = case(format!("plugins.entries.*.worker.{key}"), json!(before), json!(after));
        case.bench().with("plugins.entries.*.isolation", json!("process"))
    };
    let harm = |way: &str| call("bench.harm", json!({ "way": way }));
    vec![
        worker("processes", 1, 2).shows(two_calls_at_once(), "in 1, 1 at once", "in 2, 1 at once"),
        worker("concurrency", 1, 2).with("plugins.entries.*.worker.processes", json!(1)).shows(
            two_calls_at_once(),
            "in 1, 1 at once",
            "in 1, 2 at once",
        ),
        worker("memory_bytes", 256 << 20, 64 << 20).shows(harm("take"), "taken", "refused"),
        worker("threads", 3, 5).shows(harm("threads"), "3", "5"),
        // It works for four seconds, which take longer where others work too.
        worker("cpu_seconds", 60, 1).with("agents.*.limits.timeout_seconds", json!(300)).shows(
            harm("work"),
            "worked",
            "worker_lost",
        ),
    ]
}

fn tenants() -> Vec<Case> {
    let opaque = case("tenants.*.disclosure", json!("reasons"), json!("opaque"));
    let denied = opaque.with("agents.*.deny", json!(["core.sum"]));
    vec![denied.shows(call("core.sum", json!({})), "tool_denied_to_agent", "unknown tool: `core.sum`")]
}

fn agents() -> Vec<Case> {
    let (laptop, reviewer) = ("${LAPTOP_TOKEN}", "${REVIEWER_TOKEN}");
    vec![
        case("agents.*.tenant", json!("research"), json!("sales"))
            .with("tenants.sales", json!({ "tools": [] }))
            .shows(call("core.echo", hello()), "hello", "tool_not_granted_to_tenant"),
        case("agents.*.token", json!(laptop), json!(reviewer)).shows(
            call("core.echo", hello()),
            "hello",
            "401 unauthorized",
        ),
        case("agents.*.tokens", json!([laptop]), json!([reviewer]))
            .with("agents.*.token", json!(null))
            .shows(call_as(REVIEWER, "core.echo", hello()), "401 unauthorized", "hello"),
        case("agents.*.profiles", json!([]), json!(["shared"]))
            .with("profiles.*", json!({ "deny": ["core.echo"] }))
            .shows(call("core.echo", hello()), "hello", "tool_denied_to_agent"),
    ]
}

/// What an agent may use, by its own grant, its tenant's or its profile's.
fn grants(level: &str, whose: &str) -> Vec<Case> {
    let grant = |key: &str, before, after| {
        let case = case(format!("{level}.{key}"), before, after);
        if level == "profiles.*" {
            of_the_profile(case).with(&format!("agents.*.{key}"), json!(null))
        } else {
            case
        }
    };
    let network = json!(["network:outbound"]);
    vec![
        grant("tools", json!(["*"]), json!(["core.sum"])).shows(
            call("core.echo", hello()),
            "hello",
            &format!("tool_not_granted_to_{whose}"),
        ),
        grant("deny", json!([]), json!(["core.echo"])).shows(
            call("core.echo", hello()),
            "hello",
            &format!("tool_denied_to_{whose}"),
        ),
        grant("resources", json!(["*"]), json!(["other://*"])).shows(
            read("about://server"),
            "read",
            &format!("resource_not_granted_to_{whose}"),
        ),
        grant("prompts", json!(["*"]), json!(["other"])).shows(
            get("tool_usage"),
            "got",
            &format!("prompt_not_granted_to_{whose}"),
        ),
        grant("capabilities", network, json!([]))
            .capable()
            .with("plugins.entries.*.config", json!({ "label": "hello" }))
            .shows(call("bench.label", json!({})), "hello", &format!("capability_not_granted_to_{whose}")),
    ]
}

/// The five limits, for all agents, one of them, its tenant's or its profile's.
fn limits(level: &str) -> Vec<Case> {
    let long = "x".repeat(300);
    let limit = |key: &str, before, after| {
        let case = case(format!("{level}.{key}"), before, after);
        if level == "profiles.*.limits" { of_the_profile(case) } else { case }
    };
    let echo = || call("core.echo", json!({ "text": "x".repeat(300) }));
    vec![
        limit("max_payload_bytes", json!(1000), json!(100)).shows(echo(), &long, "payload_too_large"),
        limit("max_response_bytes", json!(1000), json!(100)).shows(echo(), &long, "response_too_large"),
        limit("timeout_seconds", json!(30), json!(1)).bench().shows(
            call("bench.sleep", json!({ "ms": 1300 })),
            "slept 1300 ms",
            "timed_out",
        ),
        limit("concurrency", json!(2), json!(1)).bench().shows(
            call_beside_another("core.echo", hello()),
            "hello",
            "too_many_calls",
        ),
        limit("rate_limit", json!("1000/min"), json!("1/day")).shows(
            second_call("core.echo", hello()),
            "hello",
            "rate_limited",
        ),
    ]
}

/// What the agent's profile says counts where it says nothing itself.
fn of_the_profile(case: Case) -> Case {
    case.with("agents.*.profiles", json!(["shared"]))
}

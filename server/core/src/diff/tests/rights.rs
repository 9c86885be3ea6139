use super::*;

#[test]
fn an_agent_gains_and_loses_what_the_engine_would_decide_differently() {
    check(
        &laptop("tools: [core.echo]"),
        &laptop("tools: [core.echo, core.sum]"),
        &["agent laptop gains core.sum"],
    );
    check(
        &laptop("tools: [core.echo, core.sum]"),
        &laptop("tools: [core.sum]"),
        &["agent laptop loses core.echo"],
    );
    check(
        &laptop("tools: [\"*\"]"),
        &laptop("tools: [\"*\"], deny: [core.sum]"),
        &["agent laptop loses core.sum"],
    );
    check(
        &laptop("tools: [\"llm.*\"], capabilities: [\"llm:query\"]"),
        &laptop("tools: [\"llm.*\"]"),
        &["agent laptop loses llm.query"],
    );
    check(
        &laptop("tools: [], prompts: [review_pr], resources: []"),
        &laptop("tools: [], prompts: [tool_usage], resources: [\"about://server\"]"),
        &[
            "agent laptop loses prompt review_pr",
            "agent laptop gains about://server",
            "agent laptop gains prompt tool_usage",
        ],
    );
}

#[test]
fn what_the_tenant_or_the_plugin_forbids_anyway_is_nothing_to_lose() {
    let tenant = "tools: [core.echo]";
    check(
        &with_tenant(tenant, "tools: [core.echo]"),
        &with_tenant(tenant, "tools: [core.echo, core.sum]"),
        &[],
    );
    check(&with_tenant(tenant, "tools: [\"*\"]"), &with_tenant(tenant, "tools: [core.echo]"), &[]);
    check(
        &with_tenant(tenant, "tools: [\"*\"]"),
        &with_tenant(tenant, "tools: [\"*\"], deny: [core.sum]"),
        &[],
    );
    let withheld = |rights: &str| {
        laptop(rights).replace("llm: { capabilities: [\"llm:query\"] }", "llm: { capabilities: [] }")
    };
    check(
        &withheld("tools: [], capabilities: [\"llm:query\"]"),
        &withheld("tools: [llm.query], capabilities: [\"llm:query\"]"),
        &[],
    );
}

#[test]
fn a_change_of_the_tenant_shows_as_what_its_agents_gain_and_lose() {
    let agent = "tools: [\"*\"], capabilities: [\"llm:query\"]";
    check(
        &with_tenant("tools: [core.echo, llm.query], capabilities: [\"llm:query\"]", agent),
        &with_tenant("tools: [core.echo, core.sum, llm.query]", agent),
        &["agent laptop loses llm.query", "agent laptop gains core.sum"],
    );
    check(
        &with_tenant("tools: [\"*\"]", "tools: [core.echo]"),
        &with_tenant("tools: [\"*\"], deny: [\"core.*\"]", "tools: [core.echo]"),
        &["agent laptop loses core.echo"],
    );
}

#[test]
fn a_plugin_that_goes_comes_or_is_withheld_shows_as_what_agents_gain_and_lose() {
    let yaml = laptop("tools: [\"*\"], capabilities: [\"llm:query\"]");
    let mut after = manifests();
    after.remove(2);
    after[1] = manifest("core", "1.1.0", &[tool("core.echo", &[]), tool("core.wipe", &[])]);
    assert_eq!(
        sentences(&compare(&yaml, &yaml, &manifests(), &after)),
        [
            "agent laptop loses core.sum, llm.query",
            "agent laptop gains core.wipe",
            "plugin llm is removed",
            "plugin core 1.0.0 → 1.1.0",
        ]
    );
    assert_eq!(
        sentences(&compare(&yaml, &yaml, &after, &manifests())),
        [
            "agent laptop loses core.wipe",
            "agent laptop gains core.sum, llm.query",
            "plugin llm 1.0.0 is new",
            "plugin core 1.1.0 → 1.0.0",
        ]
    );
    check(
        &yaml,
        &yaml.replace("llm: { capabilities: [\"llm:query\"] }", "llm: { capabilities: [] }"),
        &["agent laptop loses llm.query", "plugin entry llm: capabilities - llm:query"],
    );
}

#[test]
fn where_a_plugin_s_entry_lets_it_go_counts_for_all_who_use_it() {
    let network = "tools: [\"*\"], capabilities: [\"network:outbound\"], egress: [api.example.com]";
    let entry = |egress: &str| {
        with_tenant(network, network).replace(
            "llm: { capabilities: [\"llm:query\"] }",
            &format!("web: {{ capabilities: [\"network:outbound\"]{egress} }}"),
        )
    };
    let plain = [manifest("web", "1.0.0", &[tool("web.get", &["network:outbound"])])];
    let mut declaring = plain.clone();
    declaring[0].egress = vec!["api.example.com".to_owned()];
    let nowhere = "plugin entry web: egress unset → [] (enforce)";
    let elsewhere = "plugin entry web: egress unset → [other.example] (enforce)";
    let loses = "agent laptop loses web.get";
    for (plugins, egress, expected) in [
        (&plain, ", egress: []", &[loses, nowhere][..]),
        (&plain, ", egress: [other.example]", &[elsewhere]),
        (&declaring, ", egress: [other.example]", &[loses, elsewhere]),
        (&declaring, "", &[]),
    ] {
        assert_eq!(sentences(&compare(&entry(""), &entry(egress), plugins, plugins)), expected, "{egress}");
    }
}

#[test]
fn a_tool_that_comes_to_need_a_capability_is_lost_to_those_without_it() {
    let yaml =
        laptop("tools: [core.echo]").replace("llm: {", "core: { capabilities: [\"llm:query\"] }, llm: {");
    let mut after = manifests();
    after[1] = manifest("core", "1.0.0", &[tool("core.echo", &["llm:query"]), tool("core.sum", &[])]);
    assert_eq!(sentences(&compare(&yaml, &yaml, &manifests(), &after)), ["agent laptop loses core.echo"]);
}

#[test]
fn patterns_are_compared_as_such_where_no_loaded_name_shows_them() {
    for (old, new, expected) in [
        ("core.echo", "core.echo, \"http.*\"", "agent laptop: tools + http.* (no such tool is loaded)"),
        ("core.echo, http.get", "core.echo", "agent laptop: tools - http.get (no such tool is loaded)"),
        (
            "core.echo, core.sum",
            "\"core.*\"",
            "agent laptop: tools + core.* (also tools that are loaded later)",
        ),
        (
            "\"core.*\"",
            "core.echo, core.sum",
            "agent laptop: tools - core.* (also tools that are loaded later)",
        ),
    ] {
        check(&laptop(&format!("tools: [{old}]")), &laptop(&format!("tools: [{new}]")), &[expected]);
    }
    check(
        &laptop("tools: [\"*\"]"),
        &laptop("tools: [\"*\"], deny: [\"http.*\"]"),
        &["agent laptop: deny + http.* (no such tool is loaded)"],
    );
    // Nobody loses what nobody has.
    check(&laptop("tools: [core.echo]"), &laptop("tools: [core.echo], deny: [\"http.*\"]"), &[]);
    // Above the ceiling of the tenant, nothing is gained.
    let tenant = "tools: [\"core.*\"]";
    check(
        &with_tenant(tenant, "tools: [core.echo]"),
        &with_tenant(tenant, "tools: [core.echo, http.get]"),
        &[],
    );
}

#[test]
fn a_family_of_resources_is_told_by_its_template_or_by_the_part_that_is_granted() {
    check(
        &laptop("tools: [], resources: []"),
        &laptop("tools: [], resources: [\"docs://rust/*\"]"),
        &["agent laptop gains docs://{book}/{page}", "agent laptop: resources + docs://rust/*"],
    );
    check(
        &laptop("tools: [], resources: [\"docs://*\"]"),
        &laptop("tools: [], resources: [\"docs://rust/*\"]"),
        &["agent laptop: resources - docs://*"],
    );
    check(
        &with_tenant("tools: [], resources: [\"*\"]", "tools: [], resources: [\"docs://*\"]"),
        &with_tenant("tools: [], resources: [\"about://*\"]", "tools: [], resources: [\"docs://*\"]"),
        &["agent laptop loses docs://{book}/{page}", "agent laptop: resources - docs://*"],
    );
}

#[test]
fn a_capability_that_no_tool_needs_is_told_as_such() {
    check(
        &with_tenant("tools: [], capabilities: [\"fs:read\"]", "tools: []"),
        &with_tenant(
            "tools: [], capabilities: [\"fs:read\"]",
            "tools: [], capabilities: [\"fs:read\", \"db:read\"]",
        ),
        &["agent laptop: capabilities + fs:read (no tool that needs it is loaded)"],
    );
}

#[test]
fn agents_come_go_and_move() {
    let two = "tenants: { research: { tools: [\"*\"] }, ops: { tools: [core.sum] } }\nagents:\n";
    let agent = |name: &str, tenant: &str, tools: &str| {
        format!(
            "  {name}: {{ tenant: {tenant}, token: \"${{T_{name}}}\", tools: [{tools}], prompts: [], resources: [] }}\n"
        )
    };
    let check = |old: &[String], new: &[String], expected: &[&str]| {
        check(&format!("{two}{}", old.concat()), &format!("{two}{}", new.concat()), expected);
    };
    let laptop = || agent("laptop", "research", "core.echo, core.sum");
    check(
        &[laptop(), agent("old", "research", "core.echo")],
        &[laptop(), agent("ci", "research", "core.echo")],
        &["agent old is removed", "agent ci is new, in tenant research: core.echo"],
    );
    check(
        &[laptop()],
        &[laptop(), agent("ci", "ops", "core.echo")],
        &["agent ci is new, in tenant ops: nothing that is loaded"],
    );
    check(
        &[laptop()],
        &[laptop(), agent("ci", "research", "\"core.*\", http.get")],
        &[
            "agent ci is new, in tenant research: core.echo, core.sum",
            "agent ci: tools + core.* (also tools that are loaded later)",
            "agent ci: tools + http.get (no such tool is loaded)",
        ],
    );
    check(
        &[laptop()],
        &[agent("laptop", "ops", "core.echo, core.sum")],
        &["agent laptop loses core.echo", "agent laptop: tenant research → ops"],
    );
}

#[test]
fn what_happens_alike_to_many_agents_is_told_once() {
    let sentences = |old: &str, new: &str| sentences(&compare(old, new, &manifests(), &manifests()));
    let rights = "tools: [\"core.*\"], limits: { rate_limit: \"60/min\" }";
    assert_eq!(
        sentences(&crowd(3, rights), &crowd(3, "tools: [core.echo], limits: { rate_limit: \"60/min\" }")),
        [
            "agent a0 loses core.sum",
            "agent a1 loses core.sum",
            "agent a2 loses core.sum",
            "agent a0: tools - core.* (also tools that are loaded later)",
            "agent a1: tools - core.* (also tools that are loaded later)",
            "agent a2: tools - core.* (also tools that are loaded later)",
        ]
    );
    assert_eq!(
        sentences(
            &crowd(412, rights),
            &crowd(412, "tools: [\"core.*\"], deny: [core.sum], limits: { rate_limit: \"20/min\" }")
        ),
        [
            "412 agents of tenant research lose core.sum",
            "412 agents of tenant research: rate_limit 60/min → 20/min"
        ]
    );
    assert_eq!(sentences(&crowd(6, rights), &crowd(2, rights)), ["4 agents of tenant research are removed"]);
    assert_eq!(
        sentences(
            &crowd(1, "tools: [core.echo], prompts: [], resources: []"),
            &crowd(5, "tools: [core.echo], prompts: [], resources: []")
        ),
        ["4 agents of tenant research are new: core.echo"]
    );
}

#[test]
fn a_sentence_holds_only_so_many_names() {
    let tools: Vec<_> = (10..30).map(|n| tool(&format!("many.t{n}"), &[])).collect();
    let many = [manifest("many", "1.0.0", &tools)];
    let diff =
        compare(&laptop("tools: [\"*\"]"), &laptop("tools: [\"*\"], deny: [\"many.*\"]"), &many, &many);
    assert_eq!(
        diff.changes[0].to_string(),
        "agent laptop loses many.t10, many.t11, many.t12, many.t13, many.t14, many.t15, many.t16, many.t17 and 12 more"
    );
}

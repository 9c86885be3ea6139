//! G0, G7 and G8: whose rules must agree, and what names lead to.

use super::*;
use crate::{id::SecretName, secret::Secret};

fn same(allow: &[&str]) -> Arc<Permit> {
    with(rules(allow), rules(allow))
}

const PUBLIC: &[&str] = &["8.8.8.8"];
const NONE: [&str; 0] = [];

#[test]
fn agent_and_tenant_must_both_allow_a_destination() {
    let (mine, both) = ("https://mine.example", "https://both.example");
    let permit = with(rules(&["mine.example", "both.example"]), rules(&["both.example", "theirs.example"]));
    assert_eq!(against(&permit, both, PUBLIC), NONE);
    assert_eq!(against(&permit, mine, PUBLIC), ["egress_host_not_allowed"]);
    assert_eq!(against(&permit, "https://nobodys.example", PUBLIC), ["egress_host_not_allowed"; 2]);
}

#[test]
fn an_empty_list_allows_nothing_also_where_the_tool_was_let_through() {
    let permit = same(&["api.example"]);
    for url in ["https://other.example", "https://8.8.8.8", "http://api.example", "https://api.example:8443"]
    {
        assert!(!against(&permit, url, PUBLIC).is_empty(), "{url}");
    }
}

#[test]
fn each_reason_says_what_is_missing_and_where_to_add_it() {
    let permit =
        with(rules(&["api.example", "http://clear.example:8080"]), rules(&["*.home.arpa", "api.example"]));
    let said = |url: &str| {
        let refusals = Scope::of(&permit).unwrap().admit(&to(url)).unwrap_err();
        refusals.iter().map(|it| format!("{} | {it} | {}", it.code(), it.help())).collect::<Vec<_>>()
    };
    assert_eq!(
        said("https://x.test"),
        [
            "egress_host_not_allowed | agent `laptop` may not reach `x.test:443` | add `x.test:443` to `agents.laptop.egress`",
            "egress_host_not_allowed | tenant `research` may not reach `x.test:443` | add `x.test:443` to `tenants.research.egress`",
        ]
    );
    assert_eq!(
        said("https://api.example:8443"),
        [
            "egress_port_not_allowed | agent `laptop` may reach `api.example`, but not at port 8443 | add `api.example:8443` to `agents.laptop.egress`",
            "egress_port_not_allowed | tenant `research` may reach `api.example`, but not at port 8443 | add `api.example:8443` to `tenants.research.egress`",
        ]
    );
    assert_eq!(
        said("https://clear.example:8080")[0],
        "egress_scheme_not_allowed | agent `laptop` may reach `clear.example:8080`, but not over https | add `https://clear.example:8080` to `agents.laptop.egress`"
    );
}

#[test]
fn a_name_with_an_address_that_is_not_public_needs_a_rule_for_that_too() {
    let jira = "https://jira.lan";
    let not_public = ["egress_address_not_public"; 2];
    for address in ["10.1.2.3", "127.0.0.1", "::1", "192.168.0.1", "169.254.1.1", "fd00::1", "0.0.0.0"] {
        assert_eq!(against(&same(&["jira.lan"]), jira, &[address]), not_public, "{address}");
    }
    let network = same(&["jira.lan", "10.0.0.0/8"]);
    assert_eq!(against(&network, jira, &["10.1.2.3"]), NONE);
    assert_eq!(against(&network, jira, &["11.1.2.3"]), NONE, "it is public");
    assert_eq!(against(&network, jira, &["192.168.0.1"]), not_public);
    let other_port = same(&["jira.lan", "10.0.0.0/8:8443"]);
    assert_eq!(against(&other_port, jira, &["10.1.2.3"]), not_public);
    let only_mine = with(rules(&["jira.lan", "10.1.2.3"]), rules(&["jira.lan"]));
    assert_eq!(against(&only_mine, jira, &["10.1.2.3"]), ["egress_address_not_public"]);
    assert_eq!(
        against(&same(&["10.0.0.0/8"]), jira, &["10.1.2.3"]),
        ["egress_host_not_allowed"; 2],
        "a network is no name"
    );
}

#[test]
fn a_name_that_leads_here_and_there_is_refused_whole() {
    let permit = same(&["api.example"]);
    for addresses in [
        &["8.8.8.8", "10.0.0.1"][..],
        &["10.0.0.1", "8.8.8.8"],
        &["2606:4700::1", "::ffff:127.0.0.1"],
        &["8.8.8.8", "8.8.4.4", "169.254.169.254"],
    ] {
        assert!(!against(&permit, "https://api.example", addresses).is_empty(), "{addresses:?}");
    }
}

#[test]
fn a_reason_does_not_say_which_address_a_name_has() {
    let permit = same(&["api.example"]);
    let admitted = Scope::of(&permit).unwrap().admit(&to("https://api.example")).unwrap();
    let refusals = admitted.check(&["10.11.12.13".parse().unwrap()], |_| false).unwrap_err();
    for refusal in refusals {
        assert!(!format!("{refusal} {}", refusal.help()).contains("10.11"), "{refusal}");
    }
}

#[test]
fn the_server_itself_is_never_reached() {
    let permit = same(&["self.example:8080", "127.0.0.1:8080"]);
    let admitted = Scope::of(&permit).unwrap().admit(&to("https://self.example:8080")).unwrap();
    let checked = admitted.check(&["127.0.0.1".parse().unwrap()], |address| address.port() == 8080);
    assert_eq!(checked.unwrap_err().iter().map(Refusal::code).collect::<Vec<_>>(), ["egress_own_listener"]);
}

#[test]
fn what_is_denied_stays_so_whatever_allows_it() {
    let deny = |text: &str| {
        let deny = vec![text.parse().unwrap()];
        with(
            Rules { deny, ..rules(&["*.example.com", "10.0.0.0/8"]) },
            rules(&["*.example.com", "10.0.0.0/8"]),
        )
    };
    for (rule, url, address) in [
        ("admin.example.com", "https://admin.example.com", "8.8.8.8"),
        ("*.example.com", "https://admin.example.com", "8.8.8.8"),
        ("8.8.0.0/16", "https://admin.example.com", "8.8.8.8"),
        ("10.9.0.0/16", "https://10.9.9.9", "10.9.9.9"),
        ("10.9.0.0/16", "https://admin.example.com", "10.9.9.9"),
    ] {
        assert_eq!(against(&deny(rule), url, &[address])[0], "egress_denied", "{rule}");
    }
    assert_eq!(against(&deny("admin.example.com:8443"), "https://admin.example.com", PUBLIC), NONE);
}

#[test]
fn what_is_only_reported_is_let_through_to_public_addresses() {
    let report = |allow: &[&str]| Rules { mode: Mode::Report, ..rules(allow) };
    let url = "https://new.example";
    let permit = with(report(&[]), report(&[]));
    assert_eq!(against(&permit, url, PUBLIC), NONE);
    let admitted = Scope::of(&permit).unwrap().admit(&to(url)).unwrap();
    assert_eq!(admitted.reported().len(), 2);
    assert_eq!(against(&permit, url, &["10.0.0.1"]), ["egress_address_not_public"; 2]);
    assert_eq!(against(&permit, url, &["169.254.169.254"]), ["egress_metadata_address"]);
    let mixed = with(rules(&["api.example"]), report(&[]));
    assert_eq!(against(&mixed, url, PUBLIC), ["egress_host_not_allowed"]);
    let named = with(rules(&["jira.lan", "10.0.0.1"]), report(&[]));
    assert_eq!(against(&named, "https://jira.lan", &["10.0.0.1"]), NONE, "the agent's rules name it");
}

#[test]
fn a_plugins_entry_and_its_manifest_narrow_it_down() {
    let entry = |settings: &mut Settings, allow: &[&str]| {
        let entry = PluginEntry { egress: Some(rules(allow)), ..PluginEntry::default() };
        settings.plugins.entries.insert("demo".parse().unwrap(), entry);
        for grant in settings.agents.values_mut().map(|agent| &mut agent.grant) {
            grant.egress = rules(&["*.example.com"]);
        }
        settings.tenants.values_mut().next().unwrap().grant.egress = rules(&["*.example.com"]);
    };
    let narrowed = world(|settings| entry(settings, &["api.example.com"]), &[]);
    assert_eq!(against(&narrowed, "https://api.example.com", PUBLIC), NONE);
    assert_eq!(against(&narrowed, "https://www.example.com", PUBLIC), ["egress_host_not_allowed"]);
    let declared = world(|settings| entry(settings, &["*.example.com"]), &["api.example.com"]);
    assert_eq!(against(&declared, "https://api.example.com", PUBLIC), NONE);
    assert_eq!(against(&declared, "https://www.example.com", PUBLIC), ["egress_host_not_declared"]);
}

#[test]
fn a_secret_is_for_those_who_are_granted_it_and_for_its_own_hosts() {
    let jira: SecretName = "jira".parse().unwrap();
    let granted = |at: [bool; 3], value: Option<&str>| {
        let names = |granted: bool| if granted { [jira.clone()].into() } else { [].into() };
        world(
            |settings| {
                let hosts = ["jira.lan", "http://old.lan"].map(|text| text.parse().unwrap()).to_vec();
                let credential = Credential {
                    value: value.map(Secret::new),
                    hosts,
                    header: "authorization".to_owned(),
                    prefix: "Bearer ".to_owned(),
                };
                settings.credentials.insert(jira.clone(), credential);
                settings.agents.values_mut().next().unwrap().grant.secrets = names(at[0]);
                settings.tenants.values_mut().next().unwrap().grant.secrets = names(at[1]);
                let entry = PluginEntry { secrets: names(at[2]), ..PluginEntry::default() };
                settings.plugins.entries.insert("demo".parse().unwrap(), entry);
            },
            &[],
        )
    };
    let attach = |permit: &Permit, url: &str| {
        let attached = Scope::of(permit).unwrap().attach(&jira, &to(url));
        attached.map_err(|refusals| refusals.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let all = granted([true; 3], Some("s3cret"));
    let attachment = attach(&all, "https://jira.lan/rest").unwrap();
    assert_eq!((attachment.header.as_str(), attachment.value.expose()), ("authorization", "Bearer s3cret"));
    assert_eq!(attachment.to, to("https://jira.lan"));
    assert!(attach(&all, "http://old.lan").is_ok());
    for (url, message) in [
        ("https://evil.example", "secret `jira` is not for https://evil.example:443"),
        ("http://jira.lan:443", "secret `jira` is not for http://jira.lan:443"),
        ("https://jira.lan:8443", "secret `jira` is not for https://jira.lan:8443"),
    ] {
        assert_eq!(attach(&all, url).unwrap_err(), [message]);
    }
    for (at, owner) in [
        ([false, true, true], "agent `laptop`"),
        ([true, false, true], "tenant `research`"),
        ([true, true, false], "plugin `demo`"),
    ] {
        let refused = attach(&granted(at, Some("s3cret")), "https://jira.lan").unwrap_err();
        assert_eq!(refused, [format!("{owner} is not granted secret `jira`")]);
    }
    assert_eq!(
        attach(&granted([true; 3], None), "https://jira.lan").unwrap_err(),
        ["secret `jira` is not set"]
    );
}

#[test]
fn an_edit_is_wide_if_it_opens_the_internet_or_only_reports_from_now_on() {
    let with = |rules: Rules| {
        let mut settings = settings();
        settings.agents.values_mut().next().unwrap().grant.egress = rules;
        settings
    };
    let before = with(rules(&["10.0.0.0/8", "api.example"]));
    for (after, expected) in [
        (rules(&["10.0.0.0/8", "other.example"]), None),
        (rules(&["0.0.0.0/0:443"]), Some("it lets agent `laptop` reach `0.0.0.0/0:443`")),
        (rules(&["[::/0]"]), Some("it lets agent `laptop` reach `[::/0]`")),
        (rules(&["128.0.0.0/1"]), Some("it lets agent `laptop` reach `128.0.0.0/1`")),
        (
            Rules { mode: Mode::Report, ..rules(&["10.0.0.0/8"]) },
            Some("it only reports what the rules of agent `laptop` do not allow"),
        ),
    ] {
        assert_eq!(widened(&before, &with(after)).as_deref(), expected);
    }
    let wide = with(rules(&["0.0.0.0/0"]));
    assert_eq!(widened(&wide, &wide), None, "it was so before");
}

//! What holds for any rules, destinations and addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

fn rule() -> impl Strategy<Value = Rule> {
    let hosts = [
        "a.example.com",
        "b.example.com",
        "*.example.com",
        "*.a.example.com",
        "10.0.0.0/8",
        "127.0.0.1",
        "0.0.0.0/0",
        "[::/0]",
        "[64:ff9b::/96]",
        "[fd00::/8]",
    ];
    (
        select(vec!["", "http://", "https://"]),
        select(hosts.to_vec()),
        select(vec!["", ":80", ":443", ":8080"]),
    )
        .prop_map(|(scheme, host, port)| format!("{scheme}{host}{port}").parse().unwrap())
}

fn list() -> impl Strategy<Value = Rules> {
    (vec(rule(), 0..5), vec(rule(), 0..2), select(vec![Mode::Enforce, Mode::Enforce, Mode::Report]))
        .prop_map(|(allow, deny, mode)| Rules { allow, deny, mode })
}

fn address() -> impl Strategy<Value = IpAddr> {
    let odd =
        ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "8.8.8.8"];
    prop_oneof![
        select(odd.to_vec()).prop_map(|text| text.parse().unwrap()),
        any::<[u8; 4]>().prop_map(|bytes| Ipv4Addr::from(bytes).into()),
        any::<[u8; 16]>().prop_map(|bytes| Ipv6Addr::from(bytes).into()),
    ]
}

fn destination() -> impl Strategy<Value = Destination> {
    let hosts = [
        "a.example.com",
        "x.a.example.com",
        "example.com",
        "other.test",
        "10.1.2.3",
        "127.0.0.1",
        "[fd00::1]",
    ];
    (select(vec!["http", "https"]), select(hosts.to_vec()), select(vec![80, 443, 8080]))
        .prop_map(|(scheme, host, port)| to(&format!("{scheme}://{host}:{port}")))
}

/// The addresses that a request may connect to.
fn allowed(agent: &Rules, tenant: &Rules, to: &Destination, addresses: &[IpAddr]) -> Vec<Checked> {
    // Only rules that allow something let the tool through at all.
    let filler: Rule = "filler.test:1".parse().unwrap();
    let [agent, tenant] = [agent, tenant].map(|rules| {
        let mut rules = rules.clone();
        rules.allow.push(filler.clone());
        rules
    });
    let permit = with(agent, tenant);
    let scope = Scope::of(&permit).unwrap();
    scope.admit(to).and_then(|admitted| admitted.check(addresses, |_| false)).unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_granted_is_nothing_allowed(
        other in list(),
        to in destination(),
        addresses in vec(address(), 1..4),
        of_agent in any::<bool>(),
    ) {
        let nothing = Rules::default();
        let (agent, tenant) = if of_agent { (&nothing, &other) } else { (&other, &nothing) };
        prop_assert_eq!(allowed(agent, tenant, &to, &addresses), []);
    }

    #[test]
    fn adding_a_deny_never_allows(
        agent in list(),
        tenant in list(),
        deny in rule(),
        to in destination(),
        addresses in vec(address(), 1..4),
        of_agent in any::<bool>(),
    ) {
        let before = allowed(&agent, &tenant, &to, &addresses);
        let (mut agent, mut tenant) = (agent, tenant);
        if of_agent { agent.deny.push(deny) } else { tenant.deny.push(deny) }
        let after = allowed(&agent, &tenant, &to, &addresses);
        prop_assert!(after.is_empty() || after == before);
    }

    #[test]
    fn taking_a_rule_away_never_allows(
        agent in list(),
        tenant in list(),
        at in any::<prop::sample::Index>(),
        to in destination(),
        addresses in vec(address(), 1..4),
    ) {
        prop_assume!(!agent.allow.is_empty());
        let before = allowed(&agent, &tenant, &to, &addresses);
        let mut less = agent.clone();
        less.allow.remove(at.index(less.allow.len()));
        let after = allowed(&less, &tenant, &to, &addresses);
        prop_assert!(after.is_empty() || after == before);
    }

    #[test]
    fn no_address_passes_that_was_not_asked_about_or_is_never_reached(
        agent in list(),
        tenant in list(),
        to in destination(),
        addresses in vec(address(), 1..4),
    ) {
        for checked in allowed(&agent, &tenant, &to, &addresses) {
            let address = checked.address();
            prop_assert_eq!(address.port(), to.port);
            prop_assert!(addresses.iter().any(|asked| asked.to_canonical() == address.ip()));
            prop_assert_ne!(classify(address.ip()), Class::Metadata);
            if classify(address.ip()) != Class::Public {
                let named = |rules: &Rules| rules.allow.iter().any(|rule| rule.lifts(address.ip(), &to));
                prop_assert!(named(&agent) || named(&tenant));
            }
        }
    }

    #[test]
    fn a_rule_that_includes_another_allows_all_that_it_does(
        one in rule(),
        other in rule(),
        to in destination(),
    ) {
        if one.includes(&other) && other.allows(&to) {
            prop_assert!(one.allows(&to), "{one} {other}");
        }
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in "\\PC{0,40}") {
        let _ = text.parse::<Rule>();
        let _ = Target::parse(&text);
        let _ = Target::parse(&format!("http://{text}"));
        let _ = Target::parse("https://a.example/").unwrap().redirect(&text);
    }

    #[test]
    fn a_url_goes_to_the_host_that_it_looks_like(host in "[a-z0-9.:@%\\[\\]\\\\/#?-]{1,30}") {
        if let Ok(target) = Target::parse(&format!("https://{host}")) {
            let shown = target.destination().host.to_string();
            let name = host.split(['/', '?', '#']).next().unwrap();
            prop_assert!(name.contains(&shown) || name.starts_with('['), "{host} {shown}");
        }
    }
}

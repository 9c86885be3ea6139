//! TLS: who is believed to be who.

use server_core::settings::Authorities;

use super::{tls_server::secured, *};

fn trusting(pem: &str) -> World {
    let authorities = Authorities { path: "lan-ca.pem".into(), pem: pem.to_owned() };
    World::with(|settings| settings.authorities = Some(authorities))
}

fn get_from(world: &World, name: &str, port: u16) -> Result<Fetched, EgressError> {
    world.zone.set("jira.lan", &["127.0.0.1"]);
    world.zone.set("other.lan", &["127.0.0.1"]);
    let rules = ["jira.lan", "other.lan", "127.0.0.1"].map(|host| format!("https://{host}:{port}"));
    let permit = allowed(&rules.iter().map(String::as_str).collect::<Vec<_>>());
    world.get(&permit, &format!("https://{name}:{port}/"))
}

#[test]
fn an_authority_of_the_configuration_is_trusted_for_the_names_that_it_signed() {
    let (port, pem) = secured(&["jira.lan"]);
    let world = trusting(&pem);
    assert_eq!(text(&get_from(&world, "jira.lan", port).unwrap()), "hi");
    for name in ["other.lan", "127.0.0.1"] {
        let error = get_from(&world, name, port).unwrap_err().to_string();
        assert!(error.starts_with(&format!("no TLS with `{name}`: invalid peer certificate")), "{error}");
    }
}

#[test]
fn nobody_else_is_trusted() {
    let (port, _) = secured(&["jira.lan"]);
    let (_, other) = secured(&["jira.lan"]);
    for world in [World::new(), trusting(&other)] {
        let error = get_from(&world, "jira.lan", port).unwrap_err().to_string();
        assert!(error.starts_with("no TLS with `jira.lan`: invalid peer certificate"), "{error}");
    }
}

#[test]
fn a_file_of_authorities_that_cannot_be_used_refuses_the_settings() {
    let pem = "-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----\n".to_owned();
    let authorities = Some(Authorities { path: "lan-ca.pem".into(), pem });
    let settings = EgressSettings { authorities, ..EgressSettings::default() };
    let error = Connector::new(&settings, OwnAddresses::default()).unwrap_err();
    assert!(error.starts_with("`egress.ca_file` cannot be used: lan-ca.pem: "), "{error}");
}

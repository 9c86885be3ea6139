//! The cases about where calls may go, and with what.

use std::{fs, sync::OnceLock};

use serde_json::{Value, json};

use super::{
    case::{Case, case, reachable},
    look::{Look, after_a_wide_edit, call},
};
use crate::support::outside::{names, tls_server::secured};

/// A rule for a host that nobody asks for.
const OTHER: &str = "other.example:443";

/// What a plugin is answered, or why it is not.
fn fetch(host: &str, secret: Option<&str>) -> Look {
    call("bench.fetch", json!({ "url": format!("{}/", reachable(host)), "secret": secret }))
}

/// The port of a server that speaks TLS, and who signed its certificate.
fn behind_tls() -> &'static (u16, String) {
    static SERVER: OnceLock<(u16, String)> = OnceLock::new();
    SERVER.get_or_init(|| secured(&["127.0.0.1"]))
}

fn fetch_with_secret() -> Look {
    fetch("127.0.0.1", Some("jira"))
}

fn case_of(key: &str, before: Value, after: Value) -> Case {
    case(key, before, after).capable()
}

/// How requests go out, and what is attached to them.
pub(super) fn egress() -> Vec<Case> {
    let [named, empty] = names();
    let secret = |key: &str, before, after| case_of(&format!("secrets.*.{key}"), before, after);
    let entry = |key: &str, before, after| case_of(&format!("plugins.entries.*.{key}"), before, after);
    let tls = format!("https://127.0.0.1:{}", behind_tls().0);
    vec![
        case_of("egress.dns_servers", json!([empty]), json!([named])).shows(
            fetch("named.test", None),
            "there is no host `named.test`",
            "no secret",
        ),
        case_of("egress.ca_file", json!(null), json!("./lan-ca.pem"))
            .with("agents.*.egress", json!([tls]))
            .with("tenants.*.egress", json!([tls]))
            .beside(|folder, _| fs::write(folder.join("lan-ca.pem"), &behind_tls().1).unwrap())
            .shows(
                call("bench.fetch", json!({ "url": tls })),
                "no TLS with `127.0.0.1`: invalid peer certificate: UnknownIssuer",
                "hi",
            ),
        secret("value", json!("${LAPTOP_TOKEN}"), json!("${REVIEWER_TOKEN}")).shows(
            fetch_with_secret(),
            "authorization: l",
            "authorization: r",
        ),
        secret("hosts", json!([reachable("127.0.0.1")]), json!([OTHER])).shows(
            fetch_with_secret(),
            "authorization: l",
            "secret_for_other_hosts",
        ),
        secret("header", json!("Authorization"), json!("X-Api-Key")).shows(
            fetch_with_secret(),
            "authorization: l",
            "x-api-key: l",
        ),
        secret("prefix", json!(""), json!("Bearer ")).shows(
            fetch_with_secret(),
            "authorization: l",
            "authorization: Bearer l",
        ),
        entry("egress", json!(null), json!([OTHER])).shows(
            fetch("127.0.0.1", None),
            "no secret",
            "egress_host_not_allowed",
        ),
        entry("egress_mode", json!("enforce"), json!("report"))
            .with("plugins.entries.*.egress", json!([OTHER]))
            .shows(fetch("127.0.0.1", None), "egress_host_not_allowed", "no secret"),
        entry("secrets", json!(["jira"]), json!([])).shows(
            fetch_with_secret(),
            "authorization: l",
            "secret_not_granted",
        ),
        case_of("reload.hold.wide_egress", json!(false), json!(true))
            .with("agents.*.egress", json!([OTHER]))
            .shows(after_a_wide_edit(fetch("127.0.0.1", None)), "no secret", "egress_host_not_allowed"),
    ]
}

/// Where calls of an agent may go, by its own rules, its tenant's or its profile's.
pub(super) fn reach(level: &str) -> Vec<Case> {
    let of = |key: &str, before, after| {
        let case = case_of(&format!("{level}.{key}"), before, after);
        match level {
            "profiles.*" => case
                .with("agents.*.profiles", json!(["shared"]))
                .with(&format!("agents.*.{key}"), json!(null)),
            _ => case,
        }
    };
    let mut cases = vec![
        of("egress", json!([reachable("127.0.0.1")]), json!([OTHER])).shows(
            fetch("127.0.0.1", None),
            "no secret",
            "egress_host_not_allowed",
        ),
        of("egress_deny", json!([]), json!(["127.0.0.0/8"])).shows(
            fetch("127.0.0.1", None),
            "no secret",
            "egress_denied",
        ),
        of("secrets", json!(["jira"]), json!([])).shows(
            fetch_with_secret(),
            "authorization: l",
            "secret_not_granted",
        ),
    ];
    if level != "profiles.*" {
        let mode = of("egress_mode", json!("enforce"), json!("report"));
        cases.push(mode.with(&format!("{level}.egress"), json!([OTHER])).shows(
            fetch("127.0.0.1", None),
            "egress_host_not_allowed",
            "no secret",
        ));
    }
    cases
}

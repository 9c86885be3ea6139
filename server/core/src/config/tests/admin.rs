//! The operator's door, and where secrets come from.

use super::{ADMIN, LAPTOP, good, report, said};
use crate::{
    secret::TokenDigest,
    settings::{AdminSettings, LogLevel, SecretSource},
};

/// A configuration with one agent and these lines at the root.
fn with(lines: &str) -> String {
    format!(
        "version: 1\ntenants: {{ research: {{}} }}\nagents: {{ laptop: {{ tenant: research, token: \"${{LAPTOP_TOKEN}}\" }} }}\n{lines}\n"
    )
}

/// What is said about these lines, a line each: severity, code, place, message.
fn about(lines: &str) -> Vec<String> {
    let say = |it: &super::Problem| format!("{} {} {}: {}", it.severity, it.code, it.config_path, it.message);
    said(&with(lines)).iter().map(say).collect()
}

#[test]
fn an_admin_token_opens_a_door_of_its_own() {
    for (lines, listen) in [
        ("admin: { token: \"${ADMIN_TOKEN}\" }", "127.0.0.1:8081"),
        ("admin: { token: \"${ADMIN_TOKEN}\", listen: \"[::1]:9\" }", "[::1]:9"),
    ] {
        let expected = AdminSettings { listen: listen.parse().unwrap(), token: TokenDigest::of(ADMIN) };
        assert_eq!(good(&with(lines)).settings.admin, Some(expected));
        assert_eq!(about(lines), [""; 0]);
    }
}

#[test]
fn without_an_admin_token_there_is_no_door() {
    for (lines, said) in [
        ("", None),
        ("admin: {}", Some("warning no_token admin: `admin` has no token, so it is off")),
        (
            "admin: { listen: \"127.0.0.1:9\" }",
            Some("warning no_token admin: `admin` has no token, so it is off"),
        ),
        (
            "admin: { token: \"${NOT_SET}\" }",
            Some("warning unset_variable admin.token: the variable `NOT_SET` is not set, so `admin` is off"),
        ),
        (
            "admin: { token: \"${EMPTY}\" }",
            Some("warning unset_variable admin.token: the variable `EMPTY` is empty, so `admin` is off"),
        ),
    ] {
        assert_eq!(good(&with(lines)).settings.admin, None, "{lines}");
        assert_eq!(about(lines), Vec::from_iter(said), "{lines}");
    }
}

#[test]
fn an_admin_token_that_is_wrong_is_an_error() {
    for (lines, said) in [
        (
            "admin: { token: \"${LAPTOP_AGAIN}\" }",
            "error duplicate_token admin.token: this is the token of agent `laptop` too, which would let it in here",
        ),
        (
            "admin: { token: \"${file:/run/secrets/laptop}\" }",
            "error duplicate_token admin.token: this is the token of agent `laptop` too, which would let it in here",
        ),
        (
            "admin: { token: \"${file:/none}\" }",
            "error unreadable_file admin.token: the file `/none` with the token of `admin` cannot be read: no such file",
        ),
        (
            "admin: { token: \"${SHORT}\" }",
            "error invalid_token admin.token: `SHORT` holds no token that `admin` can use: a token needs at least 32 characters, and this one has fewer",
        ),
        (
            "admin: { token: \"${ADMIN_TOKEN}\", listen: \"127.0.0.1:8080\" }",
            "error duplicate_listen admin.listen: `admin.listen` and `server.listen` cannot both be had: 127.0.0.1:8080 takes what arrives for 127.0.0.1:8080",
        ),
        (
            "admin: { token: \"${ADMIN_TOKEN}\" }\nserver: { listen: \"0.0.0.0:8081\" }",
            "error duplicate_listen admin.listen: `admin.listen` and `server.listen` cannot both be had: 127.0.0.1:8081 takes what arrives for 0.0.0.0:8081",
        ),
        (
            "admin: { token: \"${ADMIN_TOKEN}\", listen: 8081 }",
            "error wrong_type admin.listen: `listen` must be text, not a number",
        ),
    ] {
        assert_eq!(about(lines), [said], "{lines}");
    }
    let literal = with("admin: { token: hunter2hunter2hunter2hunter2hunter2 }");
    let text = report(&said(&literal));
    assert!(text.contains("`\"${ADMIN_TOKEN}\"` here") && !text.contains("hunter2"), "{text}");
}

#[test]
fn the_log_has_a_level() {
    for (lines, level) in [
        ("", LogLevel::Info),
        ("log: {}", LogLevel::Info),
        ("log: { level: error }", LogLevel::Error),
        ("log: { level: warn }", LogLevel::Warn),
        ("log: { level: debug }", LogLevel::Debug),
        ("log: { level: trace }", LogLevel::Trace),
    ] {
        assert_eq!(good(&with(lines)).settings.log_level, level, "{lines}");
    }
}

#[test]
fn every_secret_is_known_by_where_it_comes_from() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let lines = format!(
        "  other: {{ tenant: research, tokens: [\"${{REVIEWER_TOKEN}}\", \"${{file:/run/secrets/laptop}}\", \"{digest}\"] }}\nadmin: {{ token: \"${{NOT_SET}}\" }}"
    );
    let agents = "agents:\n  laptop: { tenant: research, token: \"${ADMIN_TOKEN}\" }";
    let text =
        with(&lines).replace("agents: { laptop: { tenant: research, token: \"${LAPTOP_TOKEN}\" } }", agents);
    let variable = |name: &str| name.to_owned();
    let found: Vec<_> =
        good(&text).settings.secrets.into_iter().map(|secret| (secret.place, secret.source)).collect();
    let expected = [
        ("agents.laptop.token", SecretSource::Environment { variable: variable("ADMIN_TOKEN") }),
        ("agents.other.tokens[0]", SecretSource::Dotenv { variable: variable("REVIEWER_TOKEN") }),
        ("agents.other.tokens[1]", SecretSource::File { path: "/run/secrets/laptop".into() }),
        ("admin.token", SecretSource::Unset { variable: variable("NOT_SET") }),
    ];
    assert_eq!(found, expected.map(|(place, source)| (place.to_owned(), source)));
    let shown = format!("{found:?}");
    assert!(!shown.contains(ADMIN) && !shown.contains(LAPTOP));
}

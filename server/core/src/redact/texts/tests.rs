use super::*;
use crate::redact::names_secret;

fn found(text: &str) -> Vec<(&'static str, &str)> {
    let mut findings: Vec<Finding<'static>> = Vec::new();
    find(text, &names_secret, &["pin".to_owned()], &mut findings);
    findings.into_iter().map(|finding| (finding.rule, &text[finding.range])).collect()
}

#[test]
fn a_private_key_is_taken_whole_and_also_without_its_end() {
    let body = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\nAgEGCCqGSM49AwEHBG0wawIBAQQgMIGHAgEAMBMGByqGSM49\n";
    for title in [
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
        "ENCRYPTED PRIVATE KEY",
    ] {
        let key = format!("-----BEGIN {title}-----\n{body}-----END {title}-----");
        assert_eq!(found(&format!("key: {key}!")), [("private_key", key.as_str())]);
        let escaped = key.replace('\n', "\\n");
        assert_eq!(found(&format!("\"{escaped}\"")), [("private_key", escaped.as_str())]);
        let cut = &key[..100];
        assert_eq!(found(&format!("{cut}…")), [("private_key", cut)]);
    }
    for text in [
        "-----BEGIN PRIVATE KEY-----",
        "begins with `-----BEGIN PRIVATE KEY-----` and ends",
        "-----BEGIN CERTIFICATE-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn of_a_url_the_password_goes() {
    assert_eq!(found("postgres://app:Tr0ub4dor@db.lan:5432/app"), [("url_password", "Tr0ub4dor")]);
    assert_eq!(found("see https://u:p%40ss@host/x?y=z, or"), [("url_password", "p%40ss")]);
    assert_eq!(
        found("https://8f14e45fceea167a5a36dedd4bea2543@host/x"),
        [("url_password", "8f14e45fceea167a5a36dedd4bea2543")]
    );
    for text in [
        "https://host:8080/a@b",
        "https://user@host",
        "https://user:password@host",
        "https://u:${PASS}@host",
        "https://u:[REDACTED:url_password]@host",
        "https://user:<pass>@host",
        "a://b",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn a_value_goes_whose_name_says_so() {
    for (text, value) in [
        ("password=hunter2", "hunter2"),
        ("PASSWORD: \"correct-h0rse\"", "correct-h0rse"),
        ("hasło: Kot1234!", "Kot1234!"),
        (r#"{"password":"hunter2","user":"ada"}"#, "hunter2"),
        (r#"{\"api_key\":\"8f14e45fceea167a\"}"#, "8f14e45fceea167a"),
        ("DB_PASSWORD='p4ss w0rd'", "p4ss w0rd"),
        ("?access_token=8f14e45fceea167a&x=1", "8f14e45fceea167a"),
        ("--token 8f14e45fceea167a --verbose", "8f14e45fceea167a"),
        ("X-Api-Key: 8f14e45fceea167a", "8f14e45fceea167a"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZDEyMw==", "dXNlcjpwYXNzd29yZDEyMw=="),
        ("authorization: Bearer 8f14e45fceea167a5a36", "8f14e45fceea167a5a36"),
        ("client_secret => 'q8Wz31LmNp02'", "q8Wz31LmNp02"),
        ("PIN: 4711, spinning: 5", "4711"),
    ] {
        assert_eq!(found(text), [("named_secret", value)], "{text}");
    }
    assert_eq!(found("it sent Bearer 8f14e45fceea167a5a36."), [("authorization", "8f14e45fceea167a5a36.")]);
}

#[test]
fn a_value_stays_that_only_looks_named() {
    for text in [
        "author=hunter2",
        "password",
        "password: String,",
        "let token = self.next_token2();",
        "token = tokens.next()",
        "token == 8f14e45fceea167a",
        "secret: &str",
        "password=${DB_PASSWORD}",
        "password: <your password>",
        "password=[REDACTED:named_secret]",
        "max_tokens=4096",
        "token_type=bearer",
        "Bearer token",
        "basic authentication",
        "auth: None",
        "api_key: Option<Secret>",
        "token: \"sha256:…\"",
        "password: ********",
        "api_key=YOUR_API_KEY",
        "cookie: session",
        "tokens: 128000",
        "secret=true",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

use serde_json::json;

use super::*;
use crate::secret::Secret;

const TOKEN: &str = "mus_9f8a64c0d1b2e3f405162738495a6b7c";

fn redactor(secrets: &[&str]) -> Redactor {
    let secrets: Vec<_> = secrets.iter().copied().map(Secret::new).collect();
    Redactor::new(Arc::default(), Arc::new(Known::new(&secrets)))
}

/// What becomes of a line.
fn line(redactor: &Redactor, line: &str) -> String {
    let mut line = line.as_bytes().to_owned();
    redactor.line(&mut line);
    String::from_utf8(line).unwrap()
}

#[test]
fn a_text_without_findings_is_borrowed() {
    let redactor = redactor(&[TOKEN]);
    assert!(matches!(redactor.text("nothing"), Cow::Borrowed("nothing")));
    assert_eq!(redactor.text(&format!("a {TOKEN} b")), "a [REDACTED:known_secret] b");
}

#[test]
fn a_line_stays_the_same_but_for_what_is_taken_out() {
    let redactor = redactor(&[TOKEN, "12345678901"]);
    for (before, after) in [
        (r#"{"message":"plain","n":12}"#.to_owned(), r#"{"message":"plain","n":12}"#),
        (format!("{{\"a\":\"{TOKEN}\"}}\n"), "{\"a\":\"[REDACTED:known_secret]\"}\n"),
        (
            format!(r#"{{"a":[1,"x\n{TOKEN}\""],"b":{{"{TOKEN}":null}}}}"#),
            r#"{"a":[1,"x\n[REDACTED:known_secret]\""],"b":{"[REDACTED:known_secret]":null}}"#,
        ),
        (
            r#"{"a":"mus_9f8a64c0d1b2e3f40516273849\u0035a6b7c"}"#.to_owned(),
            r#"{"a":"[REDACTED:known_secret]"}"#,
        ),
        (
            r#"{"n":12345678901,"seq":12345678901}"#.to_owned(),
            r#"{"n":"[REDACTED:known_secret]","seq":12345678901}"#,
        ),
        (
            "not JSON\n".to_owned(),
            "{\"level\":\"ERROR\",\"target\":\"server\",\"message\":\"[REDACTED:unreadable_line]\"}\n",
        ),
        (
            r#"{"a":"cut"#.to_owned(),
            r#"{"level":"ERROR","target":"server","message":"[REDACTED:unreadable_line]"}"#,
        ),
    ] {
        assert_eq!(line(&redactor, &before), after);
    }
}

#[test]
fn a_value_is_redacted_in_all_its_strings_numbers_and_names() {
    let redactor = redactor(&[TOKEN, "12345678901"]);
    let mut value =
        json!({ "a": [TOKEN, 12345678901u64, 7, true, null], TOKEN: { "b": format!("x{TOKEN}") } });
    assert!(redactor.value(&mut value));
    let gone = "[REDACTED:known_secret]";
    assert_eq!(value, json!({ "a": [gone, gone, 7, true, null], gone: { "b": format!("x{gone}") } }));
    assert!(!redactor.value(&mut value));
}

#[test]
fn a_secret_is_remembered_for_an_hour_after_it_was_in_force() {
    let redaction = Redaction::default();
    let start = std::time::Instant::now();
    let after = |minutes| start + std::time::Duration::from_mins(minutes);
    let sees = |text: &str| redaction.load().text(text).into_owned();
    redaction.learn([Secret::new(TOKEN)], start);
    assert_eq!(sees(TOKEN), "[REDACTED:known_secret]");
    redaction.learn([Secret::new("another-token")], after(59));
    assert_eq!(
        (sees(TOKEN).as_str(), sees("another-token").as_str()),
        ("[REDACTED:known_secret]", "[REDACTED:known_secret]")
    );
    redaction.learn([Secret::new("another-token")], after(61));
    assert_eq!((sees(TOKEN).as_str(), sees("another-token").as_str()), (TOKEN, "[REDACTED:known_secret]"));
}

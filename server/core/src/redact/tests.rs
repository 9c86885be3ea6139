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
fn the_address_of_a_client_is_no_telephone_number() {
    let redactor = redactor(&[]);
    for address in [
        "10.0.0.7",
        "192.168.100.200",
        "255.255.255.255",
        "48.60.70.80",
        "2001:db8::1",
        "2001:db8:1234:5678:9012:3456:7890:1234",
        "::ffff:192.168.100.200",
        "fe80::4860:700:8001",
    ] {
        let before = format!(r#"{{"message":"call","agent":"phone","address":"{address}","tool":"call"}}"#);
        assert_eq!(line(&redactor, &before), before);
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

/// Small numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    /// Any text: pieces of what rules look for, and what may stand around it.
    fn text(&mut self) -> String {
        let pieces = [
            "a",
            "ż",
            " ",
            "\n",
            "\"",
            "\\",
            "\\n",
            "\\u0061",
            "%41",
            "&#65;",
            "=",
            ":",
            "@",
            "example.com",
            "+48 600 700 800",
            "44051401359",
            "password",
            "token=",
            "Bearer ",
            "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",
            "://u:p4ss!@",
            "\u{1b}[31m",
            "-----BEGIN PRIVATE KEY-----",
            "eyJ",
            "…",
            "\u{200b}",
            "4111 1111 1111 1111",
            "{",
            "}",
            "'",
            TOKEN,
            "deadbeef",
            "[REDACTED:",
        ];
        (0..self.roll(14)).map(|_| pieces[self.roll(pieces.len())]).collect()
    }
}

#[test]
fn what_was_redacted_once_is_not_redacted_again() {
    let redactor = redactor(&[TOKEN]);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..4000 {
        let text = dice.text();
        let once = redactor.text(&text).into_owned();
        assert_eq!(redactor.text(&once), once, "from {text:?}");
        assert!(!once.contains(TOKEN), "{text:?}");
    }
}

#[test]
fn a_line_of_json_is_one_afterwards_and_holds_what_its_values_hold_once_redacted() {
    let redactor = redactor(&[TOKEN]);
    let mut dice = Dice(0xc2b2_ae3d_27d4_eb4f);
    for _ in 0..3000 {
        let value = json!({ "message": dice.text(), "more": [dice.text(), { "x": dice.text(), "n": dice.roll(1000) }], "z": null });
        let mut line = format!("{value}\n").into_bytes();
        redactor.line(&mut line);
        let mut expected = value.clone();
        redactor.value(&mut expected);
        assert_eq!(serde_json::from_slice::<Value>(&line).unwrap(), expected, "{value}");
    }
}

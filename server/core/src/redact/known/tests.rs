use super::*;

const TOKEN: &str = "mus_9f8a64c0d1b2e3f405162738495a6b7c";
const PASSWORD: &str = "p@ss\"w\\ord'<é>/+%&=;$(rm)7Kq";

fn known(secrets: &[&str]) -> Known {
    Known::new(&secrets.iter().copied().map(Secret::new).collect::<Vec<_>>())
}

/// What is left of a text.
fn rest(known: &Known, text: &str) -> String {
    let mut gone = vec![false; text.len()];
    known.find(text.as_bytes(), &mut |range| gone[range].fill(true));
    let rest: Vec<u8> = text.bytes().zip(gone).filter(|(_, gone)| !gone).map(|(byte, _)| byte).collect();
    String::from_utf8_lossy(&rest).into_owned()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Bits in groups, as characters of an alphabet.
fn grouped(text: &str, bits: usize, alphabet: &str) -> String {
    let all: Vec<u8> = text.bytes().flat_map(|byte| (0..8).rev().map(move |bit| (byte >> bit) & 1)).collect();
    let value = |group: &[u8]| {
        group.iter().fold(0, |value, bit| value << 1 | usize::from(*bit)) << (bits - group.len())
    };
    all.chunks(bits).map(|group| char::from(alphabet.as_bytes()[value(group)])).collect()
}

const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64URL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A secret in every encoding, by the encoding's name.
fn encodings(secret: &str) -> Vec<(&'static str, String)> {
    let each = |write: fn(u8) -> String| secret.bytes().map(write).collect::<String>();
    let odd = |write: fn(u8) -> String| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        secret
            .bytes()
            .map(|byte| if plain(byte) { char::from(byte).to_string() } else { write(byte) })
            .collect()
    };
    let json = serde_json::Value::from(secret).to_string();
    let json = json.trim_matches('"').to_owned();
    vec![
        ("as it is", secret.to_owned()),
        ("base64", grouped(secret, 6, BASE64)),
        ("base64, second offset", grouped(&format!("x{secret}y"), 6, BASE64)),
        ("base64, third offset", grouped(&format!("xx{secret}yy"), 6, BASE64)),
        ("base64url", grouped(&format!("user:{secret}"), 6, BASE64URL)),
        ("base64 twice", grouped(&grouped(&format!("a {secret} b"), 6, BASE64), 6, BASE64)),
        ("base64 of JSON", grouped(&format!("{{\"k\":\"{json}\"}}"), 6, BASE64)),
        ("base64 in lines", {
            let text = grouped(secret, 6, BASE64);
            let lines: Vec<_> =
                text.as_bytes().chunks(11).map(|line| std::str::from_utf8(line).unwrap()).collect();
            lines.join("\r\n")
        }),
        ("base32", grouped(&format!("abc{secret}"), 5, BASE32)),
        ("hexadecimal", hex(secret)),
        ("upper-case hexadecimal", hex(secret).to_uppercase()),
        ("hexadecimal, off by one digit", format!("0{}", hex(secret))),
        ("percent", each(|byte| format!("%{byte:02X}"))),
        ("percent where needed", odd(|byte| format!("%{byte:02x}"))),
        ("JSON", json.clone()),
        ("JSON in JSON", json.replace('\\', "\\\\").replace('"', "\\\"")),
        ("\\u", secret.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()),
        ("\\u{}", secret.chars().map(|c| format!("\\u{{{:x}}}", c as u32)).collect()),
        ("\\x", each(|byte| format!("\\x{byte:02x}"))),
        ("octal", each(|byte| format!("\\{byte:03o}"))),
        (
            "shell",
            secret
                .chars()
                .map(|c| if c.is_alphanumeric() { c.to_string() } else { format!("\\{c}") })
                .collect(),
        ),
        ("shell quotes", secret.replace('\'', r"'\''")),
        (
            "HTML",
            secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"),
        ),
        ("HTML numbers", secret.chars().map(|c| format!("&#{};", c as u32)).collect()),
        ("HTML hexadecimal", secret.chars().map(|c| format!("&#x{:X};", c as u32)).collect()),
        ("quoted-printable", odd(|byte| format!("={byte:02X}"))),
        ("in lines", secret.chars().map(|c| format!("{c}\n  ")).collect()),
        ("in colours", secret.chars().map(|c| format!("{c}\u{1b}[3{}m", 1)).collect()),
        ("with characters that do not show", secret.chars().map(|c| format!("{c}\u{200b}")).collect()),
        ("UTF-16", secret.chars().map(|c| format!("{c}\0")).collect()),
    ]
}

#[test]
fn a_secret_is_found_in_every_encoding_wherever_it_stands() {
    for secret in [TOKEN, PASSWORD] {
        let known = known(&[secret, "another-secret-that-is-not-there"]);
        for (name, encoded) in encodings(secret) {
            for (before, after) in
                [("", ""), ("x", "y"), ("token=", "&x=1"), ("{\"a\":\"", "\"}"), ("ą", "ę")]
            {
                let text = format!("{before}{encoded}{after}");
                let rest = rest(&known, &text);
                assert!(
                    rest.len() <= before.len() + after.len() + 16,
                    "{name}, in {text:?}: {rest:?} is left"
                );
                assert!(
                    rest.starts_with(before) || name.starts_with("base") || name.starts_with("hex"),
                    "{rest:?}"
                );
            }
        }
    }
}

#[test]
fn what_is_left_of_a_text_is_what_it_was() {
    let known = known(&[TOKEN]);
    for (text, expected) in [
        (format!("a {TOKEN} b {TOKEN}"), "a  b "),
        (format!("Basic {}=", grouped(&format!("u:{TOKEN}"), 6, BASE64)), "Basic dT="),
        ("nothing here, mus_9f8a64c0".to_owned(), "nothing here, mus_9f8a64c0"),
        (String::new(), ""),
    ] {
        assert_eq!(rest(&known, &text), expected);
    }
}

#[test]
fn a_secret_that_is_cut_off_is_found_at_the_ends_of_a_text_only() {
    let known = known(&[TOKEN]);
    let (first, last) = (&TOKEN[..20], &TOKEN[16..]);
    for (text, expected) in [
        (format!("token {first}"), "token "),
        (format!("token {first}…"), "token …"),
        (format!("token {first}..."), "token ..."),
        (format!("{last}, and more"), ", and more"),
        (format!("{first} and more"), &format!("{first} and more")),
        (format!("more: {last}"), &format!("more: {last}")),
        (format!("token {}", &TOKEN[..15]), &format!("token {}", &TOKEN[..15])),
    ] {
        assert_eq!(rest(&known, &text), expected);
    }
}

#[test]
fn lines_of_a_key_and_the_password_of_a_url_are_secrets_too() {
    let key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\nAgEGCCqGSM49AwEHBG0w\n-----END PRIVATE KEY-----\n";
    let known = known(&[key, "postgres://app:Tr0ub4dor-3@db.lan/app"]);
    for (text, expected) in [
        ("AgEGCCqGSM49AwEHBG0w stands in line 3", " stands in line 3"),
        ("-----BEGIN PRIVATE KEY----- begins one", "-----BEGIN PRIVATE KEY----- begins one"),
        ("password Tr0ub4dor-3 of app", "password  of app"),
    ] {
        assert_eq!(rest(&known, text), expected);
    }
}

#[test]
fn values_that_are_too_short_are_not_looked_for() {
    let short = known(&["1234567", ""]);
    assert!(short.is_empty());
    assert_eq!(rest(&short, "1234567"), "1234567");
    assert_eq!(rest(&known(&["12345678"]), "a12345678b"), "ab");
}

#[test]
fn secrets_that_begin_or_end_alike_are_told_apart() {
    let secrets: Vec<String> = (0..2000).map(|number| format!("mus_the_same_{number:05}_the_same")).collect();
    let known = known(&secrets.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(rest(&known, "a mus_the_same_01234_the_same b"), "a  b");
    assert_eq!(rest(&known, "a mus_the_same_12345_the_same b"), "a mus_the_same_12345_the_same b");
}

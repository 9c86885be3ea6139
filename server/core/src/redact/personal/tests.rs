use super::*;

fn found(text: &str) -> Vec<(&'static str, &str)> {
    labelled("", text)
}

fn labelled<'t>(label: &str, text: &'t str) -> Vec<(&'static str, &'t str)> {
    let mut findings: Vec<Finding<'static>> = Vec::new();
    find(Text { text, label }, &mut findings);
    findings.into_iter().map(|finding| (finding.rule, &text[finding.range])).collect()
}

#[test]
fn a_pesel_has_a_date_and_a_check_digit_and_stands_alone() {
    for text in ["44051401359", "PESEL: 44051401359.", "(02070803628)", "\"44051401359\"", "a\\n44051401359"]
    {
        assert_eq!(found(text).len(), 1, "{text}");
        assert_eq!(found(text)[0].0, "pesel", "{text}");
    }
    assert_eq!(found("pesel 440514 01359"), [("pesel", "440514 01359")]);
    for text in [
        "44051401358",
        "44133201359",
        "1440514013590",
        "x44051401359",
        "0.44051401359",
        "44051401359.5",
        "44051401359_000",
        "440514 01359",
        "1732500000000",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn a_nip_needs_a_word_or_its_form() {
    for text in [
        "NIP 5260250274",
        "nip:5260250274",
        "VAT PL5260250274",
        "526-025-02-74",
        "526-02-50-274",
        "PL5260250274",
        "NIP 526 025 02 74",
    ] {
        assert_eq!(found(text).first().map(|found| found.0), Some("nip"), "{text}");
    }
    assert_eq!(labelled("sellerNip", "5260250274"), []);
    assert_eq!(labelled("seller_nip", "5260250274"), [("nip", "5260250274")]);
    for text in
        ["5260250274", "snip 5260250274", "526-025-02-75", "NIP 5260250275", "1732500000", "526 025 02 74"]
    {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn a_regon_needs_its_word() {
    assert_eq!(found("REGON: 123456785"), [("regon", "123456785")]);
    assert_eq!(found("regon 12345678512347"), [("regon", "12345678512347")]);
    for text in ["123456785", "REGON: 123456784", "number 12345678512347"] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn an_account_is_one_by_its_country_and_remainder() {
    for text in [
        "PL61109010140000071219812874",
        "PL61 1090 1014 0000 0712 1981 2874",
        "DE89370400440532013000",
        "GB82 WEST 1234 5698 7654 32",
        "61109010140000071219812874",
        "61 1090 1014 0000 0712 1981 2874",
    ] {
        assert_eq!(found(&format!("to {text}, at once")), [("iban", text)]);
    }
    for text in [
        "PL61109010140000071219812875",
        "XX61109010140000071219812874",
        "61109010140000071219812875",
        "aPL61109010140000071219812874",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn a_card_is_one_by_its_issuer_length_and_luhn() {
    for text in [
        "4111111111111111",
        "4111 1111 1111 1111",
        "5500-0000-0000-0004",
        "371449635398431",
        "3714 496353 98431",
        "6011000990139424",
    ] {
        assert_eq!(found(&format!("paid by {text}.")), [("card", text)]);
    }
    for text in [
        "4111111111111112",
        "1732500000000008",
        "0000000000000000",
        "4111-1111 1111-1111",
        "0.4111111111111111",
        "4222222222222",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
    assert_eq!(found("card 4222222222222"), [("card", "4222222222222")]);
}

#[test]
fn a_telephone_number_has_a_plus_a_form_or_a_word() {
    for text in [
        "+48600700800",
        "+48 600 700 800",
        "+48 600-700-800",
        "0048 600 700 800",
        "0048600700800",
        "+1 212-555-0123",
        "(212) 555-0123",
        "212-555-0123",
        "1-212-555-0123",
        "001-212-555-0123x456",
        "212.555.0123",
        "+44 20 7946 0958",
        "+49 30 901820",
        "+380 44 123 4567",
    ] {
        assert_eq!(found(&format!("from {text} today")), [("phone", text)]);
    }
    for text in ["600 700 800", "600700800", "22 123 45 67", "(22) 123-45-67"] {
        assert_eq!(found(text), [], "{text}");
        assert_eq!(found(&format!("tel. {text}")), [("phone", text)]);
        assert_eq!(labelled("phone_number", text), [("phone", text)]);
    }
    for text in [
        "hotel 600 700 800",
        "+123",
        "2026-11-25 02:18:34",
        "10.12.100.200",
        "1.234.567.8901",
        "+00:00",
        "a+48600700800",
        "112-555-0123",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn an_address_has_a_person_and_a_domain() {
    for text in ["jan.kowalski@example.com", "ewa+tag@poczta.onet.pl", "o'neil@a-b.co.uk", "żaneta@wp.pl"] {
        assert_eq!(found(&format!("<{text}>, they said")), [("email", text)]);
    }
    assert_eq!(found("write to jan@example.com."), [("email", "jan@example.com")]);
    for text in [
        "git@github.com:a/b.git",
        "icon@2x.png",
        "lodash@4.17.21",
        "getty@tty1.service",
        "@decorator",
        "a@b",
        "x@-a.com",
        "user@localhost",
        "https://token@host.com",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn an_identity_card_needs_a_word_and_a_social_security_number_its_form() {
    assert_eq!(found("dowód ABA300000"), [("polish_id_card", "ABA300000")]);
    assert_eq!(found("dowód osobisty ABS 223456"), []);
    assert_eq!(found("ABA300000"), []);
    assert_eq!(found("SSN 536-90-4399"), [("us_ssn", "536-90-4399")]);
    assert_eq!(found("666-90-4399 900-12-3456 000-12-3456 123-00-4567"), []);
}

#[test]
fn what_programs_write_is_nobody_s() {
    for text in [
        "550e8400-e29b-41d4-a716-446655440000",
        "2026-11-25T02:18:34.123456Z",
        "1764037114123",
        "1764037114123456789",
        "127.0.0.1:8080",
        "rustc 1.95.0 (59807616e 2026-04-14)",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "640 480 320 240",
        "0x0048600700800",
        "[1234567890, 2345678901]",
        "3.141592653589793",
        "v2026.11.25-02",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

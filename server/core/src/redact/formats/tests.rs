use super::*;

fn found(text: &str) -> Vec<(&'static str, &str)> {
    let mut findings = Vec::new();
    find(text, &mut findings);
    findings.into_iter().map(|finding| (finding.rule, &text[finding.range])).collect()
}

#[test]
fn every_format_can_be_searched_for() {
    assert!(SEARCH.is_some());
    for format in all() {
        assert!(compile(format.rest).is_some(), "{}: {}", format.rule, format.rest);
        assert!(
            !format.starts.is_empty() && format.starts.iter().all(|start| start.len() >= 2),
            "{}",
            format.rule
        );
    }
}

#[test]
fn a_github_token_is_one_by_its_checksum() {
    let token = "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";
    for before in ["", " ", "token=", "\\n", "%3A", "\u{1b}[31m", "https://"] {
        assert_eq!(found(&format!("{before}{token}, it said")), [("github_token", token)], "{before:?}");
    }
    for text in [
        "ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "x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",
        "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a",
        "ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn a_json_web_token_is_one_by_its_header() {
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLW9mLWl0";
    assert_eq!(found(&format!("Bearer {token}.")), [("jwt", format!("{token}.").as_str())]);
    assert_eq!(found("eyJub3RoaW5nIjoxfQ.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"), []);
    assert_eq!(found("eyJ-not.JSON-at-all.anything"), []);
}

#[test]
fn a_format_is_found_by_its_middle_too() {
    for (token, rule) in [
        ("110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw9", "telegram_token"),
        ("0c9f1e7d3b5a48628e6f4d2c1b0a9f8e-us12", "mailchimp_key"),
        ("3kF8Q~dR7tYw2uXzLp9sVbNmHj4gKcQe6aWi1oTr", "azure_client_secret"),
    ] {
        assert_eq!(found(&format!("<{token}>")), [(rule, token)]);
        assert_eq!(found(&format!("<1a{token}>")), [], "{token}");
    }
}

#[test]
fn what_stands_in_every_manual_is_no_key() {
    for text in [
        "AKIAIOSFODNN7EXAMPLE",
        "sk_test_xxxxxxxxxxxxxxxxxxxxxxxx",
        "AIzaxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "glpat-your-token-goes-in-here",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

//! What an operator reads, word for word.

use super::{report, said};

/// Checks every case of a file: a title, a configuration, and what is said
/// about it.
fn check(cases: &str) {
    let mut wrong = String::new();
    for case in cases.split("\n====").filter(|case| !case.trim().is_empty()) {
        let (title, rest) = case.split_once('\n').expect("a title");
        let (text, expected) = rest.split_once("\n----\n").expect("a report");
        let actual = report(&said(&format!("{text}\n")));
        if actual.trim_end() != expected.trim_end() {
            wrong.push_str(&format!("==== {}\n{actual}\n\n", title.trim_matches(['=', ' '])));
        }
    }
    assert_eq!(wrong, "", "these reports read differently:\n{wrong}");
}

#[test]
fn a_text_that_is_no_yaml_is_refused_where_it_breaks() {
    check(include_str!("reports/syntax.txt"));
}

#[test]
fn what_the_schema_does_not_allow_is_reported_with_the_fix() {
    check(include_str!("reports/structure.txt"));
}

#[test]
fn what_refers_to_nothing_or_means_nothing_is_reported_with_the_fix() {
    check(include_str!("reports/meaning.txt"));
}

#[test]
fn a_token_that_will_not_do_is_reported_without_showing_it() {
    check(include_str!("reports/tokens.txt"));
}

#[test]
fn problems_of_every_kind_are_reported_at_once() {
    check(include_str!("reports/everything.txt"));
}

#[test]
fn what_is_wrong_with_models_prices_and_budgets_is_reported_with_the_fix() {
    check(include_str!("reports/models.txt"));
}

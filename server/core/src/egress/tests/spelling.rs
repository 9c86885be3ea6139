//! G1 to G5: schemes, and the many spellings of a host.

use super::*;

#[test]
fn a_rule_is_read_and_written_in_one_form() {
    for text in [
        "api.example.com",
        "api.example.com:8443",
        "https://api.example.com:443",
        "http://printer.lan:631",
        "*.example.com:443",
        "*.lan",
        "*.home.arpa",
        "xn--bcher-kva.example",
        "10.0.0.0/8:8443",
        "127.0.0.1:8080",
        "[fd00::/8]:443",
        "[::1]:8080",
    ] {
        assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
    }
}

#[test]
fn what_is_no_rule_is_refused_with_the_right_spelling() {
    for (text, message) in [
        ("", "a rule cannot be empty: write a host, as in `api.example.com:443`"),
        ("https://", "a rule cannot be empty: write a host, as in `api.example.com:443`"),
        ("ftp://example.com", "`ftp://example.com` has a scheme other than `http` and `https`"),
        ("*", "`*` would be every host: name those that are meant, as in `*.example.com`"),
        (
            "a.*.example.com",
            "`a.*.example.com` has a `*` where it cannot stand: only `*.` at the beginning, as in `*.example.com`",
        ),
        (
            "*example.com",
            "`*example.com` has a `*` where it cannot stand: only `*.` at the beginning, as in `*.example.com`",
        ),
        ("*.com", "`*.com` would be the domains of all who registered one below `com`: name theirs"),
        ("*.co.uk", "`*.co.uk` would be the domains of all who registered one below `co.uk`: name theirs"),
        (
            "*.github.io",
            "`*.github.io` would be the domains of all who registered one below `github.io`: name theirs",
        ),
        ("Example.com", "`Example.com` must be written as `example.com`"),
        ("example.com.", "`example.com.` must be written as `example.com`"),
        ("bücher.example", "`bücher.example` must be written as `xn--bcher-kva.example`"),
        ("127.1", "`127.1` must be written as `127.0.0.1`"),
        ("0x7f.0.0.1", "`0x7f.0.0.1` must be written as `127.0.0.1`"),
        ("a..b", "`a..b` has an empty part between dots"),
        ("example.com:0", "`example.com:0` has no port from 1 to 65535 after `:`"),
        ("example.com:99999", "`example.com:99999` has no port from 1 to 65535 after `:`"),
        ("example.com:", "`example.com:` has no port from 1 to 65535 after `:`"),
        ("fd00::1", "`fd00::1` needs brackets around its IPv6 address, as in `[fd00::1]:443`"),
        (
            "user@example.com",
            "`user@example.com` is more than a host and a port, such as `api.example.com:443`",
        ),
        (
            "example.com/path",
            "`example.com/path` is more than a host and a port, such as `api.example.com:443`",
        ),
        ("10.0.0.1/8", "`10.0.0.1/8` is no network: it would be `10.0.0.0/8`"),
        (
            "10.0.0.0/99",
            "`10.0.0.0/99` is no network: write an address and the length of its prefix, as in `10.0.0.0/8`",
        ),
        ("[::ffff:10.0.0.1]:443", "`[::ffff:10.0.0.1]:443` is no network: it would be `10.0.0.1`"),
        (
            "169.254.169.254:80",
            "`169.254.169.254:80` is the address of a cloud's metadata service, which is never reached",
        ),
    ] {
        assert_eq!(
            text.parse::<Rule>().map_err(|error| error.to_string()),
            Err(message.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn a_wildcard_covers_the_names_below_it_only() {
    let rule: Rule = "*.example.com".parse().unwrap();
    for (url, covered) in [
        ("https://a.example.com", true),
        ("https://a.b.example.com", true),
        ("https://example.com", false),
        ("https://aexample.com", false),
        ("https://example.com.evil.net", false),
        ("https://a.example.com:444", false),
    ] {
        assert_eq!(rule.allows(&to(url)), covered, "{url}");
    }
}

#[test]
fn a_url_that_programs_may_read_differently_is_not_requested() {
    use InvalidUrl::{Ambiguous, Credentials, Host, Port, Scheme};
    for (url, error) in [
        ("file:///etc/passwd", Scheme),
        ("gopher://127.0.0.1:6379/_INFO", Scheme),
        ("unix:/run/docker.sock", Scheme),
        ("http:evil.example", Scheme),
        ("//evil.example", Scheme),
        ("javascript:alert(1)", Scheme),
        ("http:///evil.example", Host),
        ("http:\\\\evil.example", Ambiguous),
        ("http://allowed.example\\@evil.example", Ambiguous),
        ("http://allowed.example\n@evil.example", Ambiguous),
        ("http://allowed.example\t.evil.example", Ambiguous),
        (" http://allowed.example", Ambiguous),
        ("http://allowed.example@evil.example", Credentials),
        ("http://user:password@allowed.example", Credentials),
        ("http://evil.example%2eallowed.example", Host),
        ("http://[fe80::1%25eth0]/", Host),
        ("http://ａllowed.example", Host),
        ("http://allo\u{ad}wed.example", Host),
        ("http://①②⑦.⓪.⓪.①/", Host),
        ("http://127。0。0。1/", Host),
        ("http://allowed..example", Host),
        ("http://.allowed.example", Host),
        ("http://allowed.example..", Host),
        ("http://allowed.example:0", Port),
    ] {
        assert_eq!(Target::parse(url).map(|_| ()), Err(error), "{url}");
    }
    let long = format!("https://allowed.example/{}", "x".repeat(9000));
    assert_eq!(Target::parse(&long).map(|_| ()), Err(InvalidUrl::TooLong));
}

#[test]
fn an_address_is_requested_in_its_usual_form_only() {
    for url in [
        "http://2130706433/",
        "http://0x7f000001/",
        "http://017700000001/",
        "http://0177.0.0.1/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://0/",
        "http://00.0.0.0/",
        "http://127.0.0.1./",
        "http://0251.0376.0251.0376/",
        "http://0xa9fea9fe/",
        "http://2852039166/",
    ] {
        assert_eq!(Target::parse(url).map(|_| ()), Err(InvalidUrl::Host), "{url}");
    }
    for (url, destination) in [
        ("HTTPS://API.Example.COM", "api.example.com:443"),
        ("https://api.example.com./", "api.example.com:443"),
        ("http://127.0.0.1", "127.0.0.1:80"),
        ("http://[::FFFF:127.0.0.1]/", "127.0.0.1:80"),
        ("http://[0:0:0:0:0:ffff:7f00:1]/", "127.0.0.1:80"),
        ("http://[0000::0001]:8080", "[::1]:8080"),
        ("https://x_y.example.com:8443/?q#f", "x_y.example.com:8443"),
    ] {
        assert_eq!(to(url).to_string(), destination, "{url}");
    }
}

#[test]
fn a_redirect_is_read_like_any_other_url() {
    let from = Target::parse("https://a.example/x/y?q").unwrap();
    for (location, expected) in [
        ("https://b.example/", Ok("https://b.example/")),
        ("//b.example/z", Ok("https://b.example/z")),
        ("/z", Ok("https://a.example/z")),
        ("z", Ok("https://a.example/x/z")),
        ("?r", Ok("https://a.example/x/y?r")),
        ("http://user@b.example/", Err(InvalidUrl::Credentials)),
        ("file:///etc/passwd", Err(InvalidUrl::Scheme)),
        ("gopher://b.example", Err(InvalidUrl::Scheme)),
        ("\\\\b.example", Err(InvalidUrl::Ambiguous)),
        ("/\\b.example", Err(InvalidUrl::Ambiguous)),
        ("//127.1/", Err(InvalidUrl::Host)),
        ("//b.example%2f@a.example", Err(InvalidUrl::Credentials)),
    ] {
        let read = from.redirect(location);
        assert_eq!(
            read.as_ref().map(|target| target.url().as_str()),
            expected.as_ref().copied(),
            "{location}"
        );
    }
}

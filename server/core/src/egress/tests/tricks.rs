//! G2 to G5 by the thousand: every way that we know to write a host so that a guard
//! takes it for another one, for every address that is worth the trouble.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::*;

const ALLOWED: &str = "allowed.example";

/// This machine and the metadata service.
const TARGETS: [Ipv4Addr; 2] = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(169, 254, 169, 254)];

/// One part of an IPv4 address, in the bases that the C library takes.
fn part(value: u32) -> [String; 6] {
    [
        value.to_string(),
        format!("0{value:o}"),
        format!("000{value:o}"),
        format!("0x{value:x}"),
        format!("0X{value:X}"),
        format!("0x0000{value:x}"),
    ]
}

/// An IPv4 address as one number, as two, three or four, in every base.
fn numbers(address: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = address.octets().map(u32::from);
    let splits =
        [vec![address.to_bits()], vec![a, b << 16 | c << 8 | d], vec![a, b, c << 8 | d], vec![a, b, c, d]];
    let in_base = |split: &Vec<u32>, base: usize| {
        split.iter().map(|value| part(*value)[base].clone()).collect::<Vec<_>>().join(".")
    };
    let mut all: Vec<_> =
        splits.iter().flat_map(|split| (0..6).map(move |base| in_base(split, base))).collect();
    // Another base for each part.
    all.push([(a, 3), (b, 1), (c, 0), (d, 4)].map(|(value, base)| part(value)[base].clone()).join("."));
    // One that overflows back to it.
    all.push((u64::from(address.to_bits()) + (1 << 32)).to_string());
    all.push(format!("{}.{b}.{c}.{d}", a + 256));
    all
}

/// IPv6 addresses that stand for an IPv4 address.
fn embedded(address: Ipv4Addr) -> Vec<String> {
    let (bits, [a, b, c, d]) = (address.to_bits(), address.octets());
    let (high, low) = (bits >> 16, bits & 0xffff);
    let teredo = !bits;
    let [mapped, compatible] = [address.to_ipv6_mapped(), Ipv6Addr::from_bits(bits.into())];
    let spelt = |v6: Ipv6Addr| {
        let full = v6.segments().map(|segment| format!("{segment:04x}")).join(":");
        [format!("[{v6}]"), format!("[{}]", full.to_uppercase()), format!("[{full}]")]
    };
    let mut all: Vec<_> = [mapped, compatible].into_iter().flat_map(spelt).collect();
    all.extend([
        format!("[::ffff:{address}]"),
        format!("[::{address}]"),
        format!("[0:0:0:0:0:ffff:{address}]"),
        format!("[::ffff:0:{address}]"),
        format!("[64:ff9b::{address}]"),
        format!("[64:ff9b:1::{address}]"),
        format!("[2002:{high:x}:{low:x}::]"),
        format!("[2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1]"),
        format!("[2001:0:102:304::{:x}:{:x}]", teredo >> 16, teredo & 0xffff),
        format!("[::ffff:{address}%25eth0]"),
        format!("[::ffff:{address}%eth0]"),
        format!("[::ffff:{address}%0]"),
        format!("::ffff:{address}"),
        format!("[{address}]"),
    ]);
    all
}

/// Digits and dots of other scripts, which IDNA makes usual ones.
fn scripts(host: &str) -> Vec<String> {
    let shift = |zero: u32| {
        let digit = |c: char| c.to_digit(10).and_then(|digit| char::from_u32(zero + digit)).unwrap_or(c);
        host.chars().map(digit).collect::<String>()
    };
    // Full-width, mathematical bold and monospace, superscript-like circles from 1.
    let mut all: Vec<_> = [0xff10, 0x1d7ce, 0x1d7f6, 0x245f].map(shift).to_vec();
    all.extend(["\u{3002}", "\u{ff0e}", "\u{ff61}", "%2e", "%2E", "%252e"].map(|dot| host.replace('.', dot)));
    all.extend(["\u{ad}", "\u{200b}", "\u{200d}", "\u{2060}", "\u{feff}", "\u{202e}"].map(|hidden| {
        let (first, rest) = host.split_at(1);
        format!("{first}{hidden}{rest}")
    }));
    all
}

/// Authorities in which the allowed host stands beside the one that is meant.
fn beside(evil: &str) -> Vec<String> {
    let mut all = Vec::new();
    for separator in [
        "@",
        "%40",
        "\\@",
        "#@",
        "?@",
        "/@",
        ";@",
        "&@",
        ":@",
        ":80@",
        "%2f@",
        "%5c@",
        "%23@",
        "%3f@",
        "%00@",
        "%0a@",
        "\n@",
        "\t@",
        "\r\n@",
        " @",
        "\u{0}@",
        "\u{ff20}",
        "\u{2044}@",
        "[@",
        "]@",
        "@@",
    ] {
        all.push(format!("{ALLOWED}{separator}{evil}"));
        all.push(format!("{evil}{separator}{ALLOWED}"));
    }
    for glue in [".", "%2e", "%00.", "%00", "%0a.", "\t.", "\n", "\u{3002}", "\u{ff0e}", "..", "\\.", "%5c."]
    {
        all.push(format!("{evil}{glue}{ALLOWED}"));
        all.push(format!("{ALLOWED}{glue}{evil}"));
    }
    all.extend(
        ["&", "\\", "#", "?", ";", ",", "%ff", "|", "^", "~", "`", "{", "}", "<", ">", "\"", "*"]
            .map(|sign| format!("{evil}{sign}{ALLOWED}")),
    );
    all
}

/// A host with ends, ports and beginnings that change how some programs read it.
fn dressed(host: &str) -> Vec<String> {
    let mut all: Vec<_> = [
        "",
        ".",
        "..",
        ":",
        ":80",
        ":080",
        ":0",
        ":+80",
        ":-1",
        ":80.",
        ":65616",
        ":80:80",
        ":0x50",
        ":\u{ff18}0",
        ": 80",
        ":80\\",
        "%",
        "%20",
        "%00",
        " ",
        "\u{0}",
        "\u{7f}",
        "\u{85}",
        "\u{a0}",
        "\t",
        "\n",
    ]
    .map(|end| format!("{host}{end}"))
    .to_vec();
    all.extend([".", "..", "@", ":@", "%20", " ", "\t", "\u{0}", "-"].map(|start| format!("{start}{host}")));
    all
}

/// Every URL that these authorities become.
fn urls(authority: &str) -> Vec<String> {
    let mut all: Vec<_> = [
        "http://",
        "https://",
        "HTTP://",
        "http:",
        "http:/",
        "http:///",
        "http:\\\\",
        "http:/\\",
        "//",
        "\\\\",
        "http://http://",
        "ftp://",
        "gopher://",
        "ws://",
        "ht\ttp://",
        " http://",
        "\u{1}http://",
        "",
    ]
    .map(|start| format!("{start}{authority}/latest"))
    .to_vec();
    all.extend(
        ["", "?q", "#f", "\\x", ";x", "/../x", "/%2e%2e/"].map(|end| format!("http://{authority}{end}")),
    );
    all
}

#[test]
fn no_spelling_of_a_host_gets_past_the_name_that_is_allowed() {
    let allowed = || rules(&["http://allowed.example:80", "allowed.example:443", "*.allowed.example:443"]);
    let permit = with(allowed(), allowed());
    let scope = Scope::of(&permit).unwrap();
    let mut hosts: BTreeSet<String> =
        ["localhost", "localhost.localdomain", "ip6-localhost", "evil.example"].map(str::to_owned).into();
    for target in TARGETS {
        hosts.extend(numbers(target).into_iter().chain(embedded(target)));
        hosts.extend(scripts(&target.to_string()));
        hosts.extend(beside(&target.to_string()));
    }
    for name in ["localhost", "evil.example", "metadata.google.internal"] {
        hosts.extend(scripts(name).into_iter().chain(beside(name)));
    }
    let urls: BTreeSet<_> =
        hosts.iter().flat_map(|host| dressed(host)).flat_map(|host| urls(&host)).collect();
    assert!(urls.len() > 100_000, "{}", urls.len());
    let mut admitted = BTreeSet::new();
    for url in &urls {
        let Ok(target) = Target::parse(url) else { continue };
        if scope.admit(target.destination()).is_ok() {
            let Host::Name(name) = &target.destination().host else {
                panic!("{url}: an address is admitted")
            };
            let is_allowed = name.as_str() == ALLOWED || name.as_str().ends_with(".allowed.example");
            assert!(is_allowed, "{url} is admitted as {name}");
            admitted.insert(name.to_string());
        }
    }
    // What is let through is below the allowed name, and its owner's to say where it is:
    // its addresses are checked as all others are.
    let below = |name: &String| name == ALLOWED || name.ends_with(".allowed.example");
    assert!(admitted.len() > 3 && admitted.iter().all(below), "{admitted:?}");
    for name in admitted {
        for address in ["127.0.0.1", "169.254.169.254", "10.1.2.3", "::1", "::ffff:127.0.0.1"] {
            assert_ne!(against(&permit, &format!("https://{name}"), &[address]), [""; 0], "{name}");
        }
    }
}

/// Where an address is allowed, it is in its usual form only: whatever else a program
/// takes for it is refused before anybody is asked.
#[test]
fn an_allowed_address_is_reached_by_one_spelling_only() {
    let allowed = || rules(&["http://127.0.0.1:80", "http://10.0.0.0/8:80"]);
    let permit = with(allowed(), allowed());
    let scope = Scope::of(&permit).unwrap();
    let mut passing = BTreeSet::new();
    for target in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(10, 1, 2, 3)] {
        let usual = target.to_string();
        for host in numbers(target).into_iter().chain(embedded(target)).chain(scripts(&usual)) {
            let Ok(read) = Target::parse(&format!("http://{host}/")) else { continue };
            if scope.admit(read.destination()).is_ok() {
                assert_eq!(read.destination().host.to_string(), usual, "{host}");
                passing.insert(host);
            }
        }
    }
    let is_mapped = |host: &String| host.starts_with('[') && host.to_lowercase().contains("ffff:");
    let others: Vec<_> = passing.iter().filter(|host| !is_mapped(host)).collect();
    assert_eq!(others, ["10.1.2.3", "127.0.0.1"], "besides IPv4-mapped ones, which are the same address");
}

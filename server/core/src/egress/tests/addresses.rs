//! What addresses are, in every form.

use super::*;

#[test]
fn an_address_is_public_only_if_no_registry_says_otherwise() {
    use Class::{LinkLocal, Loopback, Metadata, Private, Public, Reserved, Translated};
    for (address, class) in [
        ("8.8.8.8", Public),
        ("93.184.215.14", Public),
        ("2606:4700:4700::1111", Public),
        ("0.0.0.0", Loopback),
        ("0.1.2.3", Loopback),
        ("127.0.0.1", Loopback),
        ("127.255.255.254", Loopback),
        ("10.0.0.1", Private),
        ("100.64.0.1", Private),
        ("100.127.255.255", Private),
        ("100.128.0.0", Public),
        ("172.16.0.1", Private),
        ("172.31.255.255", Private),
        ("172.32.0.0", Public),
        ("192.168.1.1", Private),
        ("198.18.0.1", Private),
        ("169.254.1.1", LinkLocal),
        ("192.0.0.1", Reserved),
        ("192.0.2.1", Reserved),
        ("198.51.100.1", Reserved),
        ("203.0.113.1", Reserved),
        ("224.0.0.1", Reserved),
        ("240.0.0.1", Reserved),
        ("255.255.255.255", Reserved),
        ("::", Loopback),
        ("::1", Loopback),
        ("::ffff:127.0.0.1", Loopback),
        ("::ffff:10.0.0.1", Private),
        ("::ffff:8.8.8.8", Public),
        ("::7f00:1", Translated),
        ("::ffff:0:7f00:1", Translated),
        ("64:ff9b::7f00:1", Translated),
        ("64:ff9b:1::7f00:1", Translated),
        ("2002:7f00:1::", Translated),
        ("2001:0:1:2:3:4:80ff:fffe", Translated),
        ("2001:10::1", Reserved),
        ("2001:db8::1", Reserved),
        ("3fff::1", Reserved),
        ("100::1", Reserved),
        ("fc00::1", Private),
        ("fd12:3456::1", Private),
        ("fe80::1", LinkLocal),
        ("fec0::1", LinkLocal),
        ("ff02::1", Reserved),
        ("169.254.169.254", Metadata),
        ("::ffff:169.254.169.254", Metadata),
        ("169.254.170.2", Metadata),
        ("100.100.100.200", Metadata),
        ("168.63.129.16", Metadata),
        ("192.0.0.192", Metadata),
        ("fd00:ec2::254", Metadata),
        ("fd20:ce::254", Metadata),
    ] {
        assert_eq!(classify(address.parse().unwrap()), class, "{address}");
    }
}

/// Whatever the rules name, and in whatever form.
#[test]
fn no_rule_lets_anybody_reach_a_metadata_service() {
    let all = || rules(&["http://0.0.0.0/0:80", "http://[::/0]:80", "http://meta.example"]);
    let permit = with(all(), all());
    for address in [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "::a9fe:a9fe",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:0:1:2:3:4:5601:5601",
        "100.100.100.200",
        "fd00:ec2::254",
    ] {
        assert_eq!(
            against(&permit, "http://meta.example", &[address]),
            ["egress_metadata_address"],
            "{address}"
        );
    }
    for url in
        ["http://169.254.169.254/latest/meta-data/", "http://[::ffff:a9fe:a9fe]/", "http://[fd00:ec2::254]/"]
    {
        let host = Target::parse(url).unwrap();
        let Host::Address(address) = &host.destination().host else { panic!("{url}") };
        assert_eq!(against(&permit, url, &[&address.to_string()]), ["egress_metadata_address"], "{url}");
    }
}

/// An address that stands for another one needs a rule, and so does the other.
#[test]
fn a_translated_address_is_judged_by_what_it_means_too() {
    let allow = |also: &[&str]| {
        let all: Vec<_> = ["nat.example", "[64:ff9b::/96]"].iter().chain(also).copied().collect();
        with(rules(&all), rules(&all))
    };
    let both = ["egress_address_not_public"; 2];
    assert_eq!(against(&allow(&[]), "https://nat.example", &["64:ff9b::808:808"]), [""; 0]);
    assert_eq!(against(&allow(&[]), "https://nat.example", &["64:ff9b::a00:1"]), both);
    assert_eq!(against(&allow(&["10.0.0.0/8"]), "https://nat.example", &["64:ff9b::a00:1"]), [""; 0]);
    assert_eq!(against(&allow(&[]), "https://nat.example", &["2002:808:808::1"]), both);
}

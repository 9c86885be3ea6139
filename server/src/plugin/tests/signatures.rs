//! Who signed a plugin, and what.

use super::*;

const LEGACY: &str = "untrusted comment: signature from minisign secret key
RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=
trusted comment: timestamp:1555779966\tfile:test
QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==
";

#[test]
fn a_plugin_needs_a_signature() {
    check(
        |site| fs::remove_file(site.file("plugin.json")).unwrap(),
        "plugin refused: plugins.d/weather: there is no plugin.json in it; put the folder there that `mcp-universal-server plugin sign` made [manifest_missing]",
    );
    check(
        |site| fs::remove_file(site.file("plugin.json.minisig")).unwrap(),
        "plugin refused: plugins.d/weather: it is not signed: there is no plugin.json.minisig in it; put the folder there that `mcp-universal-server plugin sign` made [unsigned]",
    );
    check(
        |site| put(site.file("plugin.json.minisig"), "signed, honestly\n"),
        "plugin refused: plugins.d/weather/plugin.json.minisig: it is no minisign signature; sign again with `mcp-universal-server plugin sign` [signature_unreadable]",
    );
    check(
        |site| put(site.file("plugin.json.minisig"), LEGACY),
        "plugin refused: plugins.d/weather/plugin.json.minisig: it is a signature in minisign's legacy format, which is not accepted; sign again with `mcp-universal-server plugin sign`, or with minisign 0.11 or later [signature_legacy]",
    );
}

#[test]
fn a_signature_by_an_untrusted_key_is_worth_nothing() {
    check(
        |site| site.settings.trusted_keys.clear(),
        "plugin refused: plugins.d/weather/plugin.json: it is signed with key KEY, which no trusted key is; if you trust its owner, add the public key to `plugins.trusted_keys` [key_unknown]",
    );
    check(
        |site| site.trusted().revoked = true,
        "plugin refused: plugins.d/weather/plugin.json: it is signed with key `acme`, which is revoked; install a version that is signed with a key that is trusted [key_revoked]",
    );
    check(
        |site| site.trusted().not_after = Some("2020-12-31".parse().unwrap()),
        "plugin refused: plugins.d/weather/plugin.json: it is signed with key `acme`, which was trusted until 2020-12-31; install a version that is signed with a current key, or extend `plugins.trusted_keys.acme.not_after` [key_expired]",
    );
    check(
        |site| {
            let again = site.trusted().clone();
            site.settings.trusted_keys.insert("acme-2".parse().unwrap(), again);
        },
        "plugin refused: plugins.d/weather/plugin.json: the trusted keys `acme` and `acme-2` are both KEY; remove one of the two from `plugins.trusted_keys` [key_ambiguous]",
    );
}

#[test]
fn a_key_that_is_none_is_named_before_what_it_should_have_verified() {
    let mut site = Site::new();
    site.trusted().minisign = KeySource::Minisign("RWQ".to_owned());
    assert_eq!(
        site.said(),
        [
            "plugin refused: plugins.trusted_keys.acme.minisign: it is no minisign public key; write the line of the `.pub` file that begins with `RW` [key_invalid]",
            "plugin refused: plugins.d/weather/plugin.json: it is signed with key KEY, which no trusted key is; if you trust its owner, add the public key to `plugins.trusted_keys` [key_unknown]",
        ]
    );
}

#[test]
fn the_installations_own_key_is_a_file() {
    let mut site = Site::new();
    site.trusted().minisign = KeySource::Installed;
    assert_eq!(
        site.said(),
        [
            "plugin refused: none: there is no such folder, and the bundled plugins should be in it; install the server again, or say where they are with `plugins.bundled_dir` or MCP_BUNDLED_DIR [bundled_missing]",
            "plugin refused: plugins.d/weather/plugin.json: it is signed with key KEY, which no trusted key is; if you trust its owner, add the public key to `plugins.trusted_keys` [key_unknown]",
        ]
    );

    let bundled = site.root.path().join("none");
    fs::create_dir(&bundled).unwrap();
    mode(&bundled, 0o755);
    let missing = "plugin refused: none/bundled.pub: there is no public key of the bundled plugins; install the server again, or name the key's file in MCP_BUNDLED_KEY [key_missing]";
    assert_eq!(site.said()[0], missing);

    let public = format!("untrusted comment: minisign public key\n{}\n", site.public_key);
    put(bundled.join("bundled.pub"), public);
    mode(bundled.join("bundled.pub"), 0o644);
    site.trusted().in_process = false;
    let codes: Vec<_> = site.load().iter().map(|refusal| refusal.code).collect();
    assert_eq!(codes, ["in_process_out_of_scope"]);
}

#[test]
fn whatever_was_changed_after_signing_is_refused() {
    let changed = "plugin refused: plugins.d/weather/plugin.json: plugin.json and its signature by key `acme` do not belong together: one of the two was changed; install the plugin's files again, all of them, as its author gave them [signature_invalid]";
    let replace = |site: &Site, name: &str, old: &str, new: &str| {
        let text = fs::read_to_string(site.file(name)).unwrap();
        assert!(text.contains(old));
        put(site.file(name), text.replace(old, new));
    };
    check(|site| replace(site, "plugin.json", "Tells", "Sells"), changed);
    check(|site| replace(site, "plugin.json.minisig", "release=12", "release=13"), changed);

    check(
        |site| {
            let mut library = elf::tests::library();
            *library.last_mut().unwrap() ^= 1;
            put(site.file("libweather.so"), library);
        },
        "plugin refused: plugins.d/weather/libweather.so: it is not the library that was signed: its bytes were changed; install the plugin's files again, all of them, as its author gave them [library_changed]",
    );
    check(
        |site| put(site.file("libweather.so"), &elf::tests::library()[..1000]),
        "plugin refused: plugins.d/weather/libweather.so: it is not the library that was signed: it has 1000 bytes, 1024 were signed; install the plugin's files again, all of them, as its author gave them [library_changed]",
    );
    check(
        |site| fs::remove_file(site.file("libweather.so")).unwrap(),
        "plugin refused: plugins.d/weather/libweather.so: it is not the library that was signed: it is not there; install the plugin's files again, all of them, as its author gave them [library_changed]",
    );
}

#[test]
fn the_installations_key_counts_on_while_the_system_does_not_let_it_be_read() {
    let mut site = Site::new();
    site.trusted().minisign = KeySource::Installed;
    let key_file = site.root.path().join("bundled.pub");
    put(&key_file, &site.public_key);
    let (keys, refusals) = KeyRing::new(&site.settings, &key_file, None, today());
    assert_eq!(refusals, []);
    let last = keys.installed().unwrap();

    let unreadable = key_file.join("below-a-file");
    let (keys, refusals) = KeyRing::new(&site.settings, &unreadable, Some(last), today());
    assert_eq!(refusals.iter().map(|it| it.code).collect::<Vec<_>>(), ["unreadable"]);
    assert_eq!(keys.installed().map(PublicKey::id), Some(last.id()));

    fs::remove_file(&key_file).unwrap();
    let (keys, refusals) = KeyRing::new(&site.settings, &key_file, Some(last), today());
    assert_eq!(refusals.iter().map(|it| it.code).collect::<Vec<_>>(), ["key_missing"]);
    assert!(keys.installed().is_none());
}

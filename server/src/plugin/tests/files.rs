//! Where a plugin lies, and in which files.

use super::*;

#[test]
fn files_that_others_could_have_written_are_not_read() {
    check(
        |site| mode(site.plugins(), 0o775),
        "plugin refused: plugins.d: group or others can write it (mode 0775); run `chmod go-w` on it, and look whether what it holds is what you put there [writable_by_others]",
    );
    check(
        |site| mode(site.folder(), 0o757),
        "plugin refused: plugins.d/weather: group or others can write it (mode 0757); run `chmod go-w` on it, and look whether what it holds is what you put there [writable_by_others]",
    );
    for name in ["plugin.json", "plugin.json.minisig", "libweather.so"] {
        check(
            |site| mode(site.file(name), 0o666),
            &format!(
                "plugin refused: plugins.d/weather/{name}: group or others can write it (mode 0666); run `chmod go-w` on it, and look whether what it holds is what you put there [writable_by_others]"
            ),
        );
    }
}

#[test]
fn links_are_not_followed() {
    for name in ["plugin.json", "plugin.json.minisig", "libweather.so"] {
        check(
            |site| {
                let elsewhere = site.root.path().join(name);
                fs::rename(site.file(name), &elsewhere).unwrap();
                symlink(elsewhere, site.file(name)).unwrap();
            },
            &format!(
                "plugin refused: plugins.d/weather/{name}: it is a symbolic link, which is not followed; put the file itself there [symbolic_link]"
            ),
        );
    }
    check(
        |site| {
            let elsewhere = site.root.path().join("weather");
            fs::rename(site.folder(), &elsewhere).unwrap();
            symlink(elsewhere, site.folder()).unwrap();
        },
        "plugin refused: plugins.d/weather: it is a symbolic link, which is not followed; put the folder itself there [symbolic_link]",
    );
}

#[test]
fn only_files_are_read() {
    check(
        |site| {
            fs::remove_file(site.file("plugin.json")).unwrap();
            fs::create_dir(site.file("plugin.json")).unwrap();
        },
        "plugin refused: plugins.d/weather/plugin.json: it is no regular file; put the file itself there [not_a_file]",
    );
    check(
        |site| put(site.file("plugin.json"), vec![b' '; (1 << 20) + 1]),
        "plugin refused: plugins.d/weather/plugin.json: it is larger than 1048576 bytes; install the file that the plugin's author signed [file_too_large]",
    );
}

#[test]
fn a_folder_is_named_as_its_plugin() {
    check(
        |site| fs::rename(site.folder(), site.plugins().join("climate")).unwrap(),
        "plugin refused: plugins.d/climate: the plugin in it is named `weather`, and the folder is not; rename the folder to `weather` [folder_name]",
    );
    check(
        |site| fs::rename(site.folder(), site.plugins().join("Weather")).unwrap(),
        "plugin refused: plugins.d/Weather: `Weather` is no plugin name: 1 to 64 of a-z, 0-9 and `-`, beginning with a letter; name the folder as the plugin in it, or move it elsewhere [folder_name]",
    );
}

#[test]
fn the_signed_library_lies_beside_the_manifest_and_is_one() {
    check(
        |site| site.sign_with("/artifact/file", json!("../libweather.so")),
        "plugin refused: plugins.d/weather/plugin.json: its `artifact.file`, `../libweather.so`, is no plain name of a `.so` file; sign the plugin again with `mcp-universal-server plugin sign` [artifact_name]",
    );
    check(
        |site| {
            let script = b"#!/bin/sh\n";
            put(site.file("libweather.so"), script);
            site.package["artifact"] =
                json!({ "file": "libweather.so", "size": script.len(), "sha256": sha256(script) });
            site.sign();
        },
        "plugin refused: plugins.d/weather/libweather.so: it is no shared library for 64-bit Linux; build it with `crate-type = [\"cdylib\"]` and sign the `.so` that comes out [not_a_library]",
    );
}

#[test]
fn what_is_disabled_or_no_plugins_folder_is_left_alone() {
    let mut site = Site::new();
    site.entry().enabled = false;
    put(site.file("plugin.json"), "{");
    fs::create_dir(site.plugins().join(".git")).unwrap();
    put(site.plugins().join("README.md"), "Plugins.");
    assert_eq!(site.load(), []);
    site.settings.dir = Some(site.root.path().join("not-there"));
    assert_eq!(site.load(), []);
}

#[test]
fn one_refused_plugin_does_not_keep_the_others_from_being_looked_at() {
    let site = Site::new();
    fs::create_dir(site.plugins().join("aaa")).unwrap();
    fs::create_dir(site.plugins().join("zzz")).unwrap();
    mode(site.plugins().join("aaa"), 0o755);
    mode(site.plugins().join("zzz"), 0o755);
    mode(site.file("plugin.json"), 0o666);
    let codes: Vec<_> = site.load().iter().map(|refusal| refusal.code).collect();
    assert_eq!(codes, ["manifest_missing", "writable_by_others", "manifest_missing"]);
}

#[test]
fn a_library_outside_of_a_plugins_folder_is_told_where_it_belongs() {
    check(
        |site| {
            fs::remove_dir_all(site.folder()).unwrap();
            put(site.plugins().join("libweather.so"), elf::tests::library());
            put(site.plugins().join(".libweather.so"), elf::tests::library());
            put(site.plugins().join("README.md"), "Plugins.");
        },
        "plugin refused: plugins.d/libweather.so: it is a library that lies in no plugin's folder; put it into a folder of its own, as `plugin sign` makes it [library_alone]",
    );
}

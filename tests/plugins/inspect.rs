//! `plugin inspect`: what a plugin claims, and what its library is made of.

use std::{fs, path::Path, process::Command};

use plugin_contract::Capability;
use serde_json::{Value, json};

use super::{
    commands::{plugin, said},
    workbench::Workbench,
};

#[test]
fn inspect_shows_what_a_plugin_claims_and_what_is_wrong_with_it() {
    let bench = Workbench::new();
    let inspect = |more: &[&str]| plugin(bench.path(), ["inspect", "plugins.d/core"].iter().chain(more), "");
    let package = bench.package();
    let id = &bench.keys.key_id;
    let output = inspect(&["--json"]);
    let contents: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(contents["package"], serde_json::to_value(&package).unwrap());
    assert_eq!(contents["signature"], json!({ "key_id": id, "comment": "core 0.1.0 release=1000" }));
    assert_eq!(contents["problems"], json!([]));
    let library = &contents["library"];
    let symbols = library["undefined_symbols"].as_array().unwrap();
    assert!(symbols.iter().any(|it| it.as_str().is_some_and(|it| it.starts_with("malloc@GLIBC_2."))));
    let built_by = library["built_by"][0].as_str().unwrap();
    assert!(built_by.starts_with("rustc 1."), "{built_by}");

    let output = inspect(&[]);
    let page = format!(
        "core 0.1.0, release 1000
  Echoes text and adds numbers.
  written for API 1.0, built for {target}
  signature by key {id}: core 0.1.0 release=1000 (unchecked: see `plugin verify`)
  libplugin_core.so, {size} bytes for x86_64, links to libgcc_s.so.1, libc.so.6, ld-linux-x86-64.so.2
  sha256 {sha256}
  asks them for {symbols} symbols, needs glibc {glibc} or newer, was built by {built_by}

Tools:
  core.echo: Answers the given text unchanged. Use it to check that the server can be reached.
    text (string, required): The text to answer.
",
        target = package.manifest.target,
        size = package.artifact.size,
        sha256 = package.artifact.sha256,
        symbols = symbols.len(),
        glibc = library["glibc"].as_str().unwrap(),
    );
    let (code, stdout, stderr) = said(&output);
    assert_eq!((code, stderr), (0, ""));
    assert_eq!(stdout.get(..page.len()), Some(page.as_str()), "{stdout}");

    fs::write(bench.folder().join("libplugin_core.so"), "#!/bin/sh\n").unwrap();
    fs::remove_file(bench.folder().join("plugin.json.minisig")).unwrap();
    let output = inspect(&["--json"]);
    let contents: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        contents["problems"],
        json!([
            "plugins.d/core/plugin.json.minisig: No such file or directory (os error 2)",
            format!(
                "plugins.d/core/libplugin_core.so: it is not the library that was signed: it has 10 bytes, {} were signed; install the plugin's files again, all of them, as its author gave them",
                package.artifact.size
            ),
            "plugins.d/core/libplugin_core.so: it is no shared library for 64-bit Linux; build it with `crate-type = [\"cdylib\"]` and sign the `.so` that comes out",
        ])
    );
}

#[test]
fn inspect_shows_what_a_plugin_needs_and_how_far_it_reaches() {
    let bench = Workbench::new();
    let mut package = bench.package();
    package.manifest.capabilities = [Capability::NetworkOutbound].into();
    package.manifest.tools[0].capabilities = [Capability::NetworkOutbound].into();
    package.manifest.tools[0].output_schema =
        json!({ "type": "object", "properties": { "page": { "type": "string" } } }).as_object().cloned();
    for (hosts, reaches) in [
        (&[][..], "reaches whatever the operator lets its callers reach"),
        (&["api.acme.com", "10.0.0.0/8:8080"], "reaches api.acme.com, 10.0.0.0/8:8080, and nothing else"),
    ] {
        package.manifest.egress = hosts.iter().map(|host| (*host).to_owned()).collect();
        bench.sign(&package);
        let output = plugin(bench.path(), ["inspect", "plugins.d/core"], "");
        let (code, page, _) = said(&output);
        assert_eq!(code, 0);
        for line in [
            "  needs network:outbound",
            &format!("  {reaches}"),
            "    needs network:outbound",
            "    answers",
            "      page (string, optional)",
        ] {
            assert!(page.lines().any(|it| it == line), "`{line}` in\n{page}");
        }
    }
}

#[test]
fn inspect_names_what_no_library_is_said_to_have() {
    let bench = Workbench::new();
    let source = bench.path().join("lonely.c");
    fs::write(&source, "int nobody_has_this(void); int lonely(void) { return nobody_has_this(); }").unwrap();
    let library = bench.path().join("lonely.so");
    compile(&source, &library);
    bench.replace_library(&fs::read(library).unwrap());
    let output = plugin(bench.path(), ["inspect", "plugins.d/core", "--json"], "");
    let contents: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        contents["problems"],
        json!([
            "plugins.d/core/libplugin_core.so: it needs `nobody_has_this`, and does not say which library has that; link what defines it into the library, as the `-sys` crate's `static` or `vendored` feature does"
        ])
    );
}

/// Builds a library with the compiler that links Rust's, too.
fn compile(source: &Path, library: &Path) {
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([library, source]).status();
    assert!(compiled.unwrap().success());
}

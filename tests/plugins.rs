//! Plugins as the server meets them: real libraries, signed, spoilt in every way
//! that only shows once there is a real library. What needs none is tested beside
//! the code, in `server/src/plugin/tests.rs`.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
};

use plugin_abi::abi_stable::library::AbiHeader;
use serde_json::{Value, json};

use crate::support::{
    LAPTOP, Server,
    client::{Client, ERAS},
    isolation,
};

mod commands;
mod inspect;
mod running;
mod staging;
mod starting;
mod system;
mod unusable;
mod veteran;
mod workbench;

use workbench::{Workbench, library, patched};

#[test]
fn a_plugin_in_order_is_loaded_and_its_release_remembered() {
    let bench = Workbench::new();
    let (registry, refusals) = bench.load(&Workbench::host());
    assert_eq!(refusals, []);
    let plugins: Vec<_> = registry.plugins().collect();
    let [plugin] = plugins.as_slice() else { panic!("one plugin, not {plugins:?}") };
    assert_eq!(plugin.manifest, bench.package().manifest);
    assert_eq!(plugin.provenance.signer.as_str(), "acme");
    assert_eq!(plugin.provenance.key_id, bench.keys.key_id);
    assert_eq!(plugin.provenance.sha256, bench.package().artifact.sha256);
    assert_eq!(
        registry.tools().map(|tool| tool.spec.name.as_str()).collect::<Vec<_>>(),
        ["core.echo", "core.sum"]
    );

    let marks = fs::read(bench.path().join("state/plugin-releases.json")).unwrap();
    let package = bench.package();
    assert_eq!(
        serde_json::from_slice::<Value>(&marks).unwrap(),
        json!({ "core": {
            "release": package.manifest.release,
            "version": package.manifest.version,
            "sha256": package.artifact.sha256,
        }})
    );
}

#[test]
fn a_plugin_that_did_not_change_goes_on_as_it_is() {
    let mut bench = Workbench::new();
    let host = Workbench::host();
    let instance = |bench: &Workbench| {
        let (registry, _) = bench.load(&host);
        registry.plugins().next().map(|plugin| plugin.instance.clone())
    };
    let first = instance(&bench).unwrap();
    assert!(Arc::ptr_eq(&first, &instance(&bench).unwrap()));

    bench.trusted().revoked = true;
    assert!(instance(&bench).is_none());
    bench.trusted().revoked = false;
    assert!(!Arc::ptr_eq(&first, &instance(&bench).unwrap()));
}

#[test]
fn other_bytes_under_a_version_that_ran_are_refused() {
    let bench = Workbench::new();
    let host = Workbench::host();
    assert_eq!(bench.load(&host).1, []);
    let mut longer = library().to_vec();
    longer.push(0);
    bench.replace_library(&longer);
    let version = bench.package().manifest.version;
    let release = bench.package().manifest.release;
    assert_eq!(
        bench.refusal(),
        format!(
            "plugin refused: plugins.d/core: its library is another one than that of version {version}, release {release}, which ran here, and it claims the same version; give a changed plugin a new version and a higher release, and sign it again [changed_under_same_version]"
        )
    );
}

#[test]
fn a_manifest_that_its_own_code_contradicts_is_refused() {
    let bench = Workbench::new();
    let mut package = bench.package();
    package.manifest.description = "Makes coffee.".to_owned();
    package.manifest.release += 1;
    bench.sign(&package);
    assert_eq!(
        bench.refusal(),
        "plugin refused: plugins.d/core: the library says of itself something else than plugin.json: `description` (signed `Makes coffee.`, the library says `Echoes text and adds numbers.`), `release`; sign the plugin again with `mcp-universal-server plugin sign`, which asks the library [manifest_differs]"
    );
    assert!(!bench.path().join("state").exists());
}

#[test]
fn a_library_that_would_take_the_server_down_does_not_reach_the_linker() {
    let bench = Workbench::new();
    bench.replace_library(&library()[..64 << 10]);
    assert_eq!(
        bench.refusal(),
        "plugin refused: plugins.d/core/libplugin_core.so: it will not be loaded: it is truncated; it does not tell the linker what to do; build it with the Rust toolchain's defaults for a `cdylib`, and sign it again [library_unsafe]"
    );
}

#[test]
fn a_library_without_a_plugin_is_refused() {
    let bench = Workbench::new();
    bench.replace_library(&no_plugin());
    assert_eq!(
        bench.refusal(),
        "plugin refused: plugins.d/core: it is a library without a plugin in it; export one with `plugin_api::export!` [no_plugin]"
    );
}

#[test]
fn a_library_that_needs_what_is_not_here_is_refused_before_its_first_call() {
    let bench = Workbench::new();
    bench.replace_library(&patched(b"\0pthread_key_create\0", b"\0pthread_key_creatf\0"));
    let refusal = bench.refusal();
    assert!(
        refusal.starts_with(
            "plugin refused: plugins.d/core: the dynamic linker refuses it: undefined symbol: pthread_key_creatf"
        ),
        "{refusal}"
    );
    assert!(refusal.ends_with("; build it on the oldest Linux it is to run on, without libraries that are missing here [library_unloadable]"));
}

#[test]
fn a_library_for_another_abi_is_refused_in_a_line() {
    let AbiHeader { magic_string, abi_major, abi_minor, .. } = AbiHeader::VALUE;
    let header = |magic: [u8; 32], minor: u32| {
        let mut header = magic.to_vec();
        header.extend(abi_major.to_ne_bytes());
        header.extend(minor.to_ne_bytes());
        header
    };
    let ours = header(magic_string, abi_minor);
    let rebuild = "build the plugin with the plugin-api of this server's version, and sign it again";
    for (library, message) in [
        (
            patched(&ours, &header(magic_string, 10)),
            format!(
                "it was built with abi_stable 0.10, this server with 0.{abi_minor}; {rebuild} [abi_mismatch]"
            ),
        ),
        (
            patched(&ours, &header([b'x'; 32], abi_minor)),
            format!("what it exports as its plugin is none; {rebuild} [no_plugin]"),
        ),
        (
            patched(b"describe;create;", b"describe;crreat;"),
            format!(
                "its binary interface is laid out differently: unexpected field; {rebuild} [abi_mismatch]"
            ),
        ),
    ] {
        let bench = Workbench::new();
        bench.replace_library(&library);
        assert_eq!(bench.refusal(), format!("plugin refused: plugins.d/core: {message}"));
    }
}

#[test]
fn one_plugin_in_two_folders_is_loaded_once_and_the_bundled_one_goes_first() {
    let mut bench = Workbench::new();
    let bundled = bench.path().join("bundled");
    fs::create_dir_all(bundled.join("core")).unwrap();
    for folder in [bundled.clone(), bundled.join("core")] {
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    }
    for file in fs::read_dir(bench.folder()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), bundled.join("core").join(file.file_name())).unwrap();
    }
    bench.settings.bundled_dir = Some(bundled.clone());
    let (registry, refusals) = bench.load(&Workbench::host());
    assert_eq!(registry.plugins().next().unwrap().provenance.folder, bundled.join("core"));
    let lines: Vec<_> = refusals.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [format!(
            "plugin refused: {}: plugin `core` is loaded already, from {}; remove one of the two",
            bench.folder().display(),
            bundled.join("core").display()
        )]
    );
}

#[tokio::test]
async fn a_server_runs_what_it_trusts_and_says_why_it_does_not_run_the_rest() {
    let bench = Workbench::new();
    let config = format!(
        r#"version: 1
server: {{ listen: "127.0.0.1:0" }}
plugins:
  dir: {plugins}
  bundled_dir: {nothing}
  trusted_keys:
    acme: {{ minisign: "{key}", plugins: ["core"], in_process: true }}
  entries:
    core: {{ isolation: {isolation} }}
tenants:
  research: {{ tools: ["*"] }}
agents:
  laptop: {{ tenant: research, token: "${{LAPTOP_TOKEN}}", tools: ["core.echo"] }}
"#,
        plugins = bench.path().join("plugins.d").display(),
        nothing = bench.path().join("none").display(),
        key = bench.keys.public_line,
        isolation = isolation().as_str(),
    );
    let open = bench.path().join("plugins.d/open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();

    let server = Server::start(&config);
    for era in ERAS {
        let client = Client::connect(&server, LAPTOP, era).await;
        assert_eq!(client.text("core.echo", json!({ "text": "signed by acme" })).await, "signed by acme");
    }
    let loaded = server.logged(|line| line["message"] == "plugin loaded").unwrap();
    assert_eq!(
        (&loaded["plugin"], &loaded["signer"], &loaded["key_id"], &loaded["isolation"]),
        (&json!("core"), &json!("acme"), &json!(bench.keys.key_id), &json!(isolation().as_str()))
    );
    let line = server.logged(|line| line["target"] == "plugin" && line["level"] == "ERROR").unwrap();
    assert_eq!(
        (&line["message"], &line["place"], &line["code"], &line["help"]),
        (
            &json!("plugin refused: group or others can write it (mode 0777)"),
            &json!(open),
            &json!("writable_by_others"),
            &json!("run `chmod go-w` on it, and look whether what it holds is what you put there"),
        )
    );
}

/// Some library that cargo built beside this test and that is no plugin.
fn no_plugin() -> Vec<u8> {
    let beside = std::env::current_exe().unwrap();
    let library =
        fs::read_dir(beside.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).find(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("libserde_derive-") && Path::new(name).extension().is_some_and(|it| it == "so")
        });
    fs::read(library.unwrap()).unwrap()
}

//! Plugins that come, change and go while a server runs.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

use crate::support::{
    REVIEWER, Server,
    client::{Client, ERAS, Era},
    eventually, eventually_async,
    testbench::{TOOLS, Testbench, build, replace},
};

const LIBRARY: &str = "libplugin_testbench.so";

async fn version(client: &Client) -> String {
    client.text("bench.version", json!({})).await
}

async fn version_is(client: &Client, wanted: &str) {
    eventually_async(&format!("version {wanted}"), || async {
        (version(client).await == wanted).then_some(())
    })
    .await;
}

/// The codes of all refusals of plugins that were logged, in their order.
fn refused(server: &Server) -> Vec<String> {
    let refused = |line: &Value| {
        let refused = line["message"].as_str()?.starts_with("plugin refused: ");
        refused.then(|| line["code"].as_str().unwrap().to_owned())
    };
    server.log().iter().filter_map(refused).collect()
}

fn wait_for_refusal(server: &Server, code: &str) {
    eventually(&format!("the refusal {code}"), || refused(server).iter().any(|it| it == code).then_some(()));
}

#[tokio::test]
async fn a_new_release_takes_new_calls_while_the_old_one_ends_those_it_has() {
    for era in ERAS {
        let bench = Testbench::in_process();
        let server = bench.start();
        let client = Client::connect(&server, REVIEWER, era).await;
        let first = client.text("bench.instance", json!({})).await;
        let held = bench.path().join("held");
        let slow = async {
            let slow = client.text("bench.hold", json!({ "file": held })).await;
            assert_eq!(slow, "1.0.1");
        };
        let swap = async {
            eventually_async("the call to begin", || async { held.exists().then_some(()) }).await;
            bench.install(&build(2));
            version_is(&client, "1.0.2").await;
            assert_ne!(client.text("bench.instance", json!({})).await, first);
            fs::remove_file(&held).unwrap();
        };
        tokio::join!(slow, swap);
        let line = eventually("the replacement to be logged", || {
            server.logged(|line| line["message"] == "plugin replaced")
        });
        assert_eq!(
            (
                &line["plugin"],
                &line["from_version"],
                &line["from_release"],
                &line["version"],
                &line["release"]
            ),
            (&json!("bench"), &json!("1.0.1"), &json!(1_000_001), &json!("1.0.2"), &json!(1_000_002))
        );
        assert_ne!(line["from_sha256"], line["sha256"]);
        assert_eq!(refused(&server), [""; 0]);
    }
}

#[tokio::test]
async fn a_release_that_is_no_good_leaves_the_old_one_serving() {
    type Spoil = fn(&Testbench, u32);
    let spoilt: [(&str, Spoil); 6] = [
        ("signature_invalid", |bench, _| {
            let manifest = bench.folder().join("plugin.json");
            let text = fs::read_to_string(&manifest).unwrap();
            fs::write(&manifest, text.replace("1.0.", "1.1.")).unwrap();
        }),
        ("key_unknown", |bench, release| {
            let stranger = Testbench::new();
            stranger.install(&build(release));
            for file in fs::read_dir(stranger.folder()).unwrap() {
                let file = file.unwrap();
                fs::copy(file.path(), bench.folder().join(file.file_name())).unwrap();
            }
        }),
        ("abi_mismatch", |bench, release| {
            let other = replace(&build(release), b"describe;create;", b"describe;crreat;");
            bench.install_unasked(&other, release);
        }),
        ("manifest_differs", |bench, release| bench.install_unasked(&build(release + 50), release)),
        ("changed_under_same_version", |bench, release| {
            let other = replace(&build(release - 1), b"Does what tests need.", b"Does what tests hate.");
            bench.install(&other);
        }),
        ("downgrade", |bench, _| bench.install(&build(1))),
    ];
    let bench = Testbench::new();
    let server = bench.start();
    let client = Client::connect(&server, REVIEWER, Era::Session).await;
    for (release, (code, spoil)) in (2..).zip(spoilt) {
        let instance = client.text("bench.instance", json!({})).await;
        spoil(&bench, release);
        wait_for_refusal(&server, code);
        assert_eq!(client.text("bench.instance", json!({})).await, instance, "{code}");
        bench.install(&build(release));
        version_is(&client, &format!("1.0.{release}")).await;
    }
}

#[tokio::test]
async fn a_release_that_does_not_start_leaves_the_old_one_serving() {
    for (start, said) in [
        (
            "fails",
            "plugin refused: plugin `bench` does not start: the configuration of plugin `bench` cannot be used: it was told to fail; release 1000001 of `bench` goes on",
        ),
        (
            "panics",
            "plugin refused: plugin `bench` does not start: it was told to panic; release 1000001 of `bench` goes on",
        ),
        (
            "hangs",
            "plugin refused: plugin `bench` does not start: still busy after 10 s; release 1000001 of `bench` goes on",
        ),
        (
            "aborts",
            "plugin refused: plugin `bench` does not start: its library ended the process that tried it (signal 6, SIGABRT); release 1000001 of `bench` goes on",
        ),
        (
            "exits",
            "plugin refused: plugin `bench` does not start: its library ended the process that tried it (exit code 3); release 1000001 of `bench` goes on",
        ),
    ] {
        let bench = Testbench::new();
        let server = Server::start(&bench.config(&format!("{{ start: {start}, only: 1.0.2 }}")));
        let client = Client::connect(&server, REVIEWER, Era::Session).await;
        let instance = client.text("bench.instance", json!({})).await;
        bench.install(&build(2));
        eventually("the refusal", || server.logged(|line| line["message"] == said));
        assert_eq!(client.text("bench.instance", json!({})).await, instance);
        bench.install(&build(3));
        version_is(&client, "1.0.3").await;
        // Told once, although a load came after it.
        assert_eq!(refused(&server).len(), 1);
    }
}

#[tokio::test]
async fn a_trial_ends_with_its_server() {
    let bench = Testbench::in_process();
    let attempts = bench.path().join("attempts");
    let config = bench.config(&format!("{{ start: hangs, only: 1.0.2, attempts: {} }}", attempts.display()));
    let mut server = Server::start(&config);
    let before = fs::read_to_string(&attempts).unwrap();
    bench.install(&build(2));
    let process = eventually("the trial", || {
        let now = fs::read_to_string(&attempts).unwrap();
        now.strip_prefix(&before)?.strip_suffix('\n').map(|it| Path::new("/proc").join(it))
    });
    let command = || fs::read_to_string(process.join("cmdline")).unwrap_or_default();
    assert_eq!(command(), "mcp-universal-server\0plugin\0trial\0");
    server.signal("-KILL");
    server.ended();
    eventually("the trial to end", || command().is_empty().then_some(()));
}

/// Copies a signed release piece by piece. In between, the old one must serve.
async fn copied(files: &[(&str, Half, Option<&str>)]) -> Vec<String> {
    let bench = Testbench::new();
    let server = bench.start();
    let client = Client::connect(&server, REVIEWER, Era::Session).await;
    let out = bench.path().join("out");
    fs::create_dir(&out).unwrap();
    bench.sign(&build(2), &out);
    for (file, half, refusal) in files {
        assert_eq!(version(&client).await, "1.0.1");
        let bytes = fs::read(out.join("bench").join(file)).unwrap();
        let bytes = if *half == Half::Only { &bytes[..bytes.len() / 2] } else { &bytes };
        fs::write(bench.folder().join(file), bytes).unwrap();
        if let Some(code) = refusal {
            wait_for_refusal(&server, code);
        }
    }
    version_is(&client, "1.0.2").await;
    refused(&server)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Only,
    AndTheRest,
}

#[tokio::test]
async fn a_copy_in_any_order_takes_over_when_it_is_complete() {
    use Half::{AndTheRest, Only};

    let refusals = copied(&[
        ("plugin.json", AndTheRest, Some("signature_invalid")),
        ("plugin.json.minisig", AndTheRest, Some("library_changed")),
        (LIBRARY, Only, None),
        (LIBRARY, AndTheRest, None),
    ])
    .await;
    assert_eq!(refusals, ["signature_invalid", "library_changed"]);

    let refusals = copied(&[
        (LIBRARY, Only, Some("library_changed")),
        (LIBRARY, AndTheRest, None),
        ("plugin.json", AndTheRest, Some("signature_invalid")),
        ("plugin.json.minisig", AndTheRest, None),
    ])
    .await;
    assert_eq!(refusals, ["library_changed", "signature_invalid"]);
}

#[tokio::test]
async fn a_plugin_comes_with_its_folder_and_goes_with_it() {
    let bench = Testbench::new();
    let aside = bench.path().join("aside");
    fs::rename(bench.folder(), &aside).unwrap();
    let server = bench.start();
    let client = Client::connect(&server, REVIEWER, Era::Stateless).await;
    assert_eq!(client.tools().await, ["core.echo"]);

    fs::rename(&aside, bench.folder()).unwrap();
    eventually_async("the tools", || async { (client.tools().await.len() == TOOLS.len() + 1).then_some(()) })
        .await;
    assert_eq!(version(&client).await, "1.0.1");

    fs::remove_dir_all(bench.folder()).unwrap();
    eventually_async("the tools to go", || async { (client.tools().await == ["core.echo"]).then_some(()) })
        .await;
    let line = eventually("the log line", || server.logged(|line| line["message"] == "plugin removed"));
    assert_eq!((&line["plugin"], &line["version"]), (&json!("bench"), &json!("1.0.1")));
    assert!(client.call("bench.version", json!({})).await.is_err());
}

#[tokio::test]
async fn a_folder_of_plugins_may_be_made_later() {
    let bench = Testbench::new();
    let aside = bench.path().join("aside");
    fs::rename(bench.plugins(), &aside).unwrap();
    let server = bench.start();
    let client = Client::connect(&server, REVIEWER, Era::Stateless).await;
    assert_eq!(client.tools().await, ["core.echo"]);
    run("cp -r \"$1\" \"$2\"", &aside, &bench.plugins());
    eventually_async("the tools", || async { (client.tools().await.len() == TOOLS.len() + 1).then_some(()) })
        .await;
}

#[tokio::test]
async fn it_does_not_matter_what_a_release_is_copied_with() {
    let ways = ["cp -r \"$1/bench\" \"$2\"", "tar c -C \"$1\" bench | tar x -C \"$2\""];
    let bench = Testbench::new();
    let server = bench.start();
    let client = Client::connect(&server, REVIEWER, Era::Session).await;
    for (release, way) in (2..).zip(ways) {
        let out = bench.path().join(format!("out-{release}"));
        fs::create_dir(&out).unwrap();
        bench.sign(&build(release), &out);
        run(way, &out, &bench.plugins());
        version_is(&client, &format!("1.0.{release}")).await;
    }
    let gone = server.logged(|line| line["message"] == "plugin removed");
    assert_eq!(gone, None);
}

/// Runs a line of shell with two folders.
fn run(line: &str, from: &Path, to: &Path) {
    let output = Command::new("sh").args(["-c", line, "sh"]).args([from, to]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

//! What a plugin tries that it may not.

use serde_json::json;
use server_core::settings::Isolation;

use super::{reviewer, serve};
use crate::support::testbench::{Testbench, build_that_attacks};

const DENIED: &str = "Permission denied (os error 13)";
const REFUSED: &str = "Operation not permitted (os error 1)";

#[tokio::test]
async fn the_kernel_refuses_what_a_plugin_tries() {
    let (_bench, server) = serve("{}");
    let client = reviewer(&server).await;
    for (way, found) in [
        ("read", REFUSED),
        ("list", REFUSED),
        ("stat", REFUSED),
        ("write", REFUSED),
        ("connect", REFUSED),
        ("udp", REFUSED),
        ("unix", REFUSED),
        ("datagram", REFUSED),
        ("exec", REFUSED),
        ("fork", REFUSED),
        ("kill", REFUSED),
        ("tgkill", REFUSED),
        ("environ", REFUSED),
        ("maps", REFUSED),
        ("memfd", REFUSED),
        ("executable", REFUSED),
        ("shared", REFUSED),
        ("limits", REFUSED),
        ("dumpable", REFUSED),
        ("root", REFUSED),
        ("filter", REFUSED),
        ("variables", "0"),
        ("descriptors", "device pipe pipe file socket"),
    ] {
        assert_eq!(client.text("bench.attack", json!({ "way": way })).await, found, "{way}");
    }
}

#[tokio::test]
async fn a_constructor_is_confined_too() {
    let bench = Testbench::isolated(Isolation::Process);
    bench.install_unasked(&build_that_attacks(2), 2);
    let server = bench.start();
    let client = reviewer(&server).await;
    let found = client.text("bench.constructed", json!({})).await;
    let expected = [
        ("read", DENIED),
        ("list", DENIED),
        ("write", REFUSED),
        ("connect", REFUSED),
        ("udp", REFUSED),
        ("unix", REFUSED),
        ("exec", REFUSED),
        ("fork", REFUSED),
        ("kill", REFUSED),
        ("environ", DENIED),
    ];
    let expected: Vec<_> = expected.iter().map(|(way, found)| format!("{way}: {found}")).collect();
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
}

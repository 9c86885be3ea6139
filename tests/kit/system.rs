//! `docs/write-a-plugin.md`, typed in an empty folder with the program, cargo,
//! crates.io and curl.

use std::net::TcpListener;

use super::page::{Reader, steps};
use crate::support::PROGRAM;

const PAGE: &str = include_str!("../../docs/write-a-plugin.md");

/// An address that nobody listens on, for a page that has to name one.
fn free() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
#[ignore = "it builds a plugin from crates.io, and calls it with curl: `cargo xtask test --system`"]
fn whoever_types_what_the_page_says_ships_a_plugin() {
    let (author, operator) = (free(), free());
    let page = PAGE.replace("127.0.0.1:8090", &author).replace("127.0.0.1:8080", &operator);
    let mut reader = Reader::new(PROGRAM.as_ref(), |shell| {
        shell.env("MCP_LISTEN", &author);
    });
    let steps = steps(&page);
    let calls = steps.iter().filter(|step| step.typed.starts_with("call ")).count();
    assert!(calls == 3 && steps.len() > 15, "{steps:?}");
    steps.iter().for_each(|step| reader.follow(step));
    assert!(reader.folder().join("hello/signed/hello/plugin.json.minisig").exists());
}

//! End-to-end tests: they start the program that an operator starts, speak to
//! it over HTTP as clients do, and read what it logs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect; failing is how they say it is not so"
)]

mod support;

mod admin;
mod audit;
mod calls;
mod cli;
mod diff;
mod editors;
mod egress;
mod every_key;
mod include;
mod limits;
mod llm;
mod logging;
mod mcp;
mod plugins;
mod plugins_live;
mod proxies;
mod readme;
mod redaction;
mod reload;
mod reload_files;
mod reload_model;
mod reload_start;
mod reload_survives;
mod revocation;
mod stores;
mod supervisor;
mod transport;
mod workers;

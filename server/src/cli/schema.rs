//! `schema`.

use std::io::Write;

use server_core::config;

use crate::cli::Failure;

pub(super) fn run(out: &mut dyn Write) -> Result<(), Failure> {
    let schema = serde_json::to_string_pretty(&config::schema()).map_err(Failure::failed)?;
    writeln!(out, "{schema}").map_err(Failure::failed)
}

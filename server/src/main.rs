//! The program. See `mcp-universal-server --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mcp_universal_server::cli::run(std::env::args_os())
}

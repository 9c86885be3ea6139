//! The program. See `mcp-universal-server --help`.

use std::process::ExitCode;

use allocator::Allocator;

mod allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    mcp_universal_server::cli::run(std::env::args_os())
}

//! The program. See `mcp-universal-server --help`.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A large configuration is millions of small pieces, and calls are many: with
/// the C library's allocator, a third of both was spent on finding room.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    mcp_universal_server::cli::run(std::env::args_os())
}

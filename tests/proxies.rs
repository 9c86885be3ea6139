//! The reverse proxies that `deploy/` has a configuration for, as it has it but for
//! ports and paths.

mod certificates;
mod system;

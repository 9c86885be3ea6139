//! Tells the crate which machine it is built for: plugins must be built for the same.

use std::{env, error::Error, io::Write};

fn main() -> Result<(), Box<dyn Error>> {
    let target = env::var("TARGET")?;
    writeln!(std::io::stdout(), "cargo::rerun-if-changed=build.rs\ncargo::rustc-env=SERVER_TARGET={target}")?;
    Ok(())
}

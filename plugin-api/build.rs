//! Tells the crate which machine it is built for; a manifest says so.

use std::{env, error::Error, io::Write};

fn main() -> Result<(), Box<dyn Error>> {
    let target = env::var("TARGET")?;
    writeln!(std::io::stdout(), "cargo::rerun-if-changed=build.rs\ncargo::rustc-env=PLUGIN_TARGET={target}")?;
    Ok(())
}

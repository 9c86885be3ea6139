//! What every server here runs with: the configuration, and the plugin that the
//! conformance suite asks for, signed with a key that is then thrown away.

use std::{fs, io, path::Path};

use tempfile::TempDir;

use crate::{
    Failure,
    cargo::{self, Profile},
    stage,
};

/// The package is `plugin-conformance`.
const PLUGIN: &str = "conformance";

/// The plugin's folder, gone when this is, and the configuration that names it.
pub(super) struct Fixture {
    pub(super) config: String,
    _folder: TempDir,
}

impl Fixture {
    /// Builds and signs the plugin, and completes this configuration.
    pub(super) fn complete(config: &Path) -> Result<Self, Failure> {
        let built = cargo::build(Profile::Dev, &[PLUGIN], &[])?;
        let signing = |error: io::Error| format!("cannot sign the plugin `{PLUGIN}`: {error}");
        let folder = TempDir::new().map_err(signing)?;
        let plugins = stage::sign(&built.server, &built.more, folder.path(), "plugins.d").map_err(signing)?;
        let key = fs::read_to_string(plugins.join(stage::KEY)).map_err(signing)?;
        let config = fs::read_to_string(config)
            .map_err(|error| format!("cannot read {}: {error}", config.display()))?
            .replace("PLUGINS", &plugins.display().to_string())
            .replace("KEY", key.lines().nth(1).unwrap_or_default());
        Ok(Self { config, _folder: folder })
    }
}

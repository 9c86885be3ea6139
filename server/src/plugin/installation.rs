//! Where this installation keeps the plugins that come with the server.

use std::path::{Path, PathBuf};

use server_core::settings::PluginSettings;

const FOLDER: &str = "bundled-plugins";
const KEY: &str = "bundled.pub";

/// The environment's and the program's own word on it.
#[derive(Clone, Debug, Default)]
pub struct Installation {
    /// `MCP_BUNDLED_DIR`.
    pub dir: Option<PathBuf>,
    /// `MCP_BUNDLED_KEY`.
    pub key: Option<PathBuf>,
    /// The running program.
    pub program: Option<PathBuf>,
}

impl Installation {
    /// This process's.
    #[must_use]
    pub fn of_this_process() -> Self {
        let path = |name| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
        Self {
            dir: path("MCP_BUNDLED_DIR"),
            key: path("MCP_BUNDLED_KEY"),
            program: std::env::current_exe().ok(),
        }
    }

    /// The folder of the bundled plugins: the configuration's, the environment's,
    /// beside the program, or in its `lib`.
    pub(crate) fn folder(&self, settings: &PluginSettings) -> PathBuf {
        if let Some(dir) = settings.bundled_dir.as_ref().or(self.dir.as_ref()) {
            return dir.clone();
        }
        let beside = self.program.as_deref().and_then(Path::parent).unwrap_or(Path::new("."));
        let folder = beside.join(FOLDER);
        let lib = beside.parent().map(|prefix| prefix.join("lib/mcp-universal-server").join(FOLDER));
        match lib {
            Some(lib) if !folder.is_dir() && lib.is_dir() => lib,
            _ => folder,
        }
    }

    /// The public key they are signed with: the environment's, or beside them.
    pub(crate) fn key(&self, folder: &Path) -> PathBuf {
        self.key.clone().unwrap_or_else(|| folder.join(KEY))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_nearest_word_on_the_folder_counts() {
        let prefix = tempfile::tempdir().unwrap();
        let prefix = prefix.path();
        let of_program = Installation {
            program: Some(prefix.join("bin/mcp-universal-server")),
            ..Installation::default()
        };
        let settings = PluginSettings::default();
        let (beside, lib) =
            (prefix.join("bin/bundled-plugins"), prefix.join("lib/mcp-universal-server/bundled-plugins"));
        assert_eq!(of_program.folder(&settings), beside);
        fs::create_dir_all(&lib).unwrap();
        assert_eq!(of_program.folder(&settings), lib);
        fs::create_dir_all(&beside).unwrap();
        assert_eq!(of_program.folder(&settings), beside);

        let named = Installation { dir: Some("/env".into()), ..of_program };
        assert_eq!(named.folder(&settings), Path::new("/env"));
        let settings = PluginSettings { bundled_dir: Some("/config".into()), ..settings };
        assert_eq!(named.folder(&settings), Path::new("/config"));
    }

    #[test]
    fn the_key_lies_beside_the_plugins_unless_the_environment_says_otherwise() {
        let plain = Installation::default();
        assert_eq!(plain.key(Path::new("/lib/p")), Path::new("/lib/p/bundled.pub"));
        let named = Installation { key: Some("/etc/key.pub".into()), ..plain };
        assert_eq!(named.key(Path::new("/lib/p")), Path::new("/etc/key.pub"));
    }
}

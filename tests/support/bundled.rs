//! The bundled plugins, signed as an installation has them.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use super::PROGRAM;

const NAMES: [&str; 7] = ["about", "core", "database", "files", "http", "llm", "prompts"];

/// A folder with the bundled plugins and their public key, made once for every
/// build of them.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(stage)
}

/// A library that cargo built beside this test program.
pub(crate) fn library(package: &str) -> PathBuf {
    let path =
        std::env::current_exe().unwrap().with_file_name(format!("lib{}.so", package.replace('-', "_")));
    assert!(path.exists(), "cargo should have built {}", path.display());
    path
}

fn stage() -> PathBuf {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = parent.join(format!("bundled-{:016x}", version()));
    if folder.exists() {
        return folder;
    }
    let aside = tempfile::tempdir_in(parent).unwrap();
    fs::set_permissions(aside.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let run = |arguments: &[&std::ffi::OsStr]| {
        let output = Command::new(PROGRAM).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let key = aside.path().join("bundled");
    run(&["plugin".as_ref(), "keygen".as_ref(), key.as_ref(), "--no-password".as_ref()]);
    let secret = key.with_extension("key");
    for name in NAMES {
        let library = library(&format!("plugin-{name}"));
        let out = aside.path().join(name);
        run(&[
            "plugin".as_ref(),
            "sign".as_ref(),
            library.as_ref(),
            "--key".as_ref(),
            secret.as_ref(),
            "--out".as_ref(),
            out.as_ref(),
        ]);
    }
    fs::remove_file(secret).unwrap();
    for old in fs::read_dir(parent).unwrap().map_while(Result::ok) {
        if old.file_name().to_string_lossy().starts_with("bundled-") {
            let _ = fs::remove_dir_all(old.path());
        }
    }
    // Another test process may have been faster; then its folder is as good.
    if fs::rename(aside.path(), &folder).is_ok() {
        let _ = aside.keep();
    }
    assert!(folder.exists());
    folder
}

/// Changes with every build of the program and the plugins.
fn version() -> u64 {
    let mut hasher = DefaultHasher::new();
    let libraries = NAMES.map(|name| library(&format!("plugin-{name}")));
    for path in libraries.iter().map(PathBuf::as_path).chain([Path::new(PROGRAM)]) {
        let metadata = fs::metadata(path).unwrap();
        (metadata.len(), metadata.modified().unwrap()).hash(&mut hasher);
    }
    hasher.finish()
}

//! Where an author's builds end up.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use serde_json::Value;

/// A library that is built again and again.
pub(super) struct Library {
    folders: Vec<PathBuf>,
    /// Its file's name, where cargo has said so; else any `.so` is meant.
    file: Option<OsString>,
}

/// One build of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Built {
    pub(super) path: PathBuf,
    modified: SystemTime,
    inode: u64,
    size: u64,
}

impl Library {
    /// The library of a crate, or the one in a folder. `build`: a crate is built now,
    /// as it was built last.
    pub(super) fn of(folder: &Path, build: bool) -> Result<Self, String> {
        if !folder.is_dir() {
            return Err(format!("{}: there is no such folder", folder.display()));
        }
        let manifest = folder.join("Cargo.toml");
        if !manifest.is_file() {
            return Ok(Self { folders: vec![folder.to_owned()], file: None });
        }
        let Some((target, file)) = ask_cargo(&manifest)? else {
            let target = folder.join("target");
            let library = Self { folders: profiles(&target), file: None };
            return library.newest().map(|_| library).map_err(|error| {
                format!("cargo, which could build the plugin, is not installed here, and {error}")
            });
        };
        let library = Self { folders: profiles(&target), file: Some(file) };
        if build {
            library.build(&manifest)?;
        }
        Ok(library)
    }

    /// The build that was made last.
    pub(super) fn newest(&self) -> Result<Built, String> {
        let entries = self.folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
        let files = entries.map_while(Result::ok).map(|entry| entry.path());
        let ours = files.filter(|path| match &self.file {
            Some(file) => path.file_name() == Some(file),
            None => path.extension().is_some_and(|extension| extension == "so"),
        });
        let built = ours.filter_map(|path| {
            let metadata = fs::metadata(&path).ok()?;
            let modified = metadata.modified().ok()?;
            Some(Built { path, modified, inode: metadata.ino(), size: metadata.len() })
        });
        built.max_by_key(|built| built.modified).ok_or_else(|| {
            let folders: Vec<_> = self.folders.iter().map(|folder| folder.display().to_string()).collect();
            format!("there is no plugin's `.so` in {}: build it first", folders.join(" or "))
        })
    }

    fn build(&self, manifest: &Path) -> Result<(), String> {
        let is_release =
            self.newest().is_ok_and(|built| built.path.parent().is_some_and(|it| it.ends_with("release")));
        let mut cargo = Command::new("cargo");
        cargo.arg("build").args(is_release.then_some("--release")).arg("--manifest-path").arg(manifest);
        let status = cargo.stdin(Stdio::null()).status().map_err(|error| format!("cargo: {error}"))?;
        if status.success() { Ok(()) } else { Err("the plugin does not build".to_owned()) }
    }
}

/// Where cargo puts what it builds, by profile.
fn profiles(target: &Path) -> Vec<PathBuf> {
    ["debug", "release"].map(|profile| target.join(profile)).to_vec()
}

/// The target folder of a crate, and the name of its library. `None`: there is no
/// cargo.
fn ask_cargo(manifest: &Path) -> Result<Option<(PathBuf, OsString)>, String> {
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"])
        .arg(manifest)
        .output();
    let output = match output {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        output => output.map_err(|error| format!("cargo: {error}"))?,
    };
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let metadata: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo: {error}"))?;
    let target = metadata.get("target_directory").and_then(Value::as_str);
    let target = target.ok_or("cargo does not say where it builds")?;
    let place = manifest.canonicalize().map_err(|error| format!("{}: {error}", manifest.display()))?;
    let name = library(&metadata, &place).ok_or_else(|| {
        format!("{}: it makes no plugin: add `[lib]` with `crate-type = [\"cdylib\"]`", manifest.display())
    })?;
    Ok(Some((target.into(), format!("lib{}.so", name.replace('-', "_")).into())))
}

/// The name of the library for others than Rust that the manifest at `place` makes.
fn library<'m>(metadata: &'m Value, place: &Path) -> Option<&'m str> {
    let list = |value: &'m Value, key| value.get(key).and_then(Value::as_array);
    let packages = list(metadata, "packages")?;
    let ours = packages.iter().find(|package| {
        package.get("manifest_path").and_then(Value::as_str).is_some_and(|path| Path::new(path) == place)
    })?;
    let target = list(ours, "targets")?.iter().find(|target| {
        list(target, "crate_types").is_some_and(|types| types.iter().any(|it| it == "cdylib"))
    })?;
    target.get("name").and_then(Value::as_str)
}

//! Builds the server and puts the bundled plugins, signed, beside it.
//!
//! The key that signs them exists while they are signed, and in no place that
//! others can read.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::{
    Failure,
    cargo::{self, Built, Profile},
};

mod stamp;

/// The folder beside the executable that the server loads bundled plugins from.
const BUNDLED: &str = "bundled-plugins";

/// The file among signed plugins with the public half of the key that signed them.
pub(crate) const KEY: &str = "bundled.pub";

/// Builds and stages; answers with the server's executable.
pub(crate) fn run(profile: Profile) -> Result<PathBuf, Failure> {
    let built = cargo::build(profile, &[], &[])?;
    beside(&built)?;
    Ok(built.server)
}

/// Stages what was built beside the server.
pub(crate) fn beside(built: &Built) -> Result<(), Failure> {
    let home = built.server.parent().unwrap_or(Path::new("."));
    stage(built, home)
        .map_err(|error| format!("cannot stage the bundled plugins in {}: {error}", home.display()))
}

fn stage(built: &Built, home: &Path) -> io::Result<()> {
    let lock = File::create(home.join(".stage.lock"))?;
    lock.lock()?;

    let place = home.join(BUNDLED);
    let recorded = home.join(".stage.stamp");
    if fs::read_to_string(&recorded).is_ok_and(|it| stamp::of(built, &place).is_ok_and(|now| now == it)) {
        return Ok(());
    }
    let scratch = Scratch::new(home.join(".stage"))?;
    let fresh = sign(&built.server, &built.plugins, &scratch.0, BUNDLED)?;
    swap(&fresh, &place, &scratch.0.join("old"))?;
    fs::write(recorded, stamp::of(built, &place)?)
}

/// Signs the plugins into an installation, with a key of its own.
pub(crate) fn sign_into(server: &Path, plugins: &[PathBuf], home: &Path) -> io::Result<()> {
    let scratch = Scratch::new(home.join(".stage"))?;
    fs::rename(sign(server, plugins, &scratch.0, BUNDLED)?, home.join(BUNDLED))
}

/// A folder that is gone when this is, with all that is in it.
struct Scratch(PathBuf);

impl Scratch {
    /// Nobody else may look into it: the key is in there.
    fn new(path: PathBuf) -> io::Result<Self> {
        if path.exists() {
            // A run that was killed left it.
            fs::remove_dir_all(&path)?;
        }
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Signs every plugin into a folder of this name in `scratch`, with a new key whose
/// public half is put there too.
pub(crate) fn sign(server: &Path, plugins: &[PathBuf], scratch: &Path, name: &str) -> io::Result<PathBuf> {
    let fresh = scratch.join(name);
    fs::create_dir(&fresh)?;
    run_server(server, scratch, &["plugin", "keygen", "bundled", "--no-password"], None)?;
    for plugin in plugins {
        run_server(
            server,
            scratch,
            &["plugin", "sign", "--key", "bundled.key", "--out", name],
            Some(plugin),
        )?;
    }
    fs::remove_file(scratch.join("bundled.key"))?;
    fs::rename(scratch.join(KEY), fresh.join(KEY))?;
    readable(&fresh)?;
    Ok(fresh)
}

/// Runs a command of the server that was just built.
fn run_server(server: &Path, folder: &Path, arguments: &[&str], file: Option<&Path>) -> io::Result<()> {
    let mut command = Command::new(server);
    command.args(arguments).args(file).current_dir(folder).stdin(Stdio::null());
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let file = file.map(|it| format!(" {}", it.display())).unwrap_or_default();
    Err(io::Error::other(format!("`{}{file}` failed: {}", arguments.join(" "), said.trim())))
}

/// All may read and only the owner may write, whatever the umask: the server may
/// run as another user, and loads nothing that others could have changed.
fn readable(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        return fs::set_permissions(path, Permissions::from_mode(0o644));
    }
    fs::set_permissions(path, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(path)? {
        readable(&entry?.path())?;
    }
    Ok(())
}

/// Puts `fresh` in the place of what is there, in one step where the file system
/// can exchange two names: a running server sees all of the one or all of the
/// other.
fn swap(fresh: &Path, place: &Path, old: &Path) -> io::Result<()> {
    if !place.exists() {
        return fs::rename(fresh, place);
    }
    renameat_with(CWD, fresh, CWD, place, RenameFlags::EXCHANGE).or_else(|_| {
        fs::rename(place, old)?;
        fs::rename(fresh, place)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::*;

    /// A program cannot be started while it is open for writing, which it is for a
    /// moment in whatever process another test starts meanwhile.
    fn alone() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A server that keeps what it is told to sign, and the plugins to sign.
    fn built(home: &Path) -> Built {
        let server = home.join("server");
        let script = r#"#!/bin/sh
            umask 077
            case "$2" in
                keygen) echo secret > "$3.key"; date +%N > "$3.pub" ;;
                sign) test -f "$4" && name=$(basename "$7" .so) && mkdir "$6/$name" && cp "$7" "$6/$name/" && echo "$name" >> "$HOME/signed" ;;
            esac"#;
        fs::write(&server, script.replace("$HOME", &home.display().to_string())).unwrap();
        fs::set_permissions(&server, Permissions::from_mode(0o755)).unwrap();
        let plugins = ["about.so", "core.so"].map(|name| home.join(name));
        for plugin in &plugins {
            fs::write(plugin, "code").unwrap();
        }
        Built { server, plugins: plugins.to_vec(), ..Built::default() }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names = fs::read_dir(folder)
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect::<Vec<_>>();
        names.sort();
        names
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_staged_is_signed_and_readable_and_the_key_is_gone() {
        let _alone = alone();
        let home = tempfile::tempdir().unwrap();
        stage(&built(home.path()), home.path()).unwrap();

        let place = home.path().join(BUNDLED);
        assert_eq!(names(&place), ["about", "bundled.pub", "core"]);
        assert_eq!(names(&place.join("core")), ["core.so"]);
        assert_eq!([mode(&place), mode(&place.join("core"))], [0o755, 0o755]);
        assert_eq!([mode(&place.join("bundled.pub")), mode(&place.join("core/core.so"))], [0o644, 0o644]);
        assert!(!home.path().join(".stage").exists());
    }

    #[test]
    fn nothing_is_signed_again_until_something_changed() {
        let _alone = alone();
        let home = tempfile::tempdir().unwrap();
        let built = built(home.path());
        let signed = || fs::read_to_string(home.path().join("signed")).unwrap().lines().count();
        stage(&built, home.path()).unwrap();
        stage(&built, home.path()).unwrap();
        assert_eq!(signed(), 2);

        fs::write(home.path().join("core.so"), "other code").unwrap();
        stage(&built, home.path()).unwrap();
        assert_eq!(signed(), 4);
        assert_eq!(
            fs::read_to_string(home.path().join("bundled-plugins/core/core.so")).unwrap(),
            "other code"
        );

        fs::write(home.path().join("bundled-plugins/core/core.so"), "someone else's").unwrap();
        stage(&built, home.path()).unwrap();
        assert_eq!(
            fs::read_to_string(home.path().join("bundled-plugins/core/core.so")).unwrap(),
            "other code"
        );
    }

    #[test]
    fn a_plugin_that_cannot_be_signed_leaves_everything_as_it_was() {
        let _alone = alone();
        let home = tempfile::tempdir().unwrap();
        let built = built(home.path());
        stage(&built, home.path()).unwrap();
        let key = fs::read(home.path().join("bundled-plugins/bundled.pub")).unwrap();

        fs::write(
            home.path().join("server"),
            "#!/bin/sh\ncase $2 in sign) echo no such luck >&2; exit 1 ;; esac\n",
        )
        .unwrap();
        let failure = stage(&built, home.path()).unwrap_err().to_string();

        let about = home.path().join("about.so");
        assert_eq!(
            failure,
            format!(
                "`plugin sign --key bundled.key --out bundled-plugins {}` failed: no such luck",
                about.display()
            )
        );
        assert_eq!(fs::read(home.path().join("bundled-plugins/bundled.pub")).unwrap(), key);
        assert!(!home.path().join(".stage").exists());
    }
}

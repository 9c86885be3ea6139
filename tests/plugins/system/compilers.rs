//! Plugins of other compilers, and with other versions of what they are built from.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::{
    super::{veteran, workbench::Workbench},
    run,
};

/// Where what takes long to get and to build is kept from one run to the next.
const KEPT: &str = env!("CARGO_TARGET_TMPDIR");

/// The oldest compiler of Rust's that Debian has beside its own, for web browsers. It is
/// unpacked, not installed, so that it gets in nobody's way.
fn oldest_compiler() -> PathBuf {
    let versions = said(Command::new("apt-cache").args(["madison", "rustc-web"]));
    let version = versions.lines().last().unwrap().split('|').nth(1).unwrap().trim().to_owned();
    let folder = Path::new(KEPT).join(format!("rustc-web-{version}"));
    let compiler = folder.join("rustc");
    if compiler.exists() {
        return compiler;
    }
    let aside = tempfile::tempdir_in(KEPT).unwrap();
    let wanted = ["rustc-web", "libstd-rust-web-dev"].map(|name| format!("{name}={version}"));
    let plan = said(
        Command::new("apt-get").args(["install", "--simulate", "--no-install-recommends"]).args(&wanted),
    );
    // `Inst libllvm19 (1:19.1.7-3 Debian:12.15/oldstable [amd64])`
    let packages = plan.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
        Some(format!("{name}={}", rest.trim_start_matches('(').split(' ').next()?))
    });
    said(Command::new("apt-get").arg("download").args(packages).current_dir(aside.path()));
    for package in fs::read_dir(aside.path()).unwrap().map(|entry| entry.unwrap().path()) {
        said(Command::new("dpkg-deb").arg("--extract").args([&package, &aside.path().join("root")]));
        fs::remove_file(package).unwrap();
    }
    let usr = folder.join("root/usr");
    let usr = usr.display();
    let script = format!(
        "#!/bin/sh\nfor llvm in {usr}/lib/llvm-*/lib; do :; done\n\
         LD_LIBRARY_PATH={usr}/lib/x86_64-linux-gnu:$llvm exec {usr}/bin/rustc --sysroot {usr} \"$@\"\n"
    );
    fs::write(aside.path().join("rustc"), script).unwrap();
    said(Command::new("chmod").arg("+x").arg(aside.path().join("rustc")));
    fs::rename(aside.keep(), &folder).unwrap();
    compiler
}

/// What a command prints that must succeed.
fn said(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(status.success(), "{command:?}: {}{}", text(&stdout), text(&stderr));
    text(&stdout)
}

/// The crate of the plugin `veteran`, with other dependencies.
fn sources(dependencies: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::copy(veteran::data("src/lib.rs"), folder.path().join("src/lib.rs")).unwrap();
    let api = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-api").canonicalize().unwrap();
    let manifest = fs::read_to_string(veteran::data("Cargo.toml")).unwrap();
    let manifest = manifest.replace("../../../plugin-api", api.to_str().unwrap());
    let manifest = manifest.replace("[dependencies]\n", &format!("[dependencies]\n{dependencies}"));
    fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    folder
}

fn cargo(folder: &Path, target: &str) -> Command {
    let mut command = Command::new(env!("CARGO"));
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(name);
    }
    command.current_dir(folder).env("CARGO_TARGET_DIR", Path::new(KEPT).join(target));
    command
}

#[tokio::test]
#[ignore = "needs apt and crates.io"]
async fn a_plugin_of_an_older_compiler_and_older_dependencies_loads_and_works() {
    let compiler = oldest_compiler();
    let version = said(Command::new(&compiler).arg("--version"));
    let ours = said(Command::new(Path::new(env!("CARGO")).with_file_name("rustc")).arg("--version"));
    assert_ne!(version, ours);
    // Others than in this project's lock.
    let folder = sources("serde_json = \"=1.0.140\"\nsemver = \"=1.0.20\"\nthiserror = \"=2.0.3\"\n");
    said(cargo(folder.path(), "older").env("RUSTC", &compiler).arg("build"));

    let bench = Workbench::new();
    let library = Path::new(KEPT).join("older/debug/libveteran.so");
    let plugins = bench.path().join("plugins.d");
    let (library, out) = (library.to_str().unwrap(), plugins.to_str().unwrap());
    run(bench.path(), &["sign", library, "--key", "acme.key", "--out", out], "");
    let inspected = run(bench.path(), &["inspect", plugins.join("veteran").to_str().unwrap()], "");
    let number = version.split(' ').nth(1).unwrap();
    assert!(inspected.contains(&format!("was built by rustc {number}")), "{inspected}");
    veteran::works(&plugins, &bench.keys.public_line).await;
}

#[test]
#[ignore = "needs crates.io"]
fn a_plugin_that_would_abort_does_not_build_and_is_told_why() {
    let folder = sources("");
    let mut check = cargo(folder.path(), "aborting");
    let output = check.args(["check", "--config", "profile.dev.panic=\"abort\""]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    let why = "a plugin must unwind, so that a panic fails one call and not the server: remove `panic = \"abort\"` from the profile in Cargo.toml";
    assert!(told.contains(why), "{told}");
}

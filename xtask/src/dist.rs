//! One file with a whole installation: unpacked anywhere, it runs.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    Failure,
    cargo::{self, Profile},
    stage,
};

const NAME: &str = "mcp-universal-server";

/// What of the checkout an installation has too, each with its place in it.
const FILES: &[(&str, &str)] = &[
    ("config.yaml", "config.yaml"),
    ("config.schema.json", "config.schema.json"),
    (".env.example", ".env.example"),
    ("README.md", "README.md"),
    ("README.pl.md", "README.pl.md"),
    ("ARCHITECTURE.md", "ARCHITECTURE.md"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("docs/audit.md", "docs/audit.md"),
    ("docs/plugin-security.md", "docs/plugin-security.md"),
    ("docs/signing-keys.md", "docs/signing-keys.md"),
    ("docs/write-a-plugin.md", "docs/write-a-plugin.md"),
    ("LICENSE", "LICENSE"),
    ("LICENSE-APACHE", "LICENSE-APACHE"),
    ("LICENSE-MIT", "LICENSE-MIT"),
    ("deploy/mcp-universal-server.service", "deploy/mcp-universal-server.service"),
    ("deploy/mcp-universal-server.socket", "deploy/mcp-universal-server.socket"),
    ("deploy/nginx.conf", "deploy/nginx.conf"),
    ("deploy/Caddyfile", "deploy/Caddyfile"),
    ("deploy/grafana/dashboard.json", "deploy/grafana/dashboard.json"),
    ("deploy/prometheus/prometheus.yml", "deploy/prometheus/prometheus.yml"),
    ("deploy/prometheus/alerts.yml", "deploy/prometheus/alerts.yml"),
];

/// Shells, and the file that each looks for.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "mcp-universal-server"),
    ("zsh", "_mcp-universal-server"),
    ("fish", "mcp-universal-server.fish"),
];

/// Builds, and says where the file is.
pub(crate) fn run(profile: Profile) -> Result<(), Failure> {
    let tarball = make(profile, &cargo::target()?.join("dist"))?;
    writeln!(io::stdout(), "{}", tarball.display()).map_err(|error| error.to_string())
}

/// Makes the file in a folder of its own, and answers it.
pub(crate) fn make(profile: Profile, folder: &Path) -> Result<PathBuf, Failure> {
    let built = cargo::build(profile, &[], &[])?;
    let failed = |error: io::Error| format!("cannot pack {}: {error}", folder.display());
    let version = version(&built.server)?;
    let name = format!("{NAME}-{version}-{}-linux", std::env::consts::ARCH);
    let home = folder.join(&name);
    if home.exists() {
        fs::remove_dir_all(&home).map_err(failed)?;
    }
    fs::create_dir_all(&home).map_err(failed)?;
    fill(&home, &built.server, &built.plugins).map_err(failed)?;
    let tarball = folder.join(format!("{name}.tar.gz"));
    pack(folder, &name, &tarball).map_err(failed)?;
    fs::remove_dir_all(&home).map_err(failed)?;
    Ok(tarball)
}

fn fill(home: &Path, server: &Path, plugins: &[PathBuf]) -> io::Result<()> {
    let root = cargo::root().map_err(io::Error::other)?;
    fs::copy(server, home.join(NAME))?;
    for (from, to) in FILES {
        let to = home.join(to);
        fs::create_dir_all(to.parent().unwrap_or(home))?;
        fs::copy(root.join(from), to)?;
    }
    for (shell, file) in COMPLETIONS {
        let folder = home.join("completions").join(shell);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(file), output(server, &["completions", shell])?)?;
    }
    let pages = home.join("man/man1");
    fs::create_dir_all(&pages)?;
    output(server, &["man", "--out", &pages.display().to_string()])?;
    stage::sign_into(server, plugins, home)
}

/// What a command of the server that was just built prints.
fn output(server: &Path, arguments: &[&str]) -> io::Result<Vec<u8>> {
    let output = Command::new(server).args(arguments).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("`{}` failed: {}", arguments.join(" "), said.trim())))
}

fn version(server: &Path) -> Result<String, Failure> {
    let said = output(server, &["--version"]).map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    said.rsplit_once(' ').map(|(_, version)| version.to_owned()).ok_or_else(|| format!("no version: {said}"))
}

/// The same bytes for the same files, whoever packs them and when.
fn pack(folder: &Path, name: &str, tarball: &Path) -> io::Result<()> {
    let mut tar = Command::new("tar");
    tar.args(["--create", "--gzip", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
        .args(["--mode=u+rwX,go+rX,go-w", "--mtime=@0", "--file"])
        .arg(tarball)
        .arg("--directory")
        .arg(folder)
        .arg(name);
    let status = tar.status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("tar: {status}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_readme_links_to_is_in_the_tarball() {
        let readme = include_str!("../../README.md");
        let links = readme.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
        for link in links.filter(|link| !link.contains("://")) {
            let file = link.split('#').next().unwrap_or_default();
            assert!(FILES.iter().any(|(_, to)| *to == file), "{link}");
        }
    }
}

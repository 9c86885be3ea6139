//! config.yaml as a bind mount of a single file, which many a compose file has:
//! it stays with the file that was mounted, while editors put another one in its
//! place, so that edits are never seen.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// What to do instead.
pub(super) const HELP: &str =
    "mount the folder that holds the file, as in `./config:/etc/mcp-universal-server`, and restart";

/// Whether a path leads to a file that is in no folder any more: the one that
/// was mounted has been replaced.
pub(super) fn is_stale(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.nlink() == 0)
}

/// Whether the file itself is where something is mounted.
pub(super) fn is_mount_point(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    std::path::absolute(path).is_ok_and(|path| mounts_in(&mounts, &path))
}

fn mounts_in(mounts: &str, path: &Path) -> bool {
    // id parent major:minor root mount-point …
    mounts.lines().filter_map(|line| line.split(' ').nth(4)).any(|mount| Path::new(&unescaped(mount)) == path)
}

/// The kernel writes blanks and backslashes as three octal digits.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, character)| text.replace(code, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_a_mount_point_is_known_by_its_path() {
        let mounts = "\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
40 22 8:1 /home/op/my\\040config.yaml /etc/my\\040config.yaml ro - ext4 /dev/sda1 rw
";
        for (path, mounted) in
            [("/etc/my config.yaml", true), ("/etc", false), ("/", true), ("/etc/my", false)]
        {
            assert_eq!(mounts_in(mounts, Path::new(path)), mounted, "{path}");
        }
    }

    #[test]
    fn a_file_that_is_there_is_not_stale() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        assert!(!is_stale(&file));
        fs::write(&file, "").unwrap();
        assert!(!is_stale(&file) && !is_stale(folder.path()));
    }
}

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
};

use super::*;
use crate::plugin::testing::{package, put};

fn release(version: &str, release: u64, library: &str) -> Package {
    let mut package = package();
    package.manifest.version = version.parse().unwrap();
    package.manifest.release = release;
    package.artifact.sha256 = library.to_owned();
    package
}

#[test]
fn a_plugin_only_ever_goes_forward() {
    let state = tempfile::tempdir().unwrap();
    let mut marks = Marks::read(state.path()).unwrap();
    let first = release("1.2.0", 12, "aa");
    marks.check(&first).unwrap();
    marks.record(&first).unwrap();

    let marks = Marks::read(state.path()).unwrap();
    let file = state.path().join("plugin-releases.json");
    for (package, refusal) in [
        (release("1.2.0", 12, "aa"), None),
        (release("1.3.0", 13, "bb"), None),
        (
            release("1.1.0", 11, "bb"),
            Some((
                "downgrade",
                "it is version 1.1.0, release 11; what ran here is newer: version 1.2.0, release 12".to_owned(),
                format!(
                    "install release 12 or a later one; to go back on purpose, remove `weather` from {}",
                    file.display()
                ),
            )),
        ),
        (
            release("1.2.0", 13, "bb"),
            Some((
                "changed_under_same_version",
                "its library is another one than that of version 1.2.0, release 12, which ran here, and it claims the same version".to_owned(),
                "give a changed plugin a new version and a higher release, and sign it again".to_owned(),
            )),
        ),
        (
            release("1.2.1", 12, "bb"),
            Some((
                "changed_under_same_version",
                "its library is another one than that of version 1.2.0, release 12, which ran here, and it claims the same release".to_owned(),
                "give a changed plugin a new version and a higher release, and sign it again".to_owned(),
            )),
        ),
    ] {
        let refused = marks.check(&package).err().map(|fault| fault.at(Path::new("")));
        let expected = refusal.map(|(code, message, help)| Refusal {
            place: PathBuf::new(),
            code,
            message,
            help,
        });
        assert_eq!(refused, expected);
    }
}

#[test]
fn the_file_is_the_servers_alone() {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().join("new");
    let mut marks = Marks::read(&folder).unwrap();
    marks.record(&release("1.2.0", 12, "aa")).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join(FILE)), 0o600);
}

#[test]
fn a_file_that_says_nothing_lets_nothing_pass() {
    let state = tempfile::tempdir().unwrap();
    put(state.path().join(FILE), "{");
    let refusal = Marks::read(state.path()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        format!(
            "plugin refused: {}: it does not tell which plugin releases ran here: EOF while parsing an object at line 1 column 1; restore it from a backup; or delete it, and every release counts as new",
            state.path().join(FILE).display()
        )
    );
}
#[test]
fn other_bytes_under_any_version_that_ran_are_refused() {
    let state = tempfile::tempdir().unwrap();
    let mut marks = Marks::read(state.path()).unwrap();
    for (version, number, library) in [("1.0.0", 1, "aa"), ("1.1.0", 2, "bb"), ("1.2.0", 3, "cc")] {
        marks.record(&release(version, number, library)).unwrap();
    }
    let marks = Marks::read(state.path()).unwrap();
    let refusal = marks.check(&release("1.0.0", 4, "dd")).unwrap_err().at(Path::new(""));
    assert_eq!(
        refusal.message,
        "its library is another one than that of version 1.0.0, release 1, which ran here, and it claims the same version"
    );
    marks.check(&release("1.3.0", 4, "dd")).unwrap();
}

#[test]
fn the_oldest_releases_are_forgotten_first() {
    let state = tempfile::tempdir().unwrap();
    let mut marks = Marks::read(state.path()).unwrap();
    for number in 1..=257 {
        marks.record(&release(&format!("1.0.{number}"), number, "aa")).unwrap();
    }
    let marks = Marks::read(state.path()).unwrap();
    assert_eq!(marks.check(&release("1.0.1", 258, "bb")), Ok(()));
    assert!(marks.check(&release("1.0.2", 258, "bb")).is_err());
    assert!(marks.check(&release("1.0.257", 258, "bb")).is_err());
}

#[test]
fn a_file_that_knows_one_release_of_each_plugin_is_read() {
    let state = tempfile::tempdir().unwrap();
    let old = r#"{ "weather": { "release": 12, "version": "1.2.0", "sha256": "aa" } }"#;
    put(state.path().join(FILE), old);
    let mut marks = Marks::read(state.path()).unwrap();
    assert!(marks.check(&release("1.2.0", 13, "bb")).is_err());
    marks.record(&release("1.3.0", 13, "bb")).unwrap();
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&fs::read(state.path().join(FILE)).unwrap()).unwrap(),
        serde_json::json!({ "weather": {
            "release": 13,
            "version": "1.3.0",
            "sha256": "bb",
            "before": [{ "release": 12, "version": "1.2.0", "sha256": "aa" }],
        }})
    );
}

#[test]
fn marks_that_others_could_have_put_there_are_not_believed() {
    let state = tempfile::tempdir().unwrap();
    let elsewhere = state.path().join("elsewhere.json");
    put(&elsewhere, "{}");
    symlink(&elsewhere, state.path().join(FILE)).unwrap();
    assert_eq!(
        Marks::read(state.path()).unwrap_err().to_string(),
        format!(
            "plugin refused: {}: it is a symbolic link, which is not followed; put the file itself there",
            state.path().join(FILE).display()
        )
    );
    fs::remove_file(state.path().join(FILE)).unwrap();
    Marks::read(state.path()).unwrap();
    fs::set_permissions(state.path(), Permissions::from_mode(0o777)).unwrap();
    assert_eq!(
        Marks::read(state.path()).unwrap_err().to_string(),
        format!(
            "plugin refused: {}: group or others can write it (mode 0777); run `chmod go-w` on it, and look whether what it holds is what you put there",
            state.path().display()
        )
    );
}

use std::fs;

use super::*;
use crate::config_files::ConfigFiles;

/// A configuration's folder and a clock.
struct World {
    folder: tempfile::TempDir,
    files: ConfigFiles,
    changes: Changes,
    now: Instant,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = ConfigFiles::new(folder.path().join("config.yaml"));
        fs::write(files.path(), "one\n").unwrap();
        let changes = Changes::new(files.reading().inputs);
        Self { folder, files, changes, now: Instant::now() }
    }

    fn write(&self, text: &str) {
        fs::write(self.files.path(), text).unwrap();
    }

    fn judge_after(&mut self, milliseconds: u64) -> Verdict {
        self.now += Duration::from_millis(milliseconds);
        self.changes.judge(self.changes.watched().now(), self.now)
    }

    /// The verdict on files that are left alone.
    fn judge(&mut self) -> Verdict {
        match self.judge_after(500) {
            Verdict::Wait => self.judge_after(100),
            verdict => verdict,
        }
    }

    fn applied(&mut self) {
        self.changes = Changes::new(self.files.reading().inputs);
    }

    fn compile(&self) -> Verdict {
        Verdict::Compile(self.changes.watched().now())
    }
}

#[test]
fn files_are_compiled_when_they_have_stood_unchanged() {
    let mut world = World::new();
    assert_eq!(world.judge_after(0), Verdict::Same);
    world.write("two\n");
    assert_eq!(world.judge_after(500), Verdict::Wait);
    world.write("three\n");
    assert_eq!(world.judge_after(100), Verdict::Wait);
    assert_eq!(world.judge_after(99), Verdict::Wait);
    assert_eq!(world.judge_after(1), world.compile());
}

#[test]
fn a_configuration_that_may_be_cut_is_given_three_seconds() {
    let mut world = World::new();
    world.write("two\nthr");
    assert_eq!(world.judge(), Verdict::Wait);
    assert_eq!(world.judge_after(2899), Verdict::Wait);
    assert_eq!(world.judge_after(1), world.compile());

    let mut world = World::new();
    world.write("two\nthr");
    assert_eq!(world.judge(), Verdict::Wait);
    world.write("two\nthree\n");
    assert_eq!(world.judge(), world.compile());
}

#[test]
fn what_is_in_force_or_was_refused_is_not_compiled_again() {
    let mut world = World::new();
    fs::remove_file(world.files.path()).unwrap();
    assert_eq!(world.judge(), world.compile());
    world.changes.left(world.files.reading().inputs, Left::Refused(1));
    assert_eq!(world.judge(), Verdict::Same);
    world.write("one\n");
    assert_eq!(world.judge(), Verdict::InForce);
    assert_eq!(world.judge(), Verdict::Same);
    fs::remove_file(world.files.path()).unwrap();
    assert_eq!(world.judge(), Verdict::LeftBefore(Left::Refused(1)));
    assert_eq!(world.judge(), Verdict::Same);

    world.write("two\n");
    assert_eq!(world.judge(), world.compile());
    world.applied();
    fs::remove_file(world.files.path()).unwrap();
    assert_eq!(world.judge(), world.compile());
}

#[test]
fn a_file_that_a_configuration_was_refused_for_is_watched() {
    use server_core::config::Environment;

    let mut world = World::new();
    world.write("two\n");
    assert_eq!(world.judge(), world.compile());
    let reading = world.files.reading();
    let (_, environment) = reading.content.unwrap();
    let secret = world.folder.path().join("secret");
    assert!(environment.file(&secret).is_err());
    world.changes.left(reading.inputs.and(environment.inputs()), Left::Refused(1));
    assert_eq!(world.judge(), Verdict::Same);
    fs::write(&secret, "s").unwrap();
    assert_eq!(world.judge(), world.compile());
}

#[test]
fn what_is_pinned_counts_until_the_files_change() {
    let mut world = World::new();
    world.write("two\n");
    let pinned = world.changes.watched().now();
    world.changes = Changes::pinned(world.files.reading_environment().0, pinned);
    assert_eq!(world.judge(), Verdict::Same);
    // Its secrets count, and leave the files as they are.
    fs::write(world.folder.path().join(".env"), "A=b\n").unwrap();
    assert_eq!(world.judge(), world.compile());
    assert!(world.changes.is_pinned(&world.changes.watched().now()));
    world.write("three\n");
    assert_eq!(world.judge(), world.compile());
    assert!(!world.changes.is_pinned(&world.changes.watched().now()));
}

#[test]
fn an_included_file_must_have_stood_too() {
    use server_core::config::Environment;

    let mut world = World::new();
    let included = world.folder.path().join("included.yaml");
    fs::write(&included, "half").unwrap();
    world.write("two\n");
    assert_eq!(world.judge(), world.compile());
    let reading = world.files.reading();
    let (_, environment) = reading.content.unwrap();
    environment.included(&world.folder.path().join("incl*")).unwrap();
    let inputs = reading.inputs.and(environment.inputs());
    assert!(!inputs.configuration_holds_in(&world.changes.watched().now()));
    world.changes.found(inputs.clone());
    assert!(inputs.configuration_holds_in(&world.changes.watched().now()));
    // Half of it is held like half of the main file.
    assert_eq!(world.judge(), Verdict::Wait);
    assert_eq!(world.judge_after(1000), Verdict::Wait);
    fs::write(&included, "whole\n").unwrap();
    assert_eq!(world.judge(), world.compile());
}

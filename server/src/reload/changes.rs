//! When files have changed so that they are worth another look.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::config_files::Inputs;

/// How long files must have stood unchanged: somebody may be writing them.
pub(super) const QUIET: Duration = Duration::from_millis(100);
/// The same for a configuration whose last line has no end.
const CUT_QUIET: Duration = Duration::from_secs(3);

/// What is known of the files, and when they were seen to be so.
pub(super) struct Changes {
    config: PathBuf,
    in_force: Inputs,
    /// What was refused since, and how many problems it had.
    refused: Option<(Inputs, usize)>,
    /// Whether the files held what was refused when they were looked at last.
    is_refused: bool,
    /// What they hold now, if it is something else, and since when.
    standing: Option<(Inputs, Instant)>,
}

/// What to do about the files as they are now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: they are as before.
    Same,
    /// Look again after [`QUIET`].
    Wait,
    /// Nothing: they hold again what is in force.
    InForce,
    /// Nothing: they hold again what was refused for so many problems.
    RefusedBefore(usize),
    /// Compile them, if they still hold this.
    Compile(Inputs),
}

impl Changes {
    /// A configuration has just come into force.
    pub(super) fn new(config: PathBuf, in_force: Inputs) -> Self {
        Self { config, in_force, refused: None, is_refused: false, standing: None }
    }

    /// Every file that matters.
    pub(super) fn watched(&self) -> Inputs {
        let refused = self.refused.as_ref().map(|(inputs, _)| inputs.clone());
        refused.unwrap_or_default().and(self.in_force.clone())
    }

    /// Judges what the watched files hold at an instant.
    pub(super) fn judge(&mut self, now: Inputs, at: Instant) -> Verdict {
        let was = match &self.refused {
            Some((refused, _)) if self.is_refused => refused,
            _ => &self.in_force,
        };
        if was.hold_in(&now) {
            self.standing = None;
            return Verdict::Same;
        }
        let since = match &self.standing {
            Some((standing, since)) if *standing == now => *since,
            _ => {
                self.standing = Some((now, at));
                return Verdict::Wait;
            }
        };
        let quiet = at.saturating_duration_since(since);
        if quiet < QUIET {
            return Verdict::Wait;
        }
        if self.in_force.hold_in(&now) {
            self.is_refused = false;
            return Verdict::InForce;
        }
        if let Some((refused, problems)) = &self.refused
            && refused.hold_in(&now)
        {
            self.is_refused = true;
            return Verdict::RefusedBefore(*problems);
        }
        if quiet < CUT_QUIET && now.is_cut(&self.config) {
            return Verdict::Wait;
        }
        Verdict::Compile(now)
    }

    /// What was compiled is in force.
    pub(super) fn applied(&mut self, inputs: Inputs) {
        *self = Self::new(std::mem::take(&mut self.config), inputs);
    }

    /// What was compiled is refused.
    pub(super) fn refused(&mut self, inputs: Inputs, problems: usize) {
        self.refused = Some((inputs, problems));
        self.is_refused = true;
        self.standing = None;
    }
}

#[cfg(test)]
mod tests {
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
            let changes = Changes::new(files.path().to_owned(), files.reading().inputs);
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
        world.changes.refused(world.files.reading().inputs, 1);
        assert_eq!(world.judge(), Verdict::Same);
        world.write("one\n");
        assert_eq!(world.judge(), Verdict::InForce);
        assert_eq!(world.judge(), Verdict::Same);
        fs::remove_file(world.files.path()).unwrap();
        assert_eq!(world.judge(), Verdict::RefusedBefore(1));
        assert_eq!(world.judge(), Verdict::Same);

        world.write("two\n");
        assert_eq!(world.judge(), world.compile());
        world.changes.applied(world.files.reading().inputs);
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
        world.changes.refused(reading.inputs.and(environment.inputs()), 1);
        assert_eq!(world.judge(), Verdict::Same);
        fs::write(&secret, "s").unwrap();
        assert_eq!(world.judge(), world.compile());
    }
}

//! The files of an audit: what every kind of damage to them is found out by, and
//! where the next server goes on.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{chain::Hash, record::body, segment::Segment, *};

mod crowd;
mod damage;
mod ends;
mod signers;

/// An audit in a folder of its own, without a server.
pub(super) struct World {
    root: TempDir,
    pub(super) journal: Journal,
    pub(super) key: CheckpointKey,
}

impl World {
    /// With so many records after the first.
    pub(super) fn new(records: u64) -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut world = Self { journal: journal(root.path()), root, key: key(1) };
        recovery::open(&mut world.journal).unwrap();
        world.note(records);
        world
    }

    pub(super) fn note(&mut self, records: u64) {
        for n in 0..records {
            let body = body(Event::Start, json!({ "text": format!("no. {n} of \"some\"") }));
            self.journal.append(&[&body]).unwrap();
        }
    }

    pub(super) fn checkpoint(&mut self) -> Checkpoint {
        let checkpoint = Checkpoint::sign(&self.journal.log, self.journal.head, &self.key);
        self.journal.append(&[&body(Event::Checkpoint, &checkpoint)]).unwrap();
        checkpoint
    }

    pub(super) fn segments(&self) -> Vec<Segment> {
        Segment::all(self.journal.folder()).unwrap()
    }

    /// Ends the server, and starts another one. Says what that one found.
    pub(super) fn restart(&mut self) -> Option<String> {
        // Its lock goes with it.
        self.journal = journal(&self.root.path().join("elsewhere"));
        self.journal = journal(self.root.path());
        recovery::open(&mut self.journal).unwrap()
    }

    pub(super) fn verify(&self, held: &Held) -> Findings {
        verify(self.journal.folder(), held).unwrap()
    }

    /// What is wrong, without the places.
    pub(super) fn problems(&self, held: &Held) -> Vec<String> {
        self.verify(held).problems.into_iter().map(|problem| problem.message).collect()
    }

    pub(super) fn held(&self) -> Held {
        Held { key: Some(self.key.public()), outside: Vec::new() }
    }

    pub(super) fn last_records(&self) -> Vec<Value> {
        Tail::new(self.journal.folder(), Wanted::default())
            .last(100)
            .unwrap()
            .into_iter()
            .map(|it| it.0)
            .collect()
    }
}

fn journal(root: &Path) -> Journal {
    Journal::new(folder(root), String::new(), Head::default())
}

pub(super) fn key(byte: u8) -> CheckpointKey {
    CheckpointKey::new(&server_core::secret::SigningKey::new([byte; 32]))
}

#[test]
fn what_is_written_verifies() {
    let mut world = World::new(10);
    world.checkpoint();
    world.note(3);
    world.journal.begin().unwrap();
    let outside = world.checkpoint();
    let held = Held { outside: vec![outside], ..world.held() };
    let found = world.verify(&held);
    assert_eq!(found.problems, []);
    assert_eq!((found.first, found.last, found.segments), (1, 17, 2));
    assert_eq!((found.checkpoints, found.signed_up_to, found.sound), (2, 16, true));
    assert_eq!(found.notes, ["the last 1 record is not signed yet"]);
}

#[test]
fn two_servers_do_not_write_the_same_audit() {
    let world = World::new(1);
    let error = recovery::open(&mut journal(world.root.path())).unwrap_err();
    let folder = world.journal.folder().display();
    assert_eq!(
        error.to_string(),
        format!(
            "another server keeps its audit in {folder}; stop it, or give this one a `state.dir` of its own"
        )
    );
}

#[test]
fn segments_that_are_too_old_or_too_much_go_as_a_whole_and_on_record() {
    let mut world = World::new(20);
    for _ in 0..3 {
        world.journal.begin().unwrap();
        world.note(20);
    }
    let current = world.journal.segment().unwrap().clone();
    let size = fs::metadata(&world.segments()[0].path).unwrap().len();
    let settings = AuditSettings { keep_bytes: size * 5 / 2, ..AuditSettings::default() };
    let beyond = retention::beyond(world.journal.folder(), &current, &settings);
    let [first, second] = &beyond[..] else { panic!("two of four segments must go") };
    assert_eq!((first.says.first, first.says.last, second.says.last), (1, 21, 42));
    // Without a record, the rest does not begin where it should.
    fs::remove_file(&first.path).unwrap();
    fs::remove_file(&second.path).unwrap();
    let missing = "records 1 to 42 are missing, and no record says that they were removed";
    assert_eq!(world.problems(&Held::default()), [missing]);
    world.journal.append(&[&body(Event::Retention, &second.says)]).unwrap();
    let found = world.verify(&Held::default());
    assert_eq!((found.sound, found.first), (true, 43));
    assert!(
        found.notes.contains(
            &"it begins at record 43; the segments before were removed, as is on record".to_owned()
        )
    );
    let old = fs::File::options().write(true).open(&world.segments()[0].path).unwrap();
    old.set_modified(std::time::SystemTime::now() - 3 * settings.keep_age).unwrap();
    let settings = AuditSettings::default();
    assert_eq!(retention::beyond(world.journal.folder(), &current, &settings).len(), 1);
}

#[test]
fn a_key_makes_the_same_hash_of_the_same_arguments_and_another_key_another() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let hash = |root: &TempDir, text: &[u8]| keys::arguments(root.path()).unwrap().hash(text);
    assert_eq!(hash(&one, b"{}"), hash(&one, b"{}"));
    assert_ne!(hash(&one, b"{}"), hash(&one, b"[]"));
    assert_ne!(hash(&one, b"{}"), hash(&other, b"{}"));
    assert_eq!(hash(&one, b"{}"), ArgumentsKey::read(one.path()).unwrap().hash(b"{}"));
    assert!(Hash::parse(hash(&one, b"{}").repeat(2).as_bytes()).is_some());
}

//! Whose signatures count.

use super::*;

impl World {
    fn change_keys(&mut self, to: u8) {
        let to = key(to);
        let says = json!({ "public_key": to.public().to_hex(), "before": self.key.public().to_hex() });
        self.journal.append(&[&body(Event::Key, says)]).unwrap();
        self.checkpoint();
        self.key = to;
        self.checkpoint();
    }
}

#[test]
fn a_key_that_the_one_before_it_announced_counts() {
    let mut world = World::new(3);
    let first = world.held();
    world.checkpoint();
    world.change_keys(2);
    world.note(1);
    world.change_keys(3);
    for held in
        [&first, &Held { key: Some(key(2).public()), ..Held::default() }, &world.held(), &Held::default()]
    {
        let found = world.verify(held);
        assert_eq!(found.problems, []);
        assert_eq!(found.signed_up_to, 11, "{held:?}");
        assert_eq!(found.key, Some(key(3).public().to_hex()));
    }
}

#[test]
fn a_key_that_nobody_announced_does_not() {
    let mut world = World::new(3);
    let held = world.held();
    world.checkpoint();
    world.key = key(2);
    world.checkpoint();
    let problem = format!(
        "the checkpoint for record 5 is signed with key {}, for which no trusted key vouches",
        key(2).public().to_hex()
    );
    assert_eq!(world.problems(&held), std::slice::from_ref(&problem));
    assert_eq!(world.problems(&Held::default()), [problem]);
}

#[test]
fn a_key_cannot_announce_itself() {
    let mut world = World::new(3);
    let held = world.held();
    world.checkpoint();
    let says = json!({ "public_key": key(2).public().to_hex(), "before": world.key.public().to_hex() });
    world.journal.append(&[&body(Event::Key, says)]).unwrap();
    world.key = key(2);
    world.checkpoint();
    assert_eq!(world.problems(&held).len(), 1);
}

#[test]
fn an_audit_that_the_given_key_never_signed_is_not_sound() {
    let mut world = World::new(3);
    world.checkpoint();
    let held = Held { key: Some(key(9).public()), ..Held::default() };
    assert_eq!(
        world.problems(&held),
        [format!("no checkpoint is signed with key {}", key(9).public().to_hex())]
    );
}

#[test]
fn a_signature_of_another_text_is_none() {
    let world = World::new(3);
    let right = Checkpoint::sign(&world.journal.log, world.journal.head, &world.key);
    assert_eq!(right.signer(), Some(world.key.public()));
    for wrong in [
        Checkpoint { covers: right.covers + 1, ..right.clone() },
        Checkpoint { log: "other".to_owned(), ..right.clone() },
        Checkpoint { head: "0".repeat(64), ..right.clone() },
        Checkpoint { key: key(2).public().to_hex(), ..right.clone() },
        Checkpoint { signature: right.signature.replace(|c: char| c.is_ascii_digit(), "A"), ..right.clone() },
        Checkpoint { signature: String::new(), ..right.clone() },
    ] {
        assert_eq!(wrong.signer(), None);
    }
    let read: Checkpoint = serde_json::from_slice(&right.log_line()).unwrap();
    assert_eq!(read, right);
}

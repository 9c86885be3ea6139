//! Damage, by accident or not.

use super::*;

#[test]
fn every_byte_of_a_segment_that_is_flipped_is_detected() {
    let mut world = World::new(4);
    world.checkpoint();
    let held = world.held();
    let path = world.segments()[0].path.clone();
    let right = fs::read(&path).unwrap();
    for at in 0..right.len() {
        let mut bytes = right.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        let found = world.verify(&held);
        assert!(!found.sound, "byte {at} of {}", right.len());
        let line = 1 + right[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
        assert_eq!(found.problems[0].line, Some(line), "byte {at}: {:?}", found.problems);
    }
    fs::write(&path, &right).unwrap();
    assert!(world.verify(&held).sound);
}

#[test]
fn a_line_or_a_segment_that_is_missing_is_a_gap_and_named() {
    let mut world = World::new(5);
    world.journal.begin().unwrap();
    world.note(5);
    world.journal.begin().unwrap();
    let segments = world.segments();
    let text = fs::read_to_string(&segments[0].path).unwrap();
    let without = |missing: usize| -> String {
        text.lines()
            .enumerate()
            .filter(|(at, _)| *at != missing)
            .map(|(_, line)| format!("{line}\n"))
            .collect()
    };
    fs::write(&segments[0].path, without(3)).unwrap();
    let found = world.verify(&Held::default());
    let [problem] = &found.problems[..] else { panic!("{:?}", found.problems) };
    assert_eq!(problem.message, "record 4 is missing: record 5 follows");
    assert_eq!((problem.segment.as_deref(), problem.line), (Some("0000000000000001.jsonl"), Some(4)));
    fs::write(&segments[0].path, &text).unwrap();
    fs::remove_file(&segments[1].path).unwrap();
    assert_eq!(world.problems(&Held::default()), ["record 7 is missing: record 13 follows"]);
}

#[test]
fn a_tail_that_is_cut_off_shows_against_a_checkpoint_from_outside_only() {
    let mut world = World::new(3);
    world.checkpoint();
    world.note(10);
    let outside = world.checkpoint();
    let path = world.segments()[0].path.clone();
    let text = fs::read_to_string(&path).unwrap();
    let kept: String = text.lines().take(8).map(|line| format!("{line}\n")).collect();
    fs::write(&path, kept).unwrap();
    assert_eq!(world.problems(&world.held()), [""; 0]);
    let signed = outside.signed;
    let held = Held { outside: vec![outside], ..world.held() };
    assert_eq!(
        world.problems(&held),
        [format!(
            "the tail is cut off: record 15 was signed at {signed}, and the last one is 8: 7 or more are missing"
        )]
    );
}

#[test]
fn a_chain_that_was_written_anew_shows_against_a_checkpoint_also_to_who_has_the_key() {
    let mut world = World::new(3);
    let outside = world.checkpoint();
    let path = world.segments()[0].path.clone();
    let header: Value =
        serde_json::from_str(fs::read_to_string(&path).unwrap().lines().next().unwrap()).unwrap();
    // The thief of the key writes another history, and signs it.
    let mut forged = World::new(0);
    fs::remove_file(&forged.segments()[0].path).unwrap();
    forged.journal = Journal::new(
        forged.journal.folder().to_owned(),
        header["log"].as_str().unwrap().to_owned(),
        Head::default(),
    );
    forged.journal.begin().unwrap();
    forged.note(5);
    forged.checkpoint();
    assert_eq!(forged.problems(&world.held()), [""; 0]);
    let signed = outside.signed;
    let held = Held { outside: vec![outside], ..world.held() };
    assert_eq!(
        forged.problems(&held),
        [format!("record 4 is not the one that was signed at {signed}: the chain was written anew")]
    );
}

#[test]
fn what_is_none_of_an_audit_is_said() {
    let mut world = World::new(2);
    world.journal.begin().unwrap();
    let segments = world.segments();
    fs::write(&segments[0].path, "hello\n").unwrap();
    let problems = world.problems(&Held::default());
    assert_eq!(problems[0], "it is no record of an audit");
    fs::write(&segments[0].path, "").unwrap();
    assert_eq!(world.problems(&Held::default())[0], "the segment is empty");
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(verify(empty.path(), &Held::default()).unwrap().problems[0].message, "there is no record");
}

//! However a server ended, the next one goes on.

use super::*;

#[test]
fn a_segment_that_ends_anywhere_loses_no_whole_line_and_goes_on() {
    let mut world = World::new(3);
    let path = world.segments()[0].path.clone();
    let right = fs::read(&path).unwrap();
    let begins = right[..right.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for length in begins..=right.len() {
        fs::write(&path, &right[..length]).unwrap();
        let found = world.restart();
        world.note(1);
        let records = world.last_records();
        let whole = length + 1 >= right.len();
        let is_cut = !whole && length > begins;
        assert_eq!(records[3]["event"], if is_cut { "recovery" } else { "start" });
        let message = match right.len() - length {
            0 => None,
            1 => Some("the last line had no line break, which it has now"),
            _ if length == begins => None,
            _ => Some("the last line was cut short, and has been taken away"),
        };
        assert_eq!(found.as_deref(), message, "{length} of {}", right.len());
        let found = world.verify(&Held::default());
        assert_eq!(found.problems, [], "{length}");
        let kept = if whole { 4 } else { 3 };
        assert_eq!(found.last, kept + u64::from(message.is_some()) + 1);
    }
}

#[test]
fn bytes_that_are_taken_away_are_on_record_by_their_hash() {
    let mut world = World::new(3);
    let path = world.segments()[0].path.clone();
    let mut bytes = fs::read(&path).unwrap();
    // What a disk leaves after a power loss.
    bytes.extend([0; 100]);
    fs::write(&path, &bytes).unwrap();
    world.restart();
    let last = world.last_records().pop().unwrap();
    assert_eq!((last["event"].as_str(), last["torn_bytes"].as_u64()), (Some("recovery"), Some(100)));
    use sha2::Digest as _;
    assert_eq!(last["torn_sha256"], Hash(sha2::Sha256::digest([0; 100]).into()).to_string());
    assert!(world.verify(&Held::default()).sound);
}

#[test]
fn a_segment_that_was_changed_stays_as_it_is_and_the_next_one_says_so() {
    let mut world = World::new(5);
    let path = world.segments()[0].path.clone();
    let changed = fs::read_to_string(&path).unwrap().replacen("no. 2", "no. 7", 1);
    fs::write(&path, &changed).unwrap();
    let found = world.restart().unwrap();
    assert_eq!(found, "the segment does not verify: record 4 was changed: its hash is that of another text");
    world.note(1);
    assert_eq!(fs::read_to_string(&path).unwrap(), changed);
    assert_eq!(world.segments().len(), 2);
    let problems = world.problems(&Held::default());
    assert_eq!(problems[0], "record 4 was changed: its hash is that of another text");
}

#[test]
fn a_segment_without_its_first_record_is_made_again() {
    let mut world = World::new(5);
    let next = Segment::new(world.journal.folder(), 7);
    fs::write(&next.path, "").unwrap();
    assert_eq!(world.restart(), None);
    world.note(1);
    assert_eq!(world.segments().len(), 1);
    fs::write(&next.path, r#"{"event":"segm"#).unwrap();
    world.restart();
    world.note(1);
    let found = world.verify(&Held::default());
    assert_eq!((found.sound, found.last), (true, 8));
}

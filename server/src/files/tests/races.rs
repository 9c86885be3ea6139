//! Folders that change while they are read.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use super::*;

/// What somebody swaps with `root/guides` as fast as they can.
#[test]
fn whoever_swaps_a_folder_for_a_link_gets_nothing_from_outside() {
    let world = World::new();
    let root = world.root();
    fs::write(world.folder.path().join("root-2/a.md"), SECRET).unwrap();
    symlink("../root-2", root.join("trap")).unwrap();
    let stop = AtomicBool::new(false);
    let (inside, refused) = thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // In one step, so that there is always something of that name.
                rustix::fs::renameat_with(
                    rustix::fs::CWD,
                    root.join("guides"),
                    rustix::fs::CWD,
                    root.join("trap"),
                    rustix::fs::RenameFlags::EXCHANGE,
                )
                .unwrap();
            }
        });
        let (mut inside, mut refused) = (0, 0);
        for _ in 0..100_000 {
            match world.read("guides/a.md") {
                Ok(text) => {
                    assert_eq!(text, "inside");
                    inside += 1;
                }
                Err(message) => {
                    let replaced = "`guides/a.md` was replaced just now: try again";
                    assert!(message == is_a_link("guides/a.md") || message == replaced, "{message}");
                    refused += 1;
                }
            }
            if inside > 100 && refused > 100 {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
        (inside, refused)
    });
    assert!(inside > 0 && refused > 0, "{inside} and {refused}");
}

#[test]
fn a_file_that_grows_or_shrinks_is_read_as_far_as_it_goes() {
    let world = World::new();
    let stop = AtomicBool::new(false);
    world.write("log", "x");
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for length in [1, 100_000, 0, 70_000] {
                    world.write("log", "x".repeat(length));
                }
            }
        });
        for _ in 0..500 {
            let part = world.part(ReadFile { path: "log".to_owned(), ..ReadFile::default() }).unwrap();
            assert!(part.length <= 65_536 && part.content.len() as u64 == part.length);
            assert!(part.size >= part.length);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

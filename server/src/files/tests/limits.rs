//! How much is read at once.

use std::cell::Cell;

use super::*;

#[test]
fn a_file_is_read_in_parts_of_whole_characters() {
    let mut world = World::new();
    // Three bytes each.
    world.write("long", "日".repeat(2000));
    for (max, parts) in [(5999, 3), (6000, 1), (6001, 1), (3000, 2), (3001, 2), (1024, 6)] {
        world.settings.max_read_bytes = max;
        let (mut offset, mut text, mut count) = (Some(0), String::new(), 0);
        while let Some(from) = offset {
            let path = "long".to_owned();
            let part = world.part(ReadFile { path, offset: from, ..ReadFile::default() }).unwrap();
            assert!(part.length <= max && part.size == 6000, "{part:?}");
            offset = part.next();
            text += &part.content;
            count += 1;
        }
        // 5999 bytes are 1999 characters and a part of one.
        let parts = if max == 5999 { 2 } else { parts };
        assert_eq!((count, text), (parts, "日".repeat(2000)), "{max}");
    }
}

#[test]
fn an_offset_is_at_a_character_and_may_be_behind_the_end() {
    let world = World::new();
    world.write("short", "日本");
    let read = |offset, length| {
        let path = "short".to_owned();
        let part = world.part(ReadFile { path, offset, length, ..ReadFile::default() })?;
        Ok::<_, String>((part.content.clone(), part.next()))
    };
    assert_eq!(read(0, Some(3)), Ok(("日".to_owned(), Some(3))));
    assert_eq!(read(3, None), Ok(("本".to_owned(), None)));
    assert_eq!(
        read(1, None),
        Err("`short` is no text: byte 1 is not UTF-8, or not the first of its character; read it as base64"
            .to_owned())
    );
    for offset in [6, 7, 1 << 40, i64::MAX as u64, u64::MAX] {
        assert_eq!(read(offset, None), Ok((String::new(), None)), "{offset}");
    }
    // A character is never cut so that nothing is left of it.
    assert_eq!(read(0, Some(1)), Ok(("日".to_owned(), Some(3))));
}

#[test]
fn a_large_folder_is_listed_page_by_page() {
    let world = World::new();
    fs::create_dir(world.root().join("many")).unwrap();
    let names: Vec<_> = (0..1000).map(|number| format!("{number:04}")).collect();
    names.iter().for_each(|name| world.write(format!("many/{name}"), name));
    for (limit, expected) in [(None, 5), (Some(333), 4), (Some(999), 2), (Some(1000), 1), (Some(5000), 1)] {
        let (mut after, mut listed, mut pages) = (None, Vec::new(), 0);
        loop {
            let asked = ListFiles { path: "many".to_owned(), after, limit, ..ListFiles::default() };
            let page = world.with(|root| list(root, &asked, &patient())).unwrap();
            listed.extend(page.entries.iter().map(|entry| entry.name.clone()));
            assert!(page.entries.iter().all(|entry| entry.bytes == Some(4) && entry.modified.is_some()));
            pages += 1;
            if !page.more {
                break;
            }
            after = listed.last().cloned();
        }
        assert_eq!((pages, &listed), (expected, &names), "{limit:?}");
    }
}

#[test]
fn no_more_entries_are_looked_at_than_the_root_says() {
    let mut world = World::new();
    for number in 0..10 {
        world.write(format!("guides/deep/{number}"), "x");
    }
    for (bound, entries, too_many) in [(9, 9, true), (10, 10, false), (11, 10, false)] {
        world.settings.max_entries = bound;
        let asked = ListFiles { path: "guides/deep".to_owned(), ..ListFiles::default() };
        let page = world.with(|root| list(root, &asked, &patient())).unwrap();
        assert_eq!((page.entries.len(), page.too_many), (entries, too_many), "{bound}");
    }
    // `guides`, `deep`, `a.md` and the ten, and two that are hidden: they count.
    for (bound, stopped) in [(14, Some(plugin_contract::op::SearchEnd::Entries)), (15, None)] {
        world.settings.max_entries = bound;
        let asked = SearchFiles { name: Some("*".to_owned()), ..SearchFiles::default() };
        assert_eq!(world.search(&asked).unwrap().stopped, stopped, "{bound}");
    }
}

#[test]
fn a_call_that_nobody_waits_for_ends() {
    let world = World::new();
    for number in 0..2000 {
        world.write(format!("guides/deep/{number}"), "x");
    }
    let looks = Cell::new(0);
    let is_abandoned = || looks.replace(looks.get() + 1) >= 3;
    let patience = Patience::new(Duration::from_secs(30), &is_abandoned);
    let asked = ListFiles { path: "guides/deep".to_owned(), ..ListFiles::default() };
    let ended = world.with(|root| list(root, &asked, &patience));
    assert_eq!(ended.unwrap_err(), "time was up before the folder was read");
    assert!(looks.get() <= 4, "{}", looks.get());
    looks.set(0);
    let asked = SearchFiles { text: Some("nothing".to_owned()), ..SearchFiles::default() };
    let ended = world.with(|root| search(root, &asked, &patience));
    assert_eq!(ended.unwrap().stopped, Some(plugin_contract::op::SearchEnd::Time));
}

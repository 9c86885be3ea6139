use std::path::Path;

use super::*;

const BASE: usize = 64;
const SEGMENT: usize = 56;
const SEGMENTS: usize = 4;
const DYNAMIC: usize = 0x200;
const ENTRIES: usize = 8;
const STRINGS: usize = 0x300;
const SIZE: usize = 0x400;

/// The smallest library that the check has nothing against.
struct Image(Vec<u8>);

impl Image {
    fn new() -> Self {
        let mut image = Self(vec![0; SIZE]);
        image.put(0, b"\x7fELF\x02\x01\x01");
        image.put(16, &elf::ET_DYN.to_le_bytes());
        image.put(18, &MACHINE.to_le_bytes());
        image.put(20, &1u32.to_le_bytes());
        image.put(32, &(BASE as u64).to_le_bytes());
        image.put(54, &(SEGMENT as u16).to_le_bytes());
        image.put(56, &(SEGMENTS as u16).to_le_bytes());
        image.segment(0, elf::PT_LOAD, elf::PF_R | elf::PF_X, 0, SIZE);
        image.segment(1, elf::PT_DYNAMIC, elf::PF_R, DYNAMIC, ENTRIES * 16);
        image.segment(2, elf::PT_GNU_STACK, elf::PF_R | elf::PF_W, 0, 0);
        image.entry(0, elf::DT_STRTAB, STRINGS);
        image.entry(1, elf::DT_STRSZ, SIZE - STRINGS);
        image.entry(2, elf::DT_NEEDED, 1);
        image.put(STRINGS + 1, b"libc.so.6");
        image
    }

    fn put(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn segment(&mut self, index: usize, kind: u32, flags: u32, at: usize, size: usize) -> &mut Self {
        let place = BASE + index * SEGMENT;
        let (at, size) = ((at as u64).to_le_bytes(), (size as u64).to_le_bytes());
        self.put(place, &kind.to_le_bytes()).put(place + 4, &flags.to_le_bytes());
        self.put(place + 8, &at).put(place + 16, &at).put(place + 24, &at);
        self.put(place + 32, &size).put(place + 40, &size)
    }

    fn entry(&mut self, index: usize, tag: u32, value: usize) -> &mut Self {
        let place = DYNAMIC + index * 16;
        self.put(place, &u64::from(tag).to_le_bytes());
        self.put(place + 8, &(value as u64).to_le_bytes())
    }
}

/// A library that may be loaded, as far as one can see.
pub(crate) fn library() -> Vec<u8> {
    Image::new().0
}

fn problems(change: fn(&mut Image) -> &mut Image) -> Vec<String> {
    Facts::of(&change(&mut Image::new()).0).unwrap().problems
}

#[test]
fn a_library_that_only_needs_libc_may_be_loaded() {
    let facts = Facts::of(&Image::new().0).unwrap();
    assert_eq!(facts.needed, ["libc.so.6"]);
    assert_eq!(facts.problems, [""; 0]);
    assert_eq!(facts.check(), Ok(()));
}

#[test]
fn everything_against_a_library_is_named() {
    type Change = fn(&mut Image) -> &mut Image;
    let cases: [(Change, &str); 14] = [
        (|it| it.put(16, &elf::ET_EXEC.to_le_bytes()), "it is no shared object"),
        (
            |it| it.put(18, &elf::EM_386.to_le_bytes()),
            "it is built for ELF machine 3, this server for x86_64",
        ),
        (|it| it.segment(3, elf::PT_LOAD, elf::PF_R, SIZE, 1), "it is truncated"),
        (|it| it.segment(1, elf::PT_DYNAMIC, elf::PF_R, SIZE, 16), "it does not tell the linker what to do"),
        (|it| it.segment(3, elf::PT_INTERP, elf::PF_R, 0, 4), "it is a program"),
        (
            |it| it.segment(3, elf::PT_LOAD, elf::PF_R | elf::PF_W | elf::PF_X, 0, SIZE),
            "it has memory both writable and executable",
        ),
        (|it| it.segment(2, elf::PT_GNU_STACK, elf::PF_R | elf::PF_X, 0, 0), "it wants an executable stack"),
        (|it| it.segment(2, elf::PT_NULL, 0, 0, 0), "it wants an executable stack"),
        (|it| it.entry(3, elf::DT_TEXTREL, 0), "it relocates its code"),
        (|it| it.entry(3, elf::DT_FLAGS, 4), "it relocates its code"),
        (|it| it.entry(3, elf::DT_RUNPATH, 1), "it brings its own library search path"),
        (|it| it.entry(3, elf::DT_AUDIT, 1), "it puts other libraries in place of itself"),
        (
            |it| it.put(STRINGS + 1, b"libssl.so.3"),
            "it links to `libssl.so.3`, and a plugin brings along all but the C library",
        ),
        (
            |it| it.entry(3, elf::DT_NEEDED, SIZE),
            "it links to ``, and a plugin brings along all but the C library",
        ),
    ];
    for (change, problem) in cases {
        assert_eq!(problems(change), [problem]);
    }
}

#[test]
fn a_name_that_only_begins_like_libc_is_not_libc() {
    for (name, known) in [
        ("libc.so.6", true),
        ("ld-linux-x86-64.so.2", true),
        ("libc.so", false),
        ("libc.so.6/../evil.so", false),
        ("libcrypto.so.3", false),
        ("/tmp/libc.so.6", false),
    ] {
        assert_eq!(shared(name), known, "{name}");
    }
}

#[test]
fn what_is_no_library_at_all_is_told_so() {
    let mut cut = Image::new().0;
    cut.truncate(100);
    for bytes in [&b""[..], b"#!/bin/sh\n", b"\x7fELF", &cut] {
        let refusal = Facts::of(bytes).unwrap_err().at(Path::new("libweather.so"));
        assert_eq!(
            refusal.to_string(),
            "plugin refused: libweather.so: it is no shared library for 64-bit Linux; build it with `crate-type = [\"cdylib\"]` and sign the `.so` that comes out"
        );
    }
}

use std::fs;

use super::*;

/// The files of a folder with these contents.
fn files(contents: &[(&str, &[u8])]) -> (ConfigFiles, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in contents {
        fs::write(folder.path().join(name), content).unwrap();
    }
    (ConfigFiles::new(folder.path().join("config.yaml")), folder)
}

#[test]
fn what_cannot_be_read_is_told_without_a_word_of_it() {
    let large = vec![b'#'; DOTENV_BYTES + 1];
    for (contents, message) in [
        (&[][..], "cannot read FOLDER/config.yaml: No such file or directory (os error 2)"),
        (
            &[("config.yaml", &b"a\xff"[..])],
            "cannot read FOLDER/config.yaml: it is not UTF-8 text: byte 1 is the first that is not",
        ),
        (
            &[("config.yaml", b""), (".env", b"A=\"hunter2")],
            "FOLDER/.env:1: the value of `A` has no closing quote; a value ends in the line in which it begins",
        ),
        (&[("config.yaml", b""), (".env", &large)], "cannot read FOLDER/.env: it is larger than 1024 KiB"),
    ] {
        let (files, folder) = files(contents);
        let folder = folder.path().display().to_string();
        assert_eq!(files.read().unwrap_err().to_string(), message.replace("FOLDER", &folder));
    }
}

#[test]
fn a_configuration_is_read_far_enough_to_see_that_it_is_too_large() {
    let (files, _folder) = files(&[("config.yaml", "€".repeat(1 << 20).as_bytes())]);
    let (source, _) = files.read().unwrap();
    assert!(source.text.len() > 1 << 20 && source.text.len() <= CONFIG_BYTES, "{}", source.text.len());
}

#[test]
fn inputs_hold_until_a_file_that_was_read_or_missed_changes() {
    let (files, folder) = files(&[("config.yaml", b"version: 1\n"), (".env", b"A=b\n"), ("secret", b"s")]);
    let Reading { inputs, content, .. } = files.reading();
    let (_, environment) = content.unwrap();
    let path = |name: &str| folder.path().join(name);
    assert_eq!(environment.variable("A").as_deref(), Some("b"));
    assert_eq!(environment.file(&path("secret")).as_deref(), Ok("s"));
    assert_eq!(environment.file(&path("missing")).unwrap_err(), "No such file or directory (os error 2)");
    // Read once, whatever becomes of it meanwhile.
    fs::write(path("secret"), "t").unwrap();
    assert_eq!(environment.file(&path("secret")).as_deref(), Ok("s"));
    let inputs = inputs.and(environment.inputs());
    assert!(!inputs.hold_in(&inputs.now()));
    fs::write(path("secret"), "s").unwrap();
    assert!(inputs.hold_in(&inputs.now()));

    for (name, content) in
        [("config.yaml", "version: 2\n"), (".env", "A=c\n"), ("secret", "u"), ("missing", "")]
    {
        let before = fs::read(path(name)).ok();
        fs::write(path(name), content).unwrap();
        assert!(!inputs.hold_in(&inputs.now()), "{name}");
        match before {
            Some(bytes) => fs::write(path(name), bytes).unwrap(),
            None => fs::remove_file(path(name)).unwrap(),
        }
        assert!(inputs.hold_in(&inputs.now()), "{name}");
    }
}

#[test]
fn a_file_without_a_final_line_break_may_be_cut() {
    for (content, is_cut) in [("a\n", false), ("a\r\n", false), ("a", true), ("a\n ", true), ("", false)] {
        let (files, _folder) = files(&[("config.yaml", content.as_bytes())]);
        assert_eq!(files.reading().inputs.is_cut(files.path()), is_cut, "{content:?}");
    }
}

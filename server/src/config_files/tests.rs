use std::fs;

use server_core::config::Environment;

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
    let large = vec![b'#'; Kind::Dotenv.read_bytes()];
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
    assert!(
        source.text.len() > 1 << 20 && source.text.len() <= Kind::Config.read_bytes(),
        "{}",
        source.text.len()
    );
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
        assert_eq!(files.reading().inputs.is_cut(), is_cut, "{content:?}");
    }
}

/// Something done to files.
type Act<'a> = &'a dyn Fn();

#[test]
fn included_files_are_read_once_and_watched_with_those_that_may_come() {
    let (files, folder) = files(&[("config.yaml", b"version: 1\n"), ("a.yaml", b"a\n"), ("b.yaml", b"b\n")]);
    let Reading { inputs, content } = files.reading();
    let (_, environment) = content.unwrap();
    let path = |name: &str| folder.path().join(name);
    let included = |pattern: &str| {
        let included = environment.included(&path(pattern)).unwrap();
        let texts = included.into_iter().map(|file| {
            let name = file.path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, file.text)
        });
        texts.collect::<Vec<_>>()
    };
    let text = |name: &str, text: &str| (name.to_owned(), Ok(text.to_owned()));
    // Never itself.
    assert_eq!(included("*.yaml"), [text("a.yaml", "a\n"), text("b.yaml", "b\n")]);
    fs::write(path("a.yaml"), "c\n").unwrap();
    assert_eq!(included("a.yaml"), [text("a.yaml", "a\n")]);
    fs::write(path("a.yaml"), "a\n").unwrap();
    let missing = "No such file or directory (os error 2)".to_owned();
    assert_eq!(included("c.yml"), [("c.yml".to_owned(), Err(missing))]);
    assert_eq!(included("none.d/*"), []);
    let inputs = inputs.and(environment.inputs());
    assert!(inputs.hold_in(&inputs.now()) && !inputs.is_cut());
    let changes: [(&str, Act<'_>, Act<'_>); 5] = [
        ("an edit", &|| fs::write(path("a.yaml"), "x\n").unwrap(), &|| {
            fs::write(path("a.yaml"), "a\n").unwrap()
        }),
        ("a new file", &|| fs::write(path("c.yaml"), "c\n").unwrap(), &|| {
            fs::remove_file(path("c.yaml")).unwrap()
        }),
        ("a removed one", &|| fs::remove_file(path("b.yaml")).unwrap(), &|| {
            fs::write(path("b.yaml"), "b\n").unwrap()
        }),
        ("one that was missing", &|| fs::write(path("c.yml"), "").unwrap(), &|| {
            fs::remove_file(path("c.yml")).unwrap()
        }),
        (
            "a new folder",
            &|| {
                fs::create_dir(path("none.d")).unwrap();
                fs::write(path("none.d/x"), "x\n").unwrap();
            },
            &|| fs::remove_dir_all(path("none.d")).unwrap(),
        ),
    ];
    for (what, make, unmake) in changes {
        make();
        assert!(!inputs.hold_in(&inputs.now()), "{what}");
        unmake();
        assert!(inputs.hold_in(&inputs.now()), "{what}");
    }
    // Its content counts before anything has read it.
    fs::write(path("c.yaml"), "c").unwrap();
    let half = inputs.now();
    assert!(half.is_cut());
    fs::write(path("c.yaml"), "c: d\n").unwrap();
    assert!(inputs.now() != half && !inputs.now().is_cut());
}

#[test]
fn included_files_are_bounded_together() {
    let (files, folder) = files(&[("config.yaml", b"version: 1\n")]);
    let mebibyte = vec![b'#'; 1 << 20];
    for number in 0..17 {
        fs::write(folder.path().join(format!("{number}.yaml")), &mebibyte).unwrap();
    }
    let (_, environment) = files.read().unwrap();
    assert_eq!(environment.included(&folder.path().join("1*.yaml")).unwrap().len(), 8);
    let error = environment.included(&folder.path().join("*.yaml")).unwrap_err();
    assert_eq!(error, "the included files are larger than 16 MiB together");
}

#[test]
fn what_was_compiled_compiles_again_from_a_copy() {
    let config = "version: 1\ninclude: [\"agents.d/*.yaml\", one.yaml]\ntenants: { t: {} }\n";
    let digest = format!("sha256:{:064x}", 1);
    let one = format!("agents: {{ one: {{ tenant: t, token: \"{digest}\" }} }}\n");
    let (files, folder) = files(&[("config.yaml", config.as_bytes()), ("one.yaml", one.as_bytes())]);
    fs::create_dir(folder.path().join("agents.d")).unwrap();
    let two = "agents: { two: { tenant: t, token: \"${TWO_TOKEN_OF_A_TEST}\" } }\n";
    fs::write(folder.path().join("agents.d/two.yaml"), two).unwrap();
    let dotenv = |token: &str| {
        fs::write(folder.path().join(".env"), format!("TWO_TOKEN_OF_A_TEST={token}\n")).unwrap()
    };
    dotenv(&"2".repeat(32));
    let (source, environment) = files.read().unwrap();
    let before = server_core::config::compile(&source, &environment).unwrap();
    assert_eq!(before.sources.len(), 3);

    for name in ["config.yaml", "one.yaml", "agents.d/two.yaml"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    dotenv(&"3".repeat(32));
    let live = files.environment().unwrap();
    let kept = KeptEnvironment::new(&before.sources, &live);
    let again = server_core::config::compile(&before.sources[0], &kept).unwrap();
    assert_eq!(again.sha256, before.sha256);
    let agents = again.settings.agents.iter().zip(before.settings.agents.iter());
    let same: Vec<_> = agents.map(|(now, then)| (now.0.as_str(), now.1.tokens == then.1.tokens)).collect();
    assert_eq!(same, [("one", true), ("two", false)]);
}

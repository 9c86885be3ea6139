//! What is on every machine, and what editors do without being one.

use std::{fs::File, os::unix::fs::FileExt, time::Instant};

use super::*;
use crate::{reload::ready, support::eventually_async};

async fn by(line: &str) {
    everywhere(&mut Desk::open(), |edit| shell(edit, line)).await;
}

#[tokio::test]
async fn with_a_redirection() {
    by(r#"cat > "$1""#).await;
}

#[tokio::test]
async fn with_tee() {
    by(r#"tee "$1""#).await;
}

#[tokio::test]
async fn with_cp() {
    by(r#"cp "$2" "$1""#).await;
}

#[tokio::test]
async fn with_cp_that_removes_what_was_there() {
    by(r#"cp --remove-destination "$2" "$1""#).await;
}

#[tokio::test]
async fn with_mv() {
    by(r#"mv "$2" "$1""#).await;
}

#[tokio::test]
async fn with_a_file_that_is_written_beside_it_and_renamed() {
    by(r#"cat > "$1.tmp"; mv "$1.tmp" "$1""#).await;
}

#[tokio::test]
async fn with_rm_and_a_new_file() {
    by(r#"rm "$1"; cat > "$1""#).await;
}

#[tokio::test]
async fn with_ln_to_another_file() {
    by(r#"cp "$2" "$2.$$"; ln -sf "$2.$$" "$1""#).await;
}

#[tokio::test]
async fn with_sed() {
    everywhere(&mut Desk::open(), |edit| {
        let (number, line) = edit.line();
        let status =
            Command::new("sed").args(["-i", &format!("{number}s|.*|{line}|")]).arg(&edit.path).status();
        assert!(status.unwrap().success());
    })
    .await;
}

#[tokio::test]
async fn as_nano_does() {
    everywhere(&mut Desk::open(), |edit| fs::write(&edit.path, &edit.new).unwrap()).await;
}

#[tokio::test]
async fn as_vim_does() {
    by(r#"mv "$1" "$1~"; cat > "$1"; rm "$1~""#).await;
}

#[tokio::test]
async fn over_the_old_bytes() {
    everywhere(&mut Desk::open(), |edit| {
        let file = File::options().write(true).open(&edit.path).unwrap();
        file.write_all_at(edit.new.as_bytes(), 0).unwrap();
    })
    .await;
}

#[tokio::test]
async fn with_the_time_and_size_that_the_file_had() {
    everywhere(&mut Desk::open(), |edit| {
        let before = fs::metadata(&edit.path).unwrap();
        fs::write(&edit.path, &edit.new).unwrap();
        File::options()
            .write(true)
            .open(&edit.path)
            .unwrap()
            .set_modified(before.modified().unwrap())
            .unwrap();
        let after = fs::metadata(&edit.path).unwrap();
        assert_eq!((after.modified().unwrap(), after.len()), (before.modified().unwrap(), before.len()));
    })
    .await;
}

#[tokio::test]
async fn in_two_halves() {
    let mut desk = Desk::open();
    for piece in [Piece::Main, Piece::Included, Piece::Main, Piece::Included] {
        let before = ready(&desk.server).await["generation"].clone();
        let edit = desk.begin(piece);
        // In the middle of the last line, so that all but this one's agent is there.
        let (half, rest) = edit.new.split_at(edit.new.len() - 3);
        let mut file = File::create(&edit.path).unwrap();
        file.write_all(half.as_bytes()).unwrap();
        let begun = Instant::now();
        eventually_async("the half to be left alone for a second", || async {
            let answer = ready(&desk.server).await;
            assert_eq!((&answer["ready"], &answer["generation"]), (&true.into(), &before));
            (begun.elapsed().as_secs() >= 1).then_some(())
        })
        .await;
        file.write_all(rest.as_bytes()).unwrap();
        drop(file);
        desk.in_force(piece, &before).await;
    }
    let refused = |line: &serde_json::Value| {
        line["message"].as_str().is_some_and(|it| it.starts_with("reload refused"))
    };
    assert_eq!(desk.server.logged(refused), None);
}

/// The kernel tells of it where the file was written, which is another folder:
/// only the poll sees it.
#[tokio::test]
async fn by_another_name_of_the_file() {
    let mut desk = Desk::open_with(100, desk::lay, |_, _| {});
    everywhere(&mut desk, |edit| {
        let other = edit.aside.with_extension("link");
        if !other.exists() {
            fs::hard_link(&edit.path, &other).unwrap();
        }
        fs::write(other, &edit.new).unwrap();
    })
    .await;
}

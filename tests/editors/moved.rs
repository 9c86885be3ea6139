//! Folders that are replaced, which a watch on them does not survive.

use std::os::unix::fs::symlink;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::*;

/// A copy of the folder with the edit made in it.
fn edited_copy(edit: &Edit) -> PathBuf {
    let folder = edit.path.parent().unwrap();
    let copy = folder.with_file_name("etc.new");
    assert!(Command::new("cp").arg("-a").args([folder, &copy]).status().unwrap().success());
    fs::write(copy.join(edit.path.file_name().unwrap()), &edit.new).unwrap();
    copy
}

/// Away with the folder, and the copy in its place.
fn replace_folder(edit: &Edit) {
    let folder = edit.path.parent().unwrap();
    let (copy, old) = (edited_copy(edit), folder.with_file_name("etc.old"));
    fs::rename(folder, &old).unwrap();
    fs::rename(copy, folder).unwrap();
    fs::remove_dir_all(old).unwrap();
}

/// The same in one step.
fn exchange_folder(edit: &Edit) {
    let copy = edited_copy(edit);
    renameat_with(CWD, &copy, CWD, edit.path.parent().unwrap(), RenameFlags::EXCHANGE).unwrap();
    fs::remove_dir_all(copy).unwrap();
}

fn in_place(edit: &Edit) {
    fs::write(&edit.path, &edit.new).unwrap();
}

fn renamed(edit: &Edit) {
    fs::rename(&edit.aside, &edit.path).unwrap();
}

#[tokio::test]
async fn the_folder_is_exchanged_and_then_edited() {
    let mut desk = Desk::open();
    for piece in PIECES {
        desk.edit(piece, exchange_folder).await;
        desk.edit(piece, in_place).await;
        desk.edit(piece, renamed).await;
    }
}

/// If a look falls between the two steps, there is no folder to watch, and the
/// poll finds the new one.
#[tokio::test]
async fn the_folder_is_moved_away_and_the_new_one_edited() {
    let mut desk = Desk::open_with(500, desk::lay, |_, _| {});
    for piece in PIECES {
        desk.edit(piece, replace_folder).await;
        desk.edit(piece, in_place).await;
        desk.edit(piece, renamed).await;
    }
}

/// Files as a ConfigMap has them: links through a link to the folder of a version.
fn lay_links(folder: &Path, files: &[(Piece, String)]) {
    fs::create_dir(folder.join("..v0")).unwrap();
    desk::lay(&folder.join("..v0"), files);
    symlink("..v0", folder.join("..data")).unwrap();
    for (piece, _) in files {
        symlink(Path::new("..data").join(piece.file()), folder.join(piece.file())).unwrap();
    }
}

/// The next version, as the kubelet brings it.
fn swap(edit: &Edit) {
    let folder = edit.path.parent().unwrap();
    let old = fs::read_link(folder.join("..data")).unwrap();
    let number: usize = old.to_str().unwrap().trim_start_matches("..v").parse().unwrap();
    let new = format!("..v{}", number + 1);
    let status = Command::new("cp").arg("-a").args([folder.join(&old), folder.join(&new)]).status();
    assert!(status.unwrap().success());
    fs::write(folder.join(&new).join(edit.path.file_name().unwrap()), &edit.new).unwrap();
    symlink(new, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    fs::remove_dir_all(folder.join(old)).unwrap();
}

#[tokio::test]
async fn a_config_map_is_updated() {
    let mut desk = Desk::open_with(60_000, lay_links, |_, _| {});
    everywhere(&mut desk, swap).await;
}

/// A release as Envoy's and Capistrano's users know it: the folder is a link.
#[tokio::test]
async fn the_folder_is_a_link_that_leads_elsewhere() {
    let lay = |folder: &Path, files: &[(Piece, String)]| {
        let first = folder.with_file_name("release-0");
        fs::rename(folder, &first).unwrap();
        desk::lay(&first, files);
        symlink(first, folder).unwrap();
    };
    let mut desk = Desk::open_with(60_000, lay, |_, _| {});
    let next = |edit: &Edit| {
        let link = edit.path.parent().unwrap();
        let old = fs::read_link(link).unwrap();
        let new = PathBuf::from(format!("{}x", old.display()));
        assert!(Command::new("cp").arg("-a").args([&old, &new]).status().unwrap().success());
        fs::write(new.join(edit.path.file_name().unwrap()), &edit.new).unwrap();
        symlink(new, link.with_file_name("link")).unwrap();
        fs::rename(link.with_file_name("link"), link).unwrap();
        fs::remove_dir_all(old).unwrap();
    };
    for piece in PIECES {
        desk.edit(piece, next).await;
        desk.edit(piece, in_place).await;
        desk.edit(piece, next).await;
    }
}

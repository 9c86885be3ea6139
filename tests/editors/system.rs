//! What not every machine has: editors, rsync, and the right to mount. `cargo xtask
//! test --system` runs these; whatever is missing then is a failure.

use std::fs::File;

use super::{plugin::comes_by, *};

mod mounts;
mod nano;

/// Vim, with settings of its own making and no others.
async fn vim(settings: &str) {
    everywhere(&mut Desk::open(), |edit| {
        let (number, line) = edit.line();
        let mut command = Command::new("vim");
        // Ex mode, silent, with the defaults that vim has for a user without a vimrc.
        command.args(["-e", "-s", "-u", "DEFAULTS", "-c"]).arg(format!("set {settings}"));
        command.arg("-c").arg(format!("{number}s#.*#{line}#")).args(["-c", "wq"]).arg(&edit.path);
        feed(&mut command, "");
        assert_eq!(fs::read_to_string(&edit.path).unwrap(), edit.new);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs vim: cargo xtask test --system"]
async fn vim_with_its_defaults() {
    vim("backup?").await;
}

#[tokio::test]
#[ignore = "needs vim: cargo xtask test --system"]
async fn vim_that_renames_the_old_file() {
    vim("writebackup backupcopy=no").await;
}

#[tokio::test]
#[ignore = "needs vim: cargo xtask test --system"]
async fn vim_that_keeps_the_old_file() {
    vim("backup backupcopy=no").await;
}

#[tokio::test]
#[ignore = "needs vim: cargo xtask test --system"]
async fn vim_that_writes_over_the_file() {
    vim("backup backupcopy=yes").await;
}

#[tokio::test]
#[ignore = "needs vim: cargo xtask test --system"]
async fn vim_without_any_copy() {
    vim("nobackup nowritebackup noswapfile").await;
}

async fn rsync(options: &[&str]) {
    everywhere(&mut Desk::open(), |edit| {
        // Both files are as long, and as old: only -c looks at what they say.
        let modified = fs::metadata(&edit.path).unwrap().modified().unwrap();
        File::options().write(true).open(&edit.aside).unwrap().set_modified(modified).unwrap();
        let status = Command::new("rsync").arg("-c").args(options).args([&edit.aside, &edit.path]).status();
        assert!(status.unwrap().success());
    })
    .await;
}

#[tokio::test]
#[ignore = "needs rsync: cargo xtask test --system"]
async fn rsync_with_a_new_file() {
    rsync(&[]).await;
}

#[tokio::test]
#[ignore = "needs rsync: cargo xtask test --system"]
async fn rsync_in_place() {
    rsync(&["--inplace"]).await;
}

#[tokio::test]
#[ignore = "needs rsync: cargo xtask test --system"]
async fn rsync_with_the_old_time() {
    rsync(&["-t"]).await;
}

#[tokio::test]
#[ignore = "needs rsync: cargo xtask test --system"]
async fn rsync_in_place_with_the_old_time() {
    rsync(&["-t", "--inplace"]).await;
}

#[tokio::test]
#[ignore = "needs rsync: cargo xtask test --system"]
async fn rsync_of_a_plugin() {
    // A build may be as long and as old as the one before it.
    comes_by(r#"rsync -ac "$2/" "$1/""#).await;
    comes_by(r#"rsync -ac --inplace --delete "$2/" "$1/""#).await;
}

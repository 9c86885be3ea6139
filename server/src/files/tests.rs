//! Ways out of a root, tried one by one, and how much is read at once.

use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
    process::Command,
};

use plugin_contract::op::{FileEncoding, FileKind, ListFiles, ReadFile, SearchFiles};
use server_core::settings::FileRoot;

use super::*;

mod limits;
mod races;
mod searching;

/// A root, with files outside of it that nobody is to read.
struct World {
    folder: tempfile::TempDir,
    settings: FileRoot,
}

const SECRET: &str = "outside";

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["root/guides/deep", "root-2"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        for name in ["secret", "root-2/secret", "root/.hidden"] {
            fs::write(folder.path().join(name), SECRET).unwrap();
        }
        fs::create_dir(folder.path().join("root/.git")).unwrap();
        fs::write(folder.path().join("root/.git/config"), SECRET).unwrap();
        fs::write(folder.path().join("root/guides/a.md"), "inside").unwrap();
        let settings = FileRoot {
            path: folder.path().join("root"),
            description: None,
            hidden: false,
            max_read_bytes: 65_536,
            max_entries: 20_000,
        };
        Self { folder, settings }
    }

    fn root(&self) -> PathBuf {
        self.settings.path.clone()
    }

    fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        fs::write(self.root().join(path), content).unwrap();
    }

    fn link(&self, target: impl AsRef<Path>, name: &str) {
        symlink(target, self.root().join(name)).unwrap();
    }

    fn with<T>(&self, read: impl FnOnce(&Root<'_>) -> Result<T, FileError>) -> Result<T, String> {
        let done = Root::open("docs", &self.settings).and_then(|root| read(&root));
        done.map_err(|error| match error {
            FileError::Refused(reason) => format!("{}: {reason}", reason.code()),
            FileError::Failed(error) => error.message,
        })
    }

    fn read(&self, path: &str) -> Result<String, String> {
        self.part(ReadFile { path: path.to_owned(), ..ReadFile::default() }).map(|part| part.content)
    }

    fn part(&self, asked: ReadFile) -> Result<plugin_contract::op::FilePart, String> {
        self.with(|root| read(root, &asked))
    }

    fn list(&self, path: &str) -> Result<Vec<String>, String> {
        let asked = ListFiles { path: path.to_owned(), ..ListFiles::default() };
        let list = self.with(|root| list(root, &asked, &patient()))?;
        Ok(list.entries.into_iter().map(|entry| entry.name).collect())
    }

    fn search(&self, asked: &SearchFiles) -> Result<plugin_contract::op::FileMatches, String> {
        self.with(|root| search(root, asked, &patient()))
    }
}

fn patient() -> Patience<'static> {
    Patience::new(Duration::from_secs(30), &|| false)
}

const NO_DOTS: &str = "a path goes down from its root, so it has no `..`";
const NOT_ABSOLUTE: &str = "a path starts at its root: write it without `/` at the beginning";

fn is_a_link(path: &str) -> String {
    format!("`{path}` is a symbolic link or leads through one: links are not followed")
}

fn is_hidden(path: &str) -> String {
    format!("hidden_file: `{path}` is hidden, and file root `docs` shows no hidden files")
}

fn is_not_there(path: &str) -> String {
    format!("root `docs` has no `{path}`")
}

fn is_no_file(path: &str) -> String {
    format!("`{path}` is a device, a pipe or a socket")
}

#[test]
fn no_path_leads_out_of_its_root() {
    let world = World::new();
    world.link("../secret", "link");
    world.link(world.folder.path().join("secret"), "absolute");
    world.link("..", "up");
    world.link("../root-2", "sibling");
    world.link("/proc/self/root", "magic");
    world.link("/proc/self/cwd", "cwd");
    world.link("guides/a.md", "within");
    world.link("guides", "folder");
    world.link("loop", "loop");
    world.link("nowhere", "dangling");
    world.link(".hidden", "unhidden");
    let outside = world.folder.path().join("secret");
    let outside = outside.to_str().unwrap();
    let proc_fd = format!("proc/self/fd/{}", 3);
    let long_part = "a".repeat(256);
    let (many, long) = ("a/".repeat(65), format!("{}b", "./".repeat(2100)));
    let too_long = "a path has at most 4095 bytes and 64 parts of at most 255 bytes";
    for (path, expected) in [
        // Up.
        ("..", NO_DOTS.to_owned()),
        ("../secret", NO_DOTS.to_owned()),
        ("../../../../../../etc/passwd", NO_DOTS.to_owned()),
        ("guides/../../secret", NO_DOTS.to_owned()),
        ("guides/..", NO_DOTS.to_owned()),
        ("./../secret", NO_DOTS.to_owned()),
        ("guides//..//../secret", NO_DOTS.to_owned()),
        ("..\\secret", is_hidden("..\\secret")),
        ("guides/..\\..\\secret", is_hidden("guides/..\\..\\secret")),
        ("%2e%2e/secret", is_not_there("%2e%2e/secret")),
        ("．．/secret", is_not_there("．．/secret")),
        ("…/secret", is_not_there("…/secret")),
        ("../root-2/secret", NO_DOTS.to_owned()),
        // From the top.
        ("/etc/passwd", NOT_ABSOLUTE.to_owned()),
        (outside, NOT_ABSOLUTE.to_owned()),
        ("//etc/passwd", NOT_ABSOLUTE.to_owned()),
        ("/", NOT_ABSOLUTE.to_owned()),
        ("file:///etc/passwd", is_not_there("file:/etc/passwd")),
        ("~/.ssh/id_ed25519", is_hidden("~/.ssh/id_ed25519")),
        ("C:\\secret", is_not_there("C:\\secret")),
        // Through links.
        ("link", is_a_link("link")),
        ("absolute", is_a_link("absolute")),
        ("up/secret", is_a_link("up/secret")),
        ("sibling/secret", is_a_link("sibling/secret")),
        ("magic/etc/passwd", is_a_link("magic/etc/passwd")),
        ("cwd/Cargo.toml", is_a_link("cwd/Cargo.toml")),
        ("within", is_a_link("within")),
        ("folder/a.md", is_a_link("folder/a.md")),
        ("loop", is_a_link("loop")),
        ("dangling", is_a_link("dangling")),
        ("unhidden", is_a_link("unhidden")),
        // What is hidden.
        (".hidden", is_hidden(".hidden")),
        ("./.hidden", is_hidden(".hidden")),
        (".git/config", is_hidden(".git/config")),
        ("guides/.nothing", is_hidden("guides/.nothing")),
        // What a kernel or a shell might take for something else.
        ("guides/a.md\0.png", "a path holds no NUL".to_owned()),
        ("guides/a.md/", "inside".to_owned()),
        ("guides/a.md/x", "`guides/a.md/x`, or a part of it, is no folder".to_owned()),
        (&proc_fd, is_not_there(&proc_fd)),
        ("guides/*", is_not_there("guides/*")),
        ("$HOME", is_not_there("$HOME")),
        ("-rf", is_not_there("-rf")),
        ("guides", "`guides` is a folder: list it instead".to_owned()),
        ("", "`.` is a folder: list it instead".to_owned()),
        (&many, too_long.to_owned()),
        (&long, too_long.to_owned()),
        (&long_part, too_long.to_owned()),
    ] {
        let seen = world.read(path).unwrap_or_else(|message| message);
        assert_eq!(seen, expected, "{path:?}");
    }
}

#[test]
fn folders_are_listed_and_searched_by_the_same_way() {
    let world = World::new();
    world.link("..", "up");
    world.link("/", "top");
    world.link("guides", "again");
    for (path, expected) in [
        ("..", NO_DOTS.to_owned()),
        ("/", NOT_ABSOLUTE.to_owned()),
        ("up", is_a_link("up")),
        ("top/etc", is_a_link("top/etc")),
        ("again", is_a_link("again")),
        (".git", is_hidden(".git")),
        ("guides/a.md", "`guides/a.md`, or a part of it, is no folder".to_owned()),
        ("nothing", is_not_there("nothing")),
    ] {
        assert_eq!(world.list(path), Err(expected.clone()), "{path}");
        let asked =
            SearchFiles { path: path.to_owned(), name: Some("*".to_owned()), ..SearchFiles::default() };
        assert_eq!(world.search(&asked).map(|found| found.matches), Err(expected), "{path}");
    }
    assert_eq!(world.list("").unwrap(), ["again", "guides", "top", "up"]);
    assert_eq!(world.list("guides/.").unwrap(), ["a.md", "deep"]);
    let everything = SearchFiles { name: Some("*".to_owned()), ..SearchFiles::default() };
    let found = world.search(&everything).unwrap();
    assert_eq!(found.matches.iter().map(|it| it.path.as_str()).collect::<Vec<_>>(), ["guides/a.md"]);
    assert_eq!((found.files, found.skipped.special, found.stopped), (1, 3, None));
}

#[test]
fn what_is_no_file_is_never_opened() {
    let world = World::new();
    let pipe = world.root().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let _socket = UnixListener::bind(world.root().join("socket")).unwrap();
    for name in ["pipe", "socket"] {
        assert_eq!(world.read(name), Err(is_no_file(name)));
    }
    // A search does not wait for a writer either.
    let asked = SearchFiles { text: Some("x".to_owned()), ..SearchFiles::default() };
    assert_eq!(world.search(&asked).unwrap().skipped.special, 2);
    let asked = ListFiles::default();
    let list = world.with(|root| list(root, &asked, &patient())).unwrap();
    let kinds: Vec<_> = list.entries.iter().map(|entry| (entry.name.as_str(), entry.kind)).collect();
    assert_eq!(kinds, [("guides", FileKind::Folder), ("pipe", FileKind::Other), ("socket", FileKind::Other)]);
}

#[test]
fn other_file_systems_are_roots_of_their_own() {
    // Below `/` there are the kernel's own, in every test environment.
    let mut world = World::new();
    world.settings.path = "/".into();
    for path in ["proc/self/environ", "proc/1/environ", "proc/version", "sys/kernel", "dev/null", "proc"] {
        let other = format!("`{path}` is on another file system, which has to be a root of its own");
        assert_eq!(world.read(path), Err(other), "{path}");
    }
}

#[test]
fn hidden_files_are_there_if_the_root_says_so() {
    let mut world = World::new();
    world.settings.hidden = true;
    assert_eq!(world.read(".git/config").as_deref(), Ok(SECRET));
    assert_eq!(world.list("").unwrap(), [".git", ".hidden", "guides"]);
    assert_eq!(world.read(".git/../../secret"), Err(NO_DOTS.to_owned()));
}

#[test]
fn a_hard_link_is_the_file_that_it_is() {
    // It cannot be told from any other name of the file. Who makes one has the right
    // to read the file, or to write it, and could as well copy it.
    let world = World::new();
    fs::hard_link(world.folder.path().join("secret"), world.root().join("hard")).unwrap();
    assert_eq!(world.read("hard").as_deref(), Ok(SECRET));
}

#[test]
fn a_name_that_is_no_text_is_shown_and_cannot_be_opened() {
    let world = World::new();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.md");
    fs::write(world.root().join(name), "inside").unwrap();
    assert_eq!(world.list("").unwrap(), ["caf\\xE9.md", "guides"]);
    assert_eq!(world.read("caf\\xE9.md"), Err(is_not_there("caf\\xE9.md")));
    assert_eq!(world.read("café.md"), Err(is_not_there("café.md")));
    let asked = SearchFiles { text: Some("inside".to_owned()), ..SearchFiles::default() };
    let found = world.search(&asked).unwrap();
    assert_eq!((found.matches.len(), found.skipped.unreadable), (1, 1));
}

#[test]
fn a_root_that_is_not_there_says_so_without_its_path() {
    let mut world = World::new();
    for path in ["nothing", "secret"] {
        world.settings.path = world.folder.path().join(path);
        assert_eq!(world.read("a"), Err("root `docs` cannot be read at present".to_owned()));
    }
}

#[test]
fn a_root_may_be_a_link_itself_and_follows_it() {
    let mut world = World::new();
    let current = world.folder.path().join("current");
    symlink("root", &current).unwrap();
    world.settings.path.clone_from(&current);
    assert_eq!(world.read("guides/a.md").as_deref(), Ok("inside"));
    fs::remove_file(&current).unwrap();
    symlink("root-2", &current).unwrap();
    assert_eq!(world.read("secret").as_deref(), Ok(SECRET));
}

#[test]
fn whatever_is_no_text_is_read_as_base64() {
    let world = World::new();
    world.write("latin", b"caf\xe9");
    world.write("nul", b"a\0b");
    for (name, message) in [
        (
            "latin",
            "`latin` is no text: byte 3 is not UTF-8, or not the first of its character; read it as base64",
        ),
        ("nul", "`nul` is no text: byte 1 is NUL; read it as base64"),
    ] {
        assert_eq!(world.read(name), Err(message.to_owned()));
    }
    let encoding = FileEncoding::Base64;
    let part = world.part(ReadFile { path: "latin".to_owned(), encoding, ..ReadFile::default() }).unwrap();
    assert_eq!((part.content.as_str(), part.length, part.size), ("Y2Fm6Q==", 4, 4));
}

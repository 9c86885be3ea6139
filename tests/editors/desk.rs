//! A folder of files that an operator edits, and a server that runs on them.

use std::{cell::Cell, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::{
    reload::ready,
    support::{
        Server,
        client::{http_from_elsewhere, stateless},
        eventually_async,
    },
};

pub(super) const ADMIN: &str = "admin-token-0123456789-0123456789-abcdefg";

/// A file that matters. Each says the token of an agent that has its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Main,
    Included,
    Dotenv,
    Secret,
}

pub(super) const PIECES: [Piece; 4] = [Piece::Main, Piece::Included, Piece::Dotenv, Piece::Secret];

impl Piece {
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Main => "config.yaml",
            Self::Included => "more.yaml",
            Self::Dotenv => ".env",
            Self::Secret => "secret",
        }
    }

    fn token(self, edit: usize) -> String {
        format!("{self:?}-token-{edit:04}-0123456789-0123456789-0123456789")
    }

    fn hash(self, edit: usize) -> String {
        format!("sha256:{:x}", Sha256::digest(self.token(edit)))
    }
}

/// One edit: what a file said, and what it is to say. Both have the same length.
pub(super) struct Edit {
    pub(super) path: PathBuf,
    pub(super) old: String,
    pub(super) new: String,
    /// A file in another folder that has the new text.
    pub(super) aside: PathBuf,
}

impl Edit {
    /// The number and the new text of the one line that changes.
    pub(super) fn line(&self) -> (usize, &str) {
        let mut lines = self.old.lines().zip(self.new.lines()).zip(1..);
        let ((_, new), number) = lines.find(|((old, new), _)| old != new).unwrap();
        (number, new)
    }
}

/// The folder and the server.
pub(super) struct Desk {
    pub(super) server: Server,
    /// Where the edits are made.
    pub(super) folder: PathBuf,
    head: String,
    edits: [usize; PIECES.len()],
}

impl Desk {
    /// A server that polls once a minute.
    pub(super) fn open() -> Self {
        Self::open_with(60_000, lay, |_, _| {})
    }

    /// The server's poll, how the files are laid into the folder, and what else is
    /// to be done to the command, which starts beside the folder `etc`.
    pub(super) fn open_with(
        poll: u32,
        lay: impl FnOnce(&Path, &[(Piece, String)]),
        prepare: impl FnOnce(&Path, &mut Command),
    ) -> Self {
        let (mut folder, mut head) = (PathBuf::new(), String::new());
        let server = Server::start_with("", |root, command| {
            folder = root.join("etc");
            head = format!(
                r#"version: 1
include: [more.yaml]
server: {{ listen: "127.0.0.1:0" }}
admin: {{ listen: "127.0.0.1:0", token: "${{ADMIN_TOKEN}}" }}
state: {{ dir: {} }}
reload: {{ poll_ms: {poll} }}
tenants:
  research: {{ tools: ["*"] }}
"#,
                root.join("state").display()
            );
            for folder in ["etc", "aside"] {
                fs::create_dir(root.join(folder)).unwrap();
            }
            lay(&folder, &PIECES.map(|piece| (piece, text(&head, piece, 0))));
            command.env("MCP_CONFIG", folder.join("config.yaml")).env("ADMIN_TOKEN", ADMIN);
            prepare(root, command);
        });
        Self { server, folder, head, edits: [0; PIECES.len()] }
    }

    /// Edits a file and waits until what it says now is in force.
    pub(super) async fn edit(&mut self, piece: Piece, means: impl FnOnce(&Edit)) {
        let before = ready(&self.server).await["generation"].clone();
        means(&self.begin(piece));
        self.in_force(piece, &before).await;
    }

    /// The next edit of a file, which the caller then makes.
    pub(super) fn begin(&mut self, piece: Piece) -> Edit {
        let edits = &mut self.edits[piece as usize];
        *edits += 1;
        let (old, new) = (text(&self.head, piece, *edits - 1), text(&self.head, piece, *edits));
        let aside = self.folder.with_file_name("aside").join(piece.file());
        fs::write(&aside, &new).unwrap();
        Edit { path: self.folder.join(piece.file()), old, new, aside }
    }

    /// Waits for a generation other than `before` in which the new token opens, and
    /// sees that the old one does not any more, and that the other agents still
    /// come in.
    pub(super) async fn in_force(&self, piece: Piece, before: &Value) {
        let seen = Cell::new(before.clone());
        eventually_async(&format!("the edit of {}", piece.file()), || async {
            let generation = ready(&self.server).await["generation"].clone();
            if seen.replace(generation.clone()) == generation {
                return None;
            }
            (self.enter(piece, self.edits[piece as usize]).await == 200).then_some(())
        })
        .await;
        assert_eq!(self.enter(piece, self.edits[piece as usize] - 1).await, 401, "{piece:?}");
        for other in PIECES {
            assert_eq!(self.enter(other, self.edits[other as usize]).await, 200, "{other:?}");
        }
    }

    /// The status of a call with a token.
    async fn enter(&self, piece: Piece, edit: usize) -> u16 {
        let echo = json!({ "name": "core.echo", "arguments": { "text": "hello" } });
        let request = stateless(&self.server, &piece.token(edit), "tools/call", echo).build().unwrap();
        let response = http_from_elsewhere().execute(request).await.unwrap();
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap();
        assert!(status == 401 || body["result"]["content"][0]["text"] == "hello", "{status} {body}");
        status
    }
}

/// Plain files.
pub(super) fn lay(folder: &Path, files: &[(Piece, String)]) {
    for (piece, text) in files {
        let path = folder.join(piece.file());
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn text(head: &str, piece: Piece, edit: usize) -> String {
    let agent = |name: &str, token: &str| {
        format!("  {name}: {{ tenant: research, token: \"{token}\", tools: [\"core.echo\"] }}\n")
    };
    match piece {
        Piece::Main => {
            let (dotenv, secret) = (agent("dotenv", "${DESK_TOKEN}"), agent("secret", "${file:secret}"));
            format!("{head}agents:\n{}{dotenv}{secret}", agent("main", &piece.hash(edit)))
        }
        Piece::Included => format!("agents:\n{}", agent("included", &piece.hash(edit))),
        Piece::Dotenv => format!("DESK_TOKEN={}\n", piece.token(edit)),
        Piece::Secret => format!("{}\n", piece.token(edit)),
    }
}

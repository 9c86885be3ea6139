//! `files` and `databases`: what agents can be granted to read.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use plugin_contract::Capability;

use super::{
    Compiler, Place,
    rights::{RawRights, Rights},
};
use crate::{
    config::{
        Found,
        raw::{RawDatabase, RawFileRoot, Texts},
        secrets::NoSecret,
    },
    id::{DatabaseName, RootName},
    secret::Secret,
    settings::{Database, DatabaseSource, FileRoot, SecretSource},
};

mod postgres;

/// Where the kernel shows itself as files: none of them is anybody's document.
const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// What no agent may read, and what to call it.
type Private = Vec<(PathBuf, &'static str)>;

impl Compiler<'_> {
    pub(super) fn roots(
        &mut self,
        place: &Place,
        raw: &BTreeMap<String, RawFileRoot>,
        state: &Path,
    ) -> BTreeMap<RootName, FileRoot> {
        let private = if raw.is_empty() { Vec::new() } else { self.private(state) };
        self.named(place, raw, |compiler, place, raw| {
            let hidden = raw.hidden.unwrap_or(false);
            let at = place.key("path");
            let path = compiler.path(&at, raw.path.as_deref())?;
            compiler.folder(&at, &path, hidden, &private);
            Some(FileRoot {
                path,
                description: raw.description.clone(),
                hidden,
                max_read_bytes: raw.max_read_bytes.unwrap_or(65_536),
                max_entries: raw.max_entries.unwrap_or(20_000),
            })
        })
    }

    /// A root has to be a folder, and none that has the server's own files in it.
    fn folder(&mut self, place: &Place, path: &Path, hidden: bool, private: &Private) {
        let shown = path.display();
        let folder = match self.environment.found(path) {
            Found::Unknown => path.to_owned(),
            Found::Folder(folder) => folder,
            Found::Other => {
                let message = format!("`{shown}` is no folder");
                let help = "a root is a folder; the files in it are read by their names".to_owned();
                return self.report.error(place, "no_folder", message, Some(help));
            }
            Found::Nothing(error) => {
                let message = format!("`{shown}` cannot be read at present: {error}");
                let help = "create the folder, or correct the path; until then nothing is found there";
                return self.report.warning(place, "no_folder", message, Some(help.to_owned()));
            }
        };
        if KERNEL.iter().any(|kernel| folder.starts_with(kernel)) {
            let message = format!("`{shown}` is the kernel's, and no place for files");
            return self.report.error(place, "private_folder", message, None);
        }
        let is_inside = |file: &Path| {
            let below = file.strip_prefix(&folder).ok();
            below.is_some_and(|below| hidden || !below.components().any(is_hidden))
        };
        let held = private.iter().find(|(file, _)| is_inside(file) || folder.starts_with(file));
        if let Some((file, what)) = held {
            let message = format!("agents could read {what} below `{shown}`: {}", file.display());
            let help = "take a folder without it, or move one of the two".to_owned();
            self.report.error(place, "private_folder", message, Some(help));
        }
    }

    /// The server's own files, where they really are. The configuration itself is
    /// none of them: it holds no secrets.
    fn private(&self, state: &Path) -> Private {
        let files = self.secrets.iter().filter_map(|secret| match &secret.source {
            SecretSource::File { path } => Some((self.real(path), "a secret")),
            _ => None,
        });
        let own =
            [(self.real(state), "the server's own state"), (self.real(&self.folder.join(".env")), "`.env`")];
        own.into_iter().chain(files).collect()
    }

    /// Where a path really leads. A file's folder may be a symbolic link.
    fn real(&self, path: &Path) -> PathBuf {
        if let Found::Folder(real) = self.environment.found(path) {
            return real;
        }
        match path.parent().map(|folder| (self.environment.found(folder), path.file_name())) {
            Some((Found::Folder(folder), Some(name))) => folder.join(name),
            _ => path.to_owned(),
        }
    }

    pub(super) fn databases(
        &mut self,
        place: &Place,
        raw: &BTreeMap<String, RawDatabase>,
        state: &Path,
    ) -> BTreeMap<DatabaseName, Database> {
        self.named(place, raw, |compiler, place, raw| {
            Some(Database {
                source: compiler.source_of(place, raw, state)?,
                description: raw.description.clone(),
                max_rows: raw.max_rows.unwrap_or(1000),
                max_bytes: raw.max_bytes.unwrap_or(65_536),
                timeout: Duration::from_secs(raw.timeout_seconds.unwrap_or(10)),
                max_connections: raw.max_connections.unwrap_or(4),
            })
        })
    }

    fn source_of(&mut self, place: &Place, raw: &RawDatabase, state: &Path) -> Option<DatabaseSource> {
        let password = raw.password.as_deref().and_then(|text| self.password(&place.key("password"), text));
        let one = "give either `sqlite`, a file, or `postgres`, a server".to_owned();
        match (&raw.sqlite, &raw.postgres) {
            (Some(path), None) => self.sqlite(place, path, raw, state),
            (None, Some(url)) => self.postgres(place, url, password, raw).map(DatabaseSource::Postgres),
            (Some(_), Some(_)) => {
                let message = format!("database `{}` is two at once", self.report.name_at(place));
                self.report.key_error(place, "no_database", message, Some(one));
                None
            }
            (None, None) => {
                // What is there and no text has been reported.
                if !self.report.has(place, "sqlite") && !self.report.has(place, "postgres") {
                    let message = format!("nothing says where database `{}` is", self.report.name_at(place));
                    self.report.key_error(place, "no_database", message, Some(one));
                }
                None
            }
        }
    }

    fn sqlite(
        &mut self,
        place: &Place,
        path: &str,
        raw: &RawDatabase,
        state: &Path,
    ) -> Option<DatabaseSource> {
        for (key, is_there) in
            [("password", raw.password.is_some()), ("tls", raw.tls.is_some()), ("ca", raw.ca.is_some())]
        {
            if is_there {
                let message = format!("`{key}` means nothing for a file of SQLite");
                let help = Some("remove it".to_owned());
                self.report.warning(&place.key(key), "meaningless", message, help);
            }
        }
        let at = place.key("sqlite");
        let path = self.path(&at, Some(path))?;
        let shown = path.display();
        match self.environment.found(&path) {
            Found::Folder(_) => {
                let message = format!("`{shown}` is a folder");
                let help = Some("name the file".to_owned());
                self.report.error(&at, "no_database", message, help);
            }
            Found::Nothing(error) => {
                let message = format!("`{shown}` cannot be read at present: {error}");
                let help = "create the file, or correct the path; until then no query succeeds".to_owned();
                self.report.warning(&at, "no_database", message, Some(help));
            }
            Found::Other | Found::Unknown => {}
        }
        if self.real(&path).starts_with(self.real(state)) {
            let message = format!("`{shown}` is the server's own state");
            self.report.error(&at, "private_file", message, Some("name another file".to_owned()));
        }
        Some(DatabaseSource::Sqlite(path))
    }

    /// Names in lists of rights are those of roots and databases; a pattern may
    /// cover none yet.
    pub(super) fn refer_to_stores(&mut self, place: &Place, raw: &RawRights<'_>) {
        let roots = Place::root().key("files").key("roots");
        let databases = Place::root().key("databases");
        for (key, texts, section, code, kind) in [
            ("files", raw.files, roots, "unknown_root", "root"),
            ("databases", raw.databases, databases, "unknown_database", "database"),
        ] {
            let keys = self.report.keys(&section);
            let names = texts.into_iter().flat_map(Texts::iter);
            let unknown = names.filter(|(_, name)| !name.contains('*') && !keys.contains(name));
            for (item, name) in unknown.collect::<Vec<_>>() {
                let known: Vec<_> = keys.iter().map(|key| self.report.name(&section, key)).collect();
                self.refer_to_nothing(&place.key(key).item(item), code, kind, name, &known);
            }
        }
    }

    /// Says which lists of an agent's do nothing for want of the capability.
    pub(super) fn warn_about_stores(&mut self, place: &Place, raw: &RawRights<'_>, all: &Rights) {
        for (key, texts, capability) in
            [("files", raw.files, Capability::FsRead), ("databases", raw.databases, Capability::DbRead)]
        {
            let grants = texts.is_some_and(|texts| texts.iter().next().is_some());
            if grants && !all.capabilities.contains(&capability) {
                let message = format!("this grants nothing without the capability `{capability}`");
                let help = Some(format!("add `capabilities: [\"{capability}\"]` beside it"));
                self.report.warning(&place.key(key), "no_capability", message, help);
            }
        }
    }

    /// The password that a text refers to.
    fn password(&mut self, place: &Place, text: &str) -> Option<Secret> {
        let error = match self.secret(place, text) {
            Ok(secret) => return Some(secret),
            Err(error) => error,
        };
        let message = match &error {
            NoSecret::NoReference => "a password must not stand in the configuration".to_owned(),
            NoSecret::Digest => "a digest is no password".to_owned(),
            NoSecret::Unset(name) => {
                let message = format!("the variable `{name}` is not set, so there is no password");
                let help = Some(self.set(place, name));
                self.report.warning(place, "unset_variable", message, help);
                return None;
            }
            NoSecret::Unreadable { path, error } => {
                format!("the file `{}` with the password cannot be read: {error}", path.display())
            }
        };
        let help = "write it to the file `.env`, as in `SALES_PASSWORD=…`, and `\"${SALES_PASSWORD}\"` here";
        self.report.error(place, "no_password", message, Some(help.to_owned()));
        None
    }
}

fn is_hidden(part: std::path::Component<'_>) -> bool {
    part.as_os_str().as_encoded_bytes().starts_with(b".")
}

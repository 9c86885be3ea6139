//! What the operator offers to be read: files and databases.

use super::{
    change::{Change, Subject, What},
    operator::{named, or},
};
use crate::settings::{Database, DatabaseSource, FileRoot, Settings, Tls};

/// Folders whose files can be read.
pub(super) fn roots(old: &Settings, new: &Settings) -> Vec<Change> {
    named(
        &old.roots,
        &new.roots,
        |name| Subject::FileRoot { name: name.clone() },
        |root| What::New { names: vec![root.path.display().to_string()] },
        root,
    )
}

fn root(was: &FileRoot, is: &FileRoot) -> Vec<What> {
    [
        What::value("path", was.path.display(), is.path.display()),
        What::value("hidden", was.hidden, is.hidden),
        What::value("max_read_bytes", was.max_read_bytes, is.max_read_bytes),
        What::value("max_entries", was.max_entries, is.max_entries),
        changed("description", &was.description, &is.description),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Databases that can be queried.
pub(super) fn databases(old: &Settings, new: &Settings) -> Vec<Change> {
    named(
        &old.databases,
        &new.databases,
        |name| Subject::Database { name: name.clone() },
        |database| What::New { names: vec![database.source.to_string()] },
        database,
    )
}

fn database(was: &Database, is: &Database) -> Vec<What> {
    [
        What::value("source", &was.source, &is.source),
        changed("password", &password(was), &password(is)),
        What::value("tls", tls(was), tls(is)),
        What::value("max_rows", was.max_rows, is.max_rows),
        What::value("max_bytes", was.max_bytes, is.max_bytes),
        What::value("timeout_seconds", was.timeout.as_secs(), is.timeout.as_secs()),
        What::value("max_connections", was.max_connections, is.max_connections),
        changed("description", &was.description, &is.description),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn changed<T: PartialEq>(value: &'static str, was: &T, is: &T) -> Option<What> {
    (was != is).then_some(What::Changed { value })
}

fn password(database: &Database) -> Option<&crate::secret::Secret> {
    match &database.source {
        DatabaseSource::Postgres(postgres) => postgres.password.as_ref(),
        DatabaseSource::Sqlite(_) => None,
    }
}

fn tls(database: &Database) -> String {
    match &database.source {
        DatabaseSource::Postgres(postgres) => match &postgres.tls {
            Tls::Off => "off".to_owned(),
            Tls::Verify { ca } => {
                format!("verify, by {}", or(ca.as_ref().map(|ca| ca.display()), "the usual certificates"))
            }
        },
        DatabaseSource::Sqlite(_) => "off".to_owned(),
    }
}

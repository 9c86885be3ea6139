//! Which segments need not be kept any longer. They go as a whole, the oldest
//! first, and the record of it has where the chain went on.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use server_core::settings::AuditSettings;

use super::{
    chain::Link,
    segment::{Line, Segment},
};

/// A segment that may go.
pub(crate) struct Removable {
    pub(crate) path: PathBuf,
    pub(crate) says: Removed,
}

/// As a record has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Removed {
    pub(crate) segment: String,
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// The hash of its last record.
    pub(crate) head: String,
    pub(crate) bytes: u64,
}

struct Old {
    segment: Segment,
    bytes: u64,
    /// Since its last record.
    age: Duration,
}

/// Those that are too old, or too much, but for the one that is written.
pub(crate) fn beyond(folder: &Path, current: &Segment, settings: &AuditSettings) -> Vec<Removable> {
    // What cannot be read now is looked at another time.
    let all = Segment::all(folder).unwrap_or_default();
    let old: Vec<_> = all.into_iter().filter(|it| it.first < current.first).filter_map(Old::of).collect();
    let written = fs::metadata(&current.path).map_or(0, |it| it.len());
    let mut total = written + old.iter().map(|it| it.bytes).sum::<u64>();
    let mut beyond = Vec::new();
    for (at, it) in old.iter().enumerate() {
        if it.age < settings.keep_age && total <= settings.keep_bytes {
            break;
        }
        total -= it.bytes;
        let next = old.get(at + 1).map_or(current, |next| &next.segment);
        beyond.extend(it.removable(next));
    }
    beyond
}

impl Old {
    fn of(segment: Segment) -> Option<Self> {
        let metadata = fs::metadata(&segment.path).ok()?;
        let age = metadata.modified().ok()?.elapsed().unwrap_or_default();
        Some(Self { segment, bytes: metadata.len(), age })
    }

    /// `next`: its first record knows the hash of this one's last.
    fn removable(&self, next: &Segment) -> Option<Removable> {
        let mut lines = next.lines().ok()?;
        let Ok(Some(Line::Whole(line))) = lines.next() else { return None };
        let link = Link::of(line).ok()?;
        let says = Removed {
            segment: self.segment.name(),
            first: self.segment.first,
            last: link.seq - 1,
            head: link.prev.to_string(),
            bytes: self.bytes,
        };
        Some(Removable { path: self.segment.path.clone(), says })
    }
}

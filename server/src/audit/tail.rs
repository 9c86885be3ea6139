//! The last records of an audit that somebody wants to see, and those that come.

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde_json::Value;
use server_core::pattern::Pattern;

use super::segment::{Line, Lines, Segment};

/// Which records are wanted. What is not said is not asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The agent's name.
    pub agent: Option<String>,
    /// The tenant's.
    pub tenant: Option<String>,
    /// What was called, a name or a pattern.
    pub tool: Option<Pattern>,
    /// `allow` or `deny`.
    pub decision: Option<String>,
    /// The kind of record.
    pub event: Option<String>,
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Not after this.
    pub until: Option<Timestamp>,
    /// Calls with these arguments, by their keyed hash.
    pub arguments_hmac: Option<String>,
    /// Each call once, when it has ended.
    pub ends_only: bool,
}

impl Wanted {
    /// Whether a record is.
    #[must_use]
    pub fn has(&self, record: &Value) -> bool {
        let text = |key: &str| record.get(key).and_then(Value::as_str);
        let is = |key: &str, wanted: &Option<String>| {
            wanted.as_deref().is_none_or(|wanted| text(key) == Some(wanted))
        };
        let called = ["tool", "resource", "prompt"].into_iter().find_map(text);
        let time = text("time").and_then(|time| time.parse::<Timestamp>().ok());
        let is_end = !(text("event") == Some("decision") && text("outcome").is_none());
        is("agent", &self.agent)
            && is("tenant", &self.tenant)
            && is("decision", &self.decision)
            && is("event", &self.event)
            && is("arguments_hmac", &self.arguments_hmac)
            && self.tool.as_ref().is_none_or(|tool| called.is_some_and(|called| tool.covers(called)))
            && self.since.is_none_or(|since| time.is_some_and(|time| time >= since))
            && self.until.is_none_or(|until| time.is_some_and(|time| time <= until))
            && (is_end || !self.ends_only)
    }
}

/// Follows an audit, from one segment to the next.
pub struct Tail {
    folder: PathBuf,
    wanted: Wanted,
    /// The segment that is read, and where its next line begins.
    segment: Option<Segment>,
    at: u64,
}

impl Tail {
    /// At the end of the audit in a folder.
    #[must_use]
    pub fn new(folder: &Path, wanted: Wanted) -> Self {
        Self { folder: folder.to_owned(), wanted, segment: None, at: 0 }
    }

    /// The last records that are wanted, at most so many, the earliest first.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub fn last(&mut self, most: usize) -> io::Result<Vec<(Value, String)>> {
        let segments = Segment::all(&self.folder)?;
        let mut last = VecDeque::new();
        for (at, segment) in segments.iter().enumerate().rev() {
            let mut found = VecDeque::new();
            let mut lines = segment.lines()?;
            self.read(&mut lines, |record| {
                found.push_back(record);
                if found.len() > most {
                    found.pop_front();
                }
            })?;
            if at + 1 == segments.len() {
                (self.segment, self.at) = (Some(segment.clone()), lines.at);
            }
            while let Some(record) = found.pop_back().filter(|_| last.len() < most) {
                last.push_front(record);
            }
            if last.len() == most {
                break;
            }
        }
        Ok(last.into())
    }

    /// What has come since.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn more(&mut self) -> io::Result<Vec<(Value, String)>> {
        let segments = Segment::all(&self.folder)?;
        let mut found = Vec::new();
        let current = self.segment.as_ref().map_or(0, |it| it.first);
        for segment in segments.into_iter().filter(|it| it.first >= current) {
            if segment.first > current {
                self.at = 0;
            }
            let mut lines = match segment.lines() {
                Ok(lines) => lines,
                // It was removed just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            lines.seek(self.at)?;
            self.read(&mut lines, |record| found.push(record))?;
            (self.segment, self.at) = (Some(segment), lines.at);
        }
        Ok(found)
    }

    fn read<R: io::BufRead>(
        &self,
        lines: &mut Lines<R>,
        mut take: impl FnMut((Value, String)),
    ) -> io::Result<()> {
        while let Some(Line::Whole(line)) = lines.next()? {
            // A line that is none is for `audit verify` to tell.
            let Ok(record) = serde_json::from_slice::<Value>(line) else { continue };
            if self.wanted.has(&record) {
                take((record, String::from_utf8_lossy(line).into_owned()));
            }
        }
        Ok(())
    }
}

//! Where an audit goes on at the start of a server, whatever ended the one before.

use std::{
    fs::File,
    io::{self, Write},
    time::{Duration, SystemTime},
};

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tracing::warn;

use super::{
    chain::{Body, Hash, Head, Link},
    event::Event,
    journal::{Journal, JournalError},
    keys::no_randomness,
    record::body,
    segment::{Line, Lines, Segment},
};

/// Reads how the last segment ends, and goes on there. What is damaged stays as
/// it is; only half a line at the end, which no call was answered on, is taken
/// away, and its bytes are on record as a hash. Says what was found, which is the
/// first thing to be on record.
pub(crate) fn open(journal: &mut Journal) -> Result<Option<String>, JournalError> {
    journal.lock()?;
    let mut segments = Segment::all(journal.folder())?;
    while let Some(last) = segments.pop() {
        let file = last.open()?;
        let state = read(&file, &last)?;
        if state.length == 0 && state.is_sound {
            // It was made, and the server ended before its first record was there.
            drop(file);
            std::fs::remove_file(&last.path)?;
            continue;
        }
        return go_on(journal, &segments, &last, file, state);
    }
    journal.log = new_log()?;
    journal.begin()?;
    Ok(None)
}

fn go_on(
    journal: &mut Journal,
    before: &[Segment],
    last: &Segment,
    mut file: File,
    state: State,
) -> Result<Option<String>, JournalError> {
    journal.log = match state.log {
        Some(log) => log,
        None => log_of(before)?.map_or_else(new_log, Ok)?,
    };
    journal.head = state.head;
    let found = match state.end {
        End::Whole => None,
        // Only its line break is missing.
        End::Unended => {
            file.write_all(b"\n")?;
            Some(told(last, "the last line had no line break, which it has now", json!({})))
        }
        End::Torn { bytes, sha256 } => {
            file.set_len(state.length)?;
            let more = json!({ "torn_bytes": bytes, "torn_sha256": sha256 });
            Some(told(last, "the last line was cut short, and has been taken away", more))
        }
        End::Broken { seq, why } => {
            // The next segment needs a name that is not taken.
            journal.head.seq = journal.head.seq.max(last.first);
            let more = json!({ "broken_at": seq });
            Some(told(last, &format!("the segment does not verify: {why}"), more))
        }
    };
    if state.is_sound {
        let length = file.metadata()?.len();
        journal.go_on(last.clone(), file, length, state.begun);
    } else {
        journal.begin()?;
    }
    let Some((message, body)) = found else { return Ok(None) };
    journal.append(&[&body])?;
    warn!(target: "audit", segment = last.name(), "{message}");
    Ok(Some(message))
}

fn told(segment: &Segment, message: &str, more: Value) -> (String, Body) {
    let mut says = json!({ "segment": segment.name(), "message": message });
    if let (Some(says), Value::Object(more)) = (says.as_object_mut(), more) {
        says.extend(more);
    }
    (message.to_owned(), body(Event::Recovery, says))
}

/// How a segment ends.
struct State {
    log: Option<String>,
    begun: SystemTime,
    head: Head,
    /// Bytes of whole lines.
    length: u64,
    end: End,
    /// Whether it can be gone on with.
    is_sound: bool,
}

enum End {
    Whole,
    Unended,
    Torn { bytes: usize, sha256: Hash },
    Broken { seq: u64, why: String },
}

/// The keys of a segment's first record.
#[derive(Deserialize)]
struct Header {
    log: String,
    time: jiff::Timestamp,
}

fn read(file: &File, segment: &Segment) -> io::Result<State> {
    let mut lines = Lines::new(io::BufReader::with_capacity(1 << 18, file));
    let mut state = State {
        log: None,
        begun: SystemTime::now(),
        head: Head { seq: segment.first.saturating_sub(1), ..Head::default() },
        length: 0,
        end: End::Whole,
        is_sound: true,
    };
    let mut is_first = true;
    loop {
        let at = lines.at;
        match lines.next()? {
            None => break,
            Some(Line::Whole(line)) => {
                if std::mem::take(&mut is_first) {
                    state.read_header(line);
                }
                if let Err(why) = state.head.follow(line)
                    && state.is_sound
                {
                    state.is_sound = false;
                    state.end = End::Broken { seq: state.head.seq + 1, why: why.to_string() };
                }
                // Whatever was wrong, the chain goes on after the last record.
                if let Ok(link) = Link::of(line) {
                    state.head = link.head;
                }
            }
            Some(Line::Torn(line)) => {
                // It can be longer than what is read of it.
                state.length = at;
                state.torn(line);
                break;
            }
        }
        state.length = lines.at;
    }
    if state.length > 0 && state.log.is_none() && state.is_sound {
        // A segment without a header is nothing to go on with.
        state.is_sound = false;
        state.end = End::Broken { seq: segment.first, why: "it does not begin as a segment".to_owned() };
    }
    Ok(state)
}

impl State {
    fn read_header(&mut self, line: &[u8]) {
        let Ok(header) = serde_json::from_slice::<Header>(line) else { return };
        let age = jiff::Timestamp::now().duration_since(header.time);
        self.begun = SystemTime::now() - Duration::try_from(age).unwrap_or_default();
        self.log = Some(header.log);
        if let Ok(link) = Link::of(line) {
            // The segment before is none of this one's business.
            self.head.hash = link.prev;
        }
    }

    fn torn(&mut self, line: &[u8]) {
        if !self.is_sound {
            return;
        }
        let mut next = self.head;
        if next.follow(line).is_ok() {
            self.head = next;
            self.end = End::Unended;
        } else {
            self.end = End::Torn { bytes: line.len(), sha256: Hash(Sha256::digest(line).into()) };
        }
    }
}

/// The name of the audit, as any segment has it.
fn log_of(segments: &[Segment]) -> io::Result<Option<String>> {
    for segment in segments.iter().rev() {
        if let Some(Line::Whole(line)) = segment.lines()?.next()?
            && let Ok(header) = serde_json::from_slice::<Header>(line)
        {
            return Ok(Some(header.log));
        }
    }
    Ok(None)
}

/// A name that no other audit has.
pub(crate) fn new_log() -> io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(no_randomness)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

//! The way through an audit, from its first line to its last.

use super::{
    AGAIN, Findings, Head, Held, LOOKS, Line, Link, PROBLEMS, Path, Problem, Segment, Signatures, io, thread,
};
use crate::audit::{event::Event, retention::Removed};

pub(super) struct Walk<'h> {
    findings: Findings,
    signatures: Signatures<'h>,
    head: Head,
    /// Where the chain must go on, for what is missing at its beginning.
    begins: Option<Link>,
    removed: Vec<Removed>,
    place: Place,
}

#[derive(Clone, Default)]
struct Place {
    segment: Option<String>,
    line: u64,
}

impl<'h> Walk<'h> {
    pub(super) fn over(folder: &Path, held: &'h Held) -> io::Result<Findings> {
        let segments = Segment::all(folder)?;
        let mut walk = Self {
            findings: Findings { segments: segments.len(), ..Findings::default() },
            signatures: Signatures::new(held),
            head: Head::default(),
            begins: None,
            removed: Vec::new(),
            place: Place::default(),
        };
        for (at, segment) in segments.iter().enumerate() {
            walk.segment(segment, at + 1 == segments.len())?;
        }
        Ok(walk.end())
    }

    fn segment(&mut self, segment: &Segment, is_last: bool) -> io::Result<()> {
        self.place = Place { segment: Some(segment.name()), line: 0 };
        let mut lines = segment.lines()?;
        let mut looks = 0;
        loop {
            let at = lines.at;
            match lines.next()? {
                None => break,
                Some(Line::Whole(line)) => {
                    self.place.line += 1;
                    self.line(segment, line);
                }
                // A running server may be about to end it.
                Some(Line::Torn(_)) if is_last && looks < LOOKS => {
                    looks += 1;
                    thread::sleep(AGAIN);
                    lines.seek(at)?;
                }
                Some(Line::Torn(line)) => {
                    self.place.line += 1;
                    let message = format!(
                        "the last line is cut short: it has {} bytes and no end, after record {}",
                        line.len(),
                        self.head.seq
                    );
                    self.problem(message);
                    break;
                }
            }
        }
        if self.place.line == 0 && !is_last {
            self.problem("the segment is empty".to_owned());
        }
        Ok(())
    }

    fn line(&mut self, segment: &Segment, line: &[u8]) {
        let link = match Link::of(line) {
            Ok(link) => link,
            Err(broken) => {
                // The next line is compared with what should be here.
                self.head.seq += 1;
                return self.problem(broken.to_string());
            }
        };
        let is_header = self.place.line == 1;
        if self.begins.is_none() {
            self.begins = Some(link);
            self.head = Head { seq: link.seq - 1, hash: link.prev };
        }
        if let Err(broken) = self.head.follow(line) {
            self.problem(broken.to_string());
            self.head = link.head;
        }
        let event = event_of(line);
        match (is_header, event) {
            (true, Some(Event::Segment)) if link.seq == segment.first => self.header(line),
            (true, _) => {
                self.problem(format!("the segment does not begin with its record {}", segment.first))
            }
            (false, Some(Event::Retention)) => {
                self.removed.extend(serde_json::from_slice::<Removed>(line).ok())
            }
            _ => {}
        }
        if let Err(message) = self.signatures.see(self.head, event, line) {
            self.problem(message);
        }
    }

    fn header(&mut self, line: &[u8]) {
        #[derive(serde::Deserialize)]
        struct Header {
            log: String,
        }
        let Ok(Header { log }) = serde_json::from_slice(line) else {
            return self.problem("the segment does not say of which audit it is".to_owned());
        };
        if self.findings.log.is_empty() {
            self.signatures.is_of(&log);
            self.findings.log = log;
        } else if self.findings.log != log {
            let message = format!("the segment is of another audit, {log}, not {}", self.findings.log);
            self.problem(message);
        }
    }

    fn end(mut self) -> Findings {
        self.place = Place::default();
        let Some(first) = self.begins else {
            self.problem("there is no record".to_owned());
            return self.findings;
        };
        self.beginning(first);
        (self.findings.first, self.findings.last) = (first.seq, self.head.seq);
        for message in self.signatures.end(self.head, first.seq) {
            self.problem(message);
        }
        self.signatures.tell(self.head, &mut self.findings);
        self.findings.sound = self.findings.problems.is_empty();
        self.findings
    }

    /// What is missing at the beginning must have been removed on record.
    fn beginning(&mut self, first: Link) {
        let before = Head { seq: first.seq - 1, hash: first.prev };
        if before == Head::default() {
            return;
        }
        let is_removed =
            self.removed.iter().any(|it| it.last == before.seq && it.head == before.hash.to_string());
        if is_removed {
            let note = format!(
                "it begins at record {}; the segments before were removed, as is on record",
                first.seq
            );
            self.findings.notes.push(note);
        } else {
            let message =
                format!("records 1 to {} are missing, and no record says that they were removed", before.seq);
            self.problem(message);
        }
    }

    fn problem(&mut self, message: String) {
        if self.findings.problems.len() == PROBLEMS {
            self.findings.more_problems += 1;
            return;
        }
        let Place { segment, line } = self.place.clone();
        let line = (line > 0).then_some(line);
        self.findings.problems.push(Problem { segment, line, message });
    }
}

/// The event of a line, which is the first thing in it.
fn event_of(line: &[u8]) -> Option<Event> {
    let rest = line.strip_prefix(br#"{"event":""#)?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    let name = rest.get(..end)?;
    Event::ALL.into_iter().find(|event| event.as_str().as_bytes() == name)
}

//! The last writer: a thread through which every line goes, so that nobody who
//! logs ever waits for a reader of stdout.

use std::{
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use jiff::Timestamp;
use serde_json::{Value, json};
use server_core::redact::{Redaction, Redactor};
use tracing_subscriber::fmt::MakeWriter;

/// How many lines wait to be written before further ones are dropped.
const WAITING: usize = 8192;
/// How long the writer waits for more when there is a line. To be woken for every
/// single one would cost a busy server more than all else about it.
const GATHER: Duration = Duration::from_millis(5);
/// How much room for lines is kept while there are few.
const KEPT: usize = 64 * 1024;
/// How long the end of the program waits for lines to be written.
const PATIENCE: Duration = Duration::from_secs(2);

/// Takes lines and has them written, in order, by a thread of its own.
#[derive(Clone)]
pub struct Lines(Arc<Queue>);

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Batch,
    /// Lines that have left `waiting` are being written.
    is_writing: bool,
    /// The writer sleeps until there is a line.
    is_asleep: bool,
}

/// Lines, one after the other.
#[derive(Default)]
struct Batch {
    text: Vec<u8>,
    lines: usize,
    /// Lines after them for which there was no room.
    dropped: u64,
}

impl Lines {
    /// Starts to write to `out` what the redaction in force leaves.
    ///
    /// # Errors
    ///
    /// If there can be no thread for it.
    pub fn start(out: impl Write + Send + 'static, redaction: Arc<Redaction>) -> io::Result<Self> {
        let queue = Arc::<Queue>::default();
        let lines = Self(queue.clone());
        thread::Builder::new().name("log".to_owned()).spawn(move || queue.write_to(out, &redaction))?;
        Ok(lines)
    }

    /// Waits until every line is written, or for two seconds.
    pub fn flush(&self) {
        let is_busy = |state: &mut State| state.is_writing || state.waiting.lines > 0;
        let _ = self.0.emptied.wait_timeout_while(self.0.lock(), PATIENCE, is_busy);
    }

    /// Takes one, with its line break.
    pub(crate) fn push(&self, line: &[u8]) {
        let mut state = self.0.lock();
        if state.waiting.lines == WAITING {
            state.waiting.dropped += 1;
            return;
        }
        state.waiting.text.extend_from_slice(line);
        state.waiting.lines += 1;
        if std::mem::take(&mut state.is_asleep) {
            drop(state);
            self.0.filled.notify_one();
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// INVARIANT: every line of the log passes here, and nowhere else.
    /// What is to be said and what may be said meet here.
    fn write_to(&self, mut out: impl Write, redaction: &Redaction) {
        let mut batch = Batch::default();
        let mut redacted = Vec::new();
        loop {
            self.next(&mut batch);
            if batch.dropped > 0 {
                batch.text.extend(missing(batch.dropped));
            }
            let redactor = redaction.load();
            redacted.clear();
            redacted.shrink_to(KEPT);
            for line in batch.text.split_inclusive(|byte| *byte == b'\n') {
                redact(&redactor, line, &mut redacted);
            }
            // Of a stdout that is gone, nobody could be told.
            let _ = out.write_all(&redacted).and_then(|()| out.flush());
        }
    }

    /// Waits for lines and takes all there are, in exchange for those that are
    /// written.
    fn next(&self, batch: &mut Batch) {
        let mut state = self.lock();
        state.is_writing = false;
        if state.waiting.lines == 0 {
            self.emptied.notify_all();
            state.is_asleep = true;
            let asleep = |state: &mut State| state.waiting.lines == 0;
            drop(self.filled.wait_while(state, asleep).unwrap_or_else(PoisonError::into_inner));
        } else {
            drop(state);
        }
        thread::sleep(GATHER);
        batch.text.clear();
        batch.text.shrink_to(KEPT);
        (batch.lines, batch.dropped) = (0, 0);
        let mut state = self.lock();
        std::mem::swap(&mut state.waiting, batch);
        state.is_writing = true;
    }
}

/// INVARIANT: a line that could not be looked through is not written.
fn redact(redactor: &Redactor, line: &[u8], redacted: &mut Vec<u8>) {
    let mut line = line.to_owned();
    if catch_unwind(AssertUnwindSafe(|| redactor.line(&mut line))).is_ok() {
        redacted.append(&mut line);
    } else {
        redacted.extend(notice(
            "ERROR",
            json!({ "message": "a log line was left out, because it could not be redacted" }),
        ));
    }
}

fn missing(dropped: u64) -> Vec<u8> {
    let message = "log lines were dropped, because nobody read them fast enough";
    notice("WARN", json!({ "message": message, "dropped": dropped }))
}

/// A line of the log about the log.
fn notice(level: &str, more: Value) -> Vec<u8> {
    let mut line = json!({
        "timestamp": Timestamp::now().to_string(),
        "level": level,
        "target": "server",
    });
    if let (Value::Object(line), Value::Object(more)) = (&mut line, more) {
        line.extend(more);
    }
    format!("{line}\n").into_bytes()
}

/// Takes one line.
pub struct Line<'a>(&'a Lines);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The subscriber formats a line as a whole and writes it at once.
impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// A stdout whose reader decides when it goes on.
    struct Out(SyncSender<Vec<u8>>);

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_owned()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines() -> (Lines, Receiver<Vec<u8>>) {
        let (out, read) = sync_channel(0);
        (Lines::start(Out(out), Arc::default()).unwrap(), read)
    }

    /// The lines that are written until there are so many.
    fn read(out: &Receiver<Vec<u8>>, lines: usize) -> Vec<Value> {
        let mut text = Vec::new();
        while text.iter().filter(|byte| **byte == b'\n').count() < lines {
            text.extend(out.recv().unwrap());
        }
        text.split_inclusive(|byte| *byte == b'\n')
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    #[test]
    fn lines_that_nobody_reads_are_dropped_and_counted_and_hold_up_nobody() {
        let (lines, out) = lines();
        lines.push(b"{\"n\":0}\n");
        while !lines.0.lock().is_writing {
            thread::yield_now();
        }
        for line in 1..=WAITING + 100 {
            lines.push(format!("{{\"n\":{line}}}\n").as_bytes());
        }
        let mut written = read(&out, WAITING + 2);
        let notice = written.pop().unwrap();
        assert_eq!((&notice["level"], &notice["dropped"]), (&json!("WARN"), &json!(100)));
        assert_eq!(written, (0..=WAITING).map(|n| json!({ "n": n })).collect::<Vec<_>>());
        lines.push(b"{\"n\":1}\n");
        assert_eq!(read(&out, 1), [json!({ "n": 1 })]);
    }

    #[test]
    fn to_flush_waits_for_every_line_but_not_for_a_reader_who_is_gone() {
        let (lines, out) = lines();
        let reader = thread::spawn(move || read(&out, 100).len());
        for _ in 0..100 {
            lines.push(b"{\"n\":0}\n");
        }
        lines.flush();
        assert_eq!(lines.0.lock().waiting.lines, 0);
        assert_eq!(reader.join().unwrap(), 100);
        lines.push(b"written to nobody\n");
        lines.flush();
    }
}

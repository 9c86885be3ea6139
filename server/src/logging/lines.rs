//! The last writer: a thread through which every line goes, so that nobody who
//! logs ever waits for a reader of stdout.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use jiff::Timestamp;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

/// How many lines wait to be written before further ones are dropped.
const WAITING: usize = 8192;
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
    waiting: VecDeque<Vec<u8>>,
    /// A line that has left `waiting` is being written.
    is_writing: bool,
    /// Lines for which there was no room since this was told last.
    dropped: u64,
}

impl Lines {
    /// Starts to write to `out`.
    ///
    /// # Errors
    ///
    /// If there can be no thread for it.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Arc::<Queue>::default();
        let lines = Self(queue.clone());
        thread::Builder::new().name("log".to_owned()).spawn(move || queue.write_to(out))?;
        Ok(lines)
    }

    /// Waits until every line is written, or for two seconds.
    pub fn flush(&self) {
        let is_busy = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        let _ = self.0.emptied.wait_timeout_while(self.0.lock(), PATIENCE, is_busy);
    }

    fn push(&self, line: Vec<u8>) {
        let mut state = self.0.lock();
        if state.waiting.len() < WAITING {
            state.waiting.push_back(line);
            self.0.filled.notify_one();
        } else {
            state.dropped += 1;
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// INVARIANT: every line of the log passes here, and nowhere else.
    fn write_to(&self, mut out: impl Write) {
        loop {
            for line in self.next() {
                // Of a stdout that is gone, nobody could be told.
                let _ = out.write_all(&line).and_then(|()| out.flush());
            }
        }
    }

    /// The next line, after one about those that are missing before it.
    fn next(&self) -> impl Iterator<Item = Vec<u8>> {
        let mut state = self.lock();
        state.is_writing = false;
        if state.waiting.is_empty() {
            self.emptied.notify_all();
        }
        let mut state = self
            .filled
            .wait_while(state, |state| state.waiting.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let line = state.waiting.pop_front();
        state.is_writing = true;
        let dropped = std::mem::take(&mut state.dropped);
        (dropped > 0).then(|| missing(dropped)).into_iter().chain(line)
    }
}

fn missing(dropped: u64) -> Vec<u8> {
    let line = json!({
        "timestamp": Timestamp::now().to_string(),
        "level": "WARN",
        "target": "server",
        "message": "log lines were dropped, because nobody read them fast enough",
        "dropped": dropped,
    });
    format!("{line}\n").into_bytes()
}

/// Takes one line.
pub struct Line<'a>(&'a Lines);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line.to_owned());
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

    use serde_json::Value;

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
        (Lines::start(Out(out)).unwrap(), read)
    }

    fn number(line: &[u8]) -> usize {
        std::str::from_utf8(line).unwrap().parse().unwrap()
    }

    #[test]
    fn lines_that_nobody_reads_are_dropped_and_counted_and_hold_up_nobody() {
        let (lines, read) = lines();
        lines.push(b"0".to_vec());
        assert_eq!(number(&read.recv().unwrap()), 0);
        // One more than waits is in the writer's hands, or will be.
        for line in 1..=WAITING + 100 {
            lines.push(line.to_string().into_bytes());
        }
        let mut numbers = Vec::new();
        let mut dropped = 0;
        while numbers.len() + dropped < WAITING + 100 {
            let line = read.recv().unwrap();
            match serde_json::from_slice(&line).unwrap() {
                Value::Number(line) => numbers.push(line.as_u64().unwrap()),
                notice => {
                    assert_eq!(notice["level"], "WARN");
                    dropped += usize::try_from(notice["dropped"].as_u64().unwrap()).unwrap();
                }
            }
        }
        assert!(numbers.is_sorted() && (99..=100).contains(&dropped), "{dropped}");
    }

    #[test]
    fn to_flush_waits_for_every_line_but_not_for_a_reader_who_is_gone() {
        let (lines, read) = lines();
        let reader = thread::spawn(move || read.into_iter().take(100).count());
        for _ in 0..100 {
            lines.push(b"x".to_vec());
        }
        lines.flush();
        assert_eq!(reader.join().unwrap(), 100);
        assert!(lines.0.lock().waiting.is_empty());
        lines.push(b"written to nobody".to_vec());
        lines.flush();
    }
}

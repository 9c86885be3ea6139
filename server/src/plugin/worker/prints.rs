//! What a worker prints: nothing that the plugin says on purpose, but what a native
//! library complains of, or the last words of a process that aborts.

use std::{
    io::{self, PipeReader, Read},
    thread,
    time::Duration,
};

use crate::plugin::services::{MAX_MESSAGE, PluginServices};

/// How much is read at once.
const PIECE: usize = 4096;

/// How long a worker waits that prints more than is logged.
const PAUSE: Duration = Duration::from_millis(1);

/// The line that is being printed, as far as it is logged.
#[derive(Default)]
struct Line(Vec<u8>);

/// Logs what comes out of `prints`, under the plugin's name, on a thread of its own:
/// until the worker has ended, since it cannot hand the other end to anybody.
pub(super) fn listen(mut prints: PipeReader, services: PluginServices) -> io::Result<()> {
    let listen = move || {
        let (mut line, mut piece) = (Line::default(), [0; PIECE]);
        loop {
            let read = match prints.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let mut lost = false;
            line.take(piece.get(..read).unwrap_or_default(), |line| lost |= !services.printed(line));
            if lost {
                thread::sleep(PAUSE);
            }
        }
        line.end(|line| {
            services.printed(line);
        });
    };
    thread::Builder::new().name("worker prints".to_owned()).spawn(listen).map(|_| ())
}

impl Line {
    /// Takes in what was printed, and tells of every line that is whole.
    fn take(&mut self, piece: &[u8], mut tell: impl FnMut(&str)) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let (part, ends) = part
                .split_last()
                .filter(|(last, _)| **last == b'\n')
                .map_or((part, false), |(_, rest)| (rest, true));
            // One more than is logged shows that there was more.
            let room = (MAX_MESSAGE + 1).saturating_sub(self.0.len());
            self.0.extend(part.iter().take(room));
            if ends {
                self.end(&mut tell);
            }
        }
    }

    /// Tells of the line as it is.
    fn end(&mut self, tell: impl FnOnce(&str)) {
        if !self.0.is_empty() {
            tell(&String::from_utf8_lossy(&std::mem::take(&mut self.0)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_however_they_are_cut_and_are_not_endless() {
        let long = "x".repeat(3 * MAX_MESSAGE);
        let printed = format!("one\n\ntwo \u{e4}\n{long}\nthe last");
        for size in [1, 2, 7, PIECE] {
            let (mut line, mut lines) = (Line::default(), Vec::new());
            for piece in printed.as_bytes().chunks(size) {
                line.take(piece, |line| lines.push(line.to_owned()));
            }
            line.end(|line| lines.push(line.to_owned()));
            assert_eq!(lines, ["one", "two \u{e4}", &long[..=MAX_MESSAGE], "the last"], "{size}");
        }
    }
}

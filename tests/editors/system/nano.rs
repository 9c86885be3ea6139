//! Nano, which wants a terminal: `script` gives it one.

use std::{io::Read, process::Child, sync::mpsc, thread, time::Duration};

use super::*;

/// A program on a terminal.
struct Terminal {
    child: Child,
    screen: mpsc::Receiver<Vec<u8>>,
    shown: String,
}

impl Terminal {
    fn open(program: &str) -> Self {
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--command", program, "/dev/null"])
            .env("TERM", "xterm")
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = child.stdout.take().unwrap();
        let (send, screen) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                if send.send(bytes[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, screen, shown: String::new() }
    }

    /// Waits until it shows these words, counted from the last ones on.
    fn wait_for(&mut self, words: &str) {
        while !self.shown.contains(words) {
            let bytes = self.screen.recv_timeout(Duration::from_secs(30));
            let bytes = bytes.unwrap_or_else(|_| panic!("no `{words}` in {:?}", self.shown));
            self.shown.push_str(&String::from_utf8_lossy(&bytes));
        }
        self.shown.clear();
    }

    fn type_in(&mut self, keys: &str) {
        self.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
#[ignore = "needs nano: cargo xtask test --system"]
async fn nano_as_somebody_types() {
    const CUT: &str = "\x0b";
    const WRITE: &str = "\x0f";
    const EXIT: &str = "\x18";

    everywhere(&mut Desk::open(), |edit| {
        let (number, line) = edit.line();
        let mut nano = Terminal::open(&format!(
            "nano --ignorercfiles --cutfromcursor +{number} '{}'",
            edit.path.display()
        ));
        nano.wait_for("Exit");
        nano.type_in(CUT);
        nano.type_in(line);
        nano.type_in(WRITE);
        nano.wait_for("File Name to Write");
        nano.type_in("\r");
        nano.wait_for("Wrote");
        nano.type_in(EXIT);
        assert!(nano.child.wait().unwrap().success());
        assert_eq!(fs::read_to_string(&edit.path).unwrap(), edit.new);
    })
    .await;
}

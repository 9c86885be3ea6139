//! Runs a script within its time, and counts what it checked.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{
    Failure,
    test::{
        report::printing,
        totals::{self, Totals},
    },
};

/// Runs it, shows what it says, and takes its last line for the sum.
pub(super) fn run(mut command: Command, limit: Duration) -> Result<Totals, Failure> {
    let mut script = Script::start(&mut command)
        .map_err(|error| format!("cannot run {}: {error}", command.get_program().display()))?;
    let (said, lines) = mpsc::channel();
    let output = script.0.stdout.take();
    thread::spawn(move || {
        let lines = output.map(BufReader::new).into_iter().flat_map(BufRead::lines);
        lines.map_while(Result::ok).try_for_each(|line| said.send(line))
    });

    let deadline = Instant::now() + limit;
    let mut closing = None;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                writeln!(io::stdout(), "{line}").map_err(printing)?;
                closing = totals::of_closing_line(&line);
            }
            Err(RecvTimeoutError::Timeout) => {
                return Err(format!("it did not end within {} seconds", limit.as_secs()));
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    match closing {
        Some(totals) if totals != Totals::default() => Ok(totals),
        _ => Err("it ended without having checked anything".to_owned()),
    }
}

/// A running script. When it is dropped, whatever it started ends with it.
struct Script(Child);

impl Script {
    fn start(command: &mut Command) -> io::Result<Self> {
        // It reads nothing, but sees its input end when this process does.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).spawn().map(Self)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn check(script: &str, seconds: u64, expected: Result<Totals, &str>) {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        assert_eq!(run(command, Duration::from_secs(seconds)), expected.map_err(str::to_owned), "{script}");
    }

    #[test]
    fn the_last_line_is_the_sum() {
        check("echo ok; echo 2 passed, 1 failed", 30, Ok(Totals { passed: 2, failed: 1 }));
    }

    #[test]
    fn a_script_without_a_sum_has_failed() {
        for script in ["true", "echo 2 passed, 0 failed; echo oh", "echo 0 passed, 0 failed", "exit 3"] {
            check(script, 30, Err("it ended without having checked anything"));
        }
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        check("sleep 600", 1, Err("it did not end within 1 seconds"));
    }

    #[test]
    fn what_a_script_started_ends_with_it() {
        let mut command = Command::new("sh");
        let mut script = Script::start(command.args(["-c", "sleep 600 & echo $!; wait"])).unwrap();
        let mut id = String::new();
        BufReader::new(script.0.stdout.take().unwrap()).read_line(&mut id).unwrap();
        drop(script);
        let state = format!("/proc/{}/stat", id.trim());
        // A zombie has ended too; when its new parent looks at it is not for us to say.
        while fs::read_to_string(&state).is_ok_and(|it| !it.contains(") Z ")) {
            thread::yield_now();
        }
    }
}

//! The process of a trial, as the server sees it.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::Shutdown,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::Request;
use crate::plugin::in_process::Sealed;

/// The longest answer that is read.
const MAX_REPORT: usize = 64 << 10;

/// How often to look whether the process has ended without closing its side: what
/// it started itself may hold that open.
const LOOK: Duration = Duration::from_millis(50);

/// How a trial ended.
pub(super) enum End {
    /// It said something.
    Reported(Vec<u8>),
    /// It was gone before it had said anything.
    Ended(ExitStatus),
    /// It was still busy, and was ended.
    TimeIsOver,
}

pub(super) fn run(
    program: &Path,
    library: &Sealed,
    request: &Request,
    patience: Duration,
) -> io::Result<End> {
    let deadline = Instant::now() + patience;
    let request = serde_json::to_vec(request)?;
    let (mut ours, theirs) = UnixStream::pair()?;
    // Whatever else is open here closes by itself. Three descriptors can be handed
    // over without code that runs between fork and exec, so one of them is both
    // the question and the answer.
    let child = Command::new(program)
        .arg0(env!("CARGO_PKG_NAME"))
        .args(["plugin", "trial"])
        .env_clear()
        .stdin(library.as_fd().try_clone_to_owned()?)
        .stdout(OwnedFd::from(theirs))
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let child = Trial(child);
    let report = ask(&mut ours, &request, &child, deadline);
    let ended = child.has_ended();
    let status = child.end();
    match report? {
        Some(report) => Ok(End::Reported(report)),
        None if ended => Ok(End::Ended(status?)),
        None => Ok(End::TimeIsOver),
    }
}

/// The line that comes, unless the process ends or the time is over.
fn ask(
    stream: &mut UnixStream,
    request: &[u8],
    child: &Trial,
    deadline: Instant,
) -> io::Result<Option<Vec<u8>>> {
    let left = deadline.saturating_duration_since(Instant::now());
    stream.set_write_timeout(Some(left.max(LOOK)))?;
    // Who does not listen to the end has ended, and how is what counts.
    let _ = stream.write_all(request).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut report = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        stream.set_read_timeout(Some(left.min(LOOK)))?;
        match stream.read(&mut piece) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if child.has_ended() {
                    return Ok(None);
                }
            }
            Ok(0) | Err(_) => {
                // It closes its side when it ends, a moment before it has.
                if child.has_ended() {
                    return Ok(None);
                }
                thread::sleep(Duration::from_millis(1));
            }
            Ok(read) => {
                report.extend_from_slice(piece.get(..read).unwrap_or_default());
                if report.ends_with(b"\n") || report.len() > MAX_REPORT {
                    return Ok(Some(report));
                }
            }
        }
    }
}

/// A process, and all that it started in its group.
struct Trial(Child);

impl Trial {
    /// Whether it has ended. It is not reaped yet, so that its number, which is
    /// its group's too, is not given out again.
    fn has_ended(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let runs = |pid| matches!(waitid(WaitId::Pid(pid), look), Ok(None));
        !self.pid().is_some_and(runs)
    }

    /// Leaves nothing of it.
    fn end(mut self) -> io::Result<ExitStatus> {
        if let Some(pid) = self.pid() {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.0.kill();
        self.0.wait()
    }

    fn pid(&self) -> Option<Pid> {
        self.0.id().try_into().ok().and_then(Pid::from_raw)
    }
}

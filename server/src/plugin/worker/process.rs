//! The process of a worker, as the server sees it.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Mutex, MutexGuard, PoisonError,
        mpsc::{self, Sender, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use crate::plugin::in_process::Sealed;

/// How often to look whether a process has ended, at first; it doubles.
const LOOK: Duration = Duration::from_micros(200);

/// A worker's process. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Process(Mutex<Child>);

impl Process {
    /// Its number.
    pub(super) fn id(&self) -> u32 {
        self.child().id()
    }

    /// Ends it at once.
    pub(super) fn kill(&self) {
        // A child that was waited for is not signalled.
        let _ = self.child().kill();
    }

    /// Waits until it has ended, and ends it after `grace`. Blocks.
    pub(super) fn end(&self, grace: Duration) -> io::Result<ExitStatus> {
        let deadline = Instant::now() + grace;
        let mut look = LOOK;
        while Instant::now() < deadline {
            if let Some(status) = self.child().try_wait()? {
                return Ok(status);
            }
            thread::sleep(look);
            look = (look * 2).min(Duration::from_millis(10));
        }
        self.kill();
        self.child().wait()
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child().wait();
    }
}

/// The thread that starts workers. The kernel ends a worker with the *thread* that
/// started it, so that must be one that lives as long as the server.
#[derive(Debug)]
pub(crate) struct Nursery(Sender<Order>);

type Order = (Command, SyncSender<io::Result<Child>>);

impl Nursery {
    pub(crate) fn new() -> io::Result<Self> {
        let (order, orders) = mpsc::channel::<Order>();
        thread::Builder::new().name("workers".to_owned()).spawn(move || {
            for (mut command, tell) in orders {
                let _ = tell.send(command.spawn());
            }
        })?;
        Ok(Self(order))
    }

    /// Starts `program` as a worker, and answers it with the line to it.
    pub(super) fn start(&self, program: &Path, library: &Sealed) -> io::Result<(Process, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(program);
        // Whatever else is open here closes by itself.
        command
            .arg0(env!("CARGO_PKG_NAME"))
            .args(["plugin", "worker"])
            .env_clear()
            .stdin(library.as_fd().try_clone_to_owned()?)
            .stdout(OwnedFd::from(theirs))
            .stderr(Stdio::null())
            .process_group(0);
        let (tell, told) = mpsc::sync_channel(1);
        let gone = || io::Error::other("the thread that starts workers is gone");
        self.0.send((command, tell)).map_err(|_| gone())?;
        let child = told.recv().map_err(|_| gone())??;
        Ok((Process(Mutex::new(child)), ours))
    }
}

//! The thread that starts workers, and counts their threads. The kernel ends a
//! worker with the *thread* that started it, so that must be one that lives as long
//! as the server.

use std::{
    ffi::OsStr,
    io::{self, PipeReader},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{ffi::OsStrExt, net::UnixStream, process::CommandExt},
    },
    path::Path,
    process::{Child, Command},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc::{self, Receiver, Sender, SyncSender, TryRecvError},
    },
    thread,
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, eventfd, poll},
    io::Errno,
};

use super::{PROGRAM_NAME, process::Process, threads::Listener, users::Users};
use crate::plugin::in_process::Sealed;

/// Starts workers. Dropped, all that it started ends.
#[derive(Debug)]
pub(crate) struct Nursery {
    orders: Sender<Order>,
    wake: Arc<OwnedFd>,
    users: Option<Users>,
    number: AtomicU32,
}

enum Order {
    Start(Box<Command>, SyncSender<io::Result<Child>>),
    Watch(Listener),
}

impl Nursery {
    pub(crate) fn new() -> io::Result<Self> {
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (orders, told) = mpsc::channel();
        let woken = wake.clone();
        thread::Builder::new().name("workers".to_owned()).spawn(move || tend(&told, &woken))?;
        Ok(Self { orders, wake, users: Users::of_this_process(), number: AtomicU32::new(0) })
    }

    /// A user for one more worker, where the server may choose one.
    pub(super) fn uid(&self) -> Option<u32> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        self.users.as_ref().map(|users| users.nth(number))
    }

    /// Starts `program` as a worker, and answers it with the line to it, and with
    /// what it prints.
    pub(super) fn start(
        &self,
        program: &Path,
        library: &Sealed,
    ) -> io::Result<(Process, UnixStream, PipeReader)> {
        let (ours, theirs) = UnixStream::pair()?;
        // A file would not do: a worker may write none, and a signal ends who does.
        let (prints, printer) = io::pipe()?;
        let mut command = Command::new(program);
        // Whatever else is open here closes by itself.
        command
            .arg0(OsStr::from_bytes(PROGRAM_NAME.to_bytes()))
            .args(["plugin", "worker"])
            .env_clear()
            .stdin(library.as_fd().try_clone_to_owned()?)
            .stdout(OwnedFd::from(theirs))
            .stderr(printer)
            .process_group(0);
        let (tell, told) = mpsc::sync_channel(1);
        let gone = || io::Error::other("the thread that starts workers is gone");
        self.order(Order::Start(Box::new(command), tell)).ok_or_else(gone)?;
        let child = told.recv().map_err(|_| gone())??;
        Ok((Process::new(child), ours, prints))
    }

    /// Judges from now on which threads a worker may begin.
    pub(super) fn watch(&self, listener: Listener) -> Option<()> {
        self.order(Order::Watch(listener))
    }

    fn order(&self, order: Order) -> Option<()> {
        self.orders.send(order).ok()?;
        self.wake();
        Some(())
    }

    fn wake(&self) {
        let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
    }
}

impl Drop for Nursery {
    fn drop(&mut self) {
        // The thread looks, and finds nobody who could order anything.
        self.orders = mpsc::channel().0;
        self.wake();
    }
}

fn tend(orders: &Receiver<Order>, wake: &OwnedFd) {
    let mut listeners: Vec<Listener> = Vec::new();
    loop {
        let mut polled = vec![PollFd::new(wake, PollFlags::IN)];
        polled.extend(listeners.iter().map(|it| PollFd::from_borrowed_fd(it.as_fd(), PollFlags::IN)));
        match poll(&mut polled, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
        let events: Vec<_> = polled.iter().skip(1).map(PollFd::revents).collect();
        let mut events = events.into_iter();
        listeners.retain_mut(|listener| {
            let events = events.next().unwrap_or(PollFlags::empty());
            if events.contains(PollFlags::IN) {
                listener.judge();
            }
            !events.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
        });
        let _ = rustix::io::read(wake, &mut [0; 8]);
        loop {
            match orders.try_recv() {
                Ok(Order::Start(mut command, tell)) => {
                    let _ = tell.send(command.spawn());
                }
                Ok(Order::Watch(listener)) => listeners.push(listener),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
    }
}

//! How a worker comes up: what it is told, and what it says until it takes calls.

use std::{
    io::{self, ErrorKind, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::PathBuf,
    process,
    sync::Arc,
    time::{Duration, Instant},
};

use plugin_contract::Manifest;
use serde::{Deserialize, Serialize};
use server_core::{settings::WorkerSettings, workers::Confinement};

use super::{
    frame::{self, Frame, Frames, Incoming, Kind, MAX_ASK},
    inside::seal,
    kernel,
    nursery::Nursery,
    prints,
    process::Process,
    threads::Listener,
};
use crate::plugin::{
    fault::Fault,
    in_process::Sealed,
    services::PluginServices,
    trial::{Outcome, crashed, ended, fails, unavailable},
};

/// How long a process that has hung up may take to end.
const GRACE: Duration = Duration::from_millis(200);

/// What a worker is made of.
pub(crate) struct Recipe {
    pub(crate) nursery: Arc<Nursery>,
    pub(crate) program: PathBuf,
    pub(crate) library: Arc<Sealed>,
    pub(crate) manifest: Manifest,
    /// The operator's configuration, as the plugin gets it.
    pub(crate) config: String,
    pub(crate) settings: WorkerSettings,
    pub(crate) require_landlock: bool,
    pub(crate) services: PluginServices,
    /// How long it may take to come up.
    pub(crate) patience: Duration,
}

/// What a worker is told first.
#[derive(Deserialize, Serialize)]
pub(super) struct Start {
    /// The process that says so. Who finds another parent was left alone.
    pub(super) server: u32,
    pub(super) manifest: Manifest,
    pub(super) config: String,
    pub(super) concurrency: u32,
    pub(super) terms: Terms,
}

/// How a worker is to be confined.
#[derive(Deserialize, Serialize)]
pub(super) struct Terms {
    pub(super) require_landlock: bool,
    pub(super) memory_bytes: u64,
    /// Who it is to be, where the server is root.
    pub(super) uid: Option<u32>,
    /// What its library links to.
    pub(super) needed: Vec<String>,
}

/// Why a worker takes no calls, in its own words.
#[derive(Deserialize, Serialize)]
pub(super) struct Failure {
    code: String,
    message: String,
    help: String,
}

/// A worker that takes calls, and that nobody listens to yet.
#[derive(Debug)]
pub(super) struct Newborn {
    pub(super) process: Process,
    pub(super) stream: UnixStream,
    /// What it said after that.
    pub(super) frames: Frames,
    /// How it said that it is confined, before it loaded anything.
    pub(super) confinement: Confinement,
}

/// A worker that does not take calls yet.
struct Unborn {
    process: Process,
    stream: UnixStream,
    frames: Frames,
    confinement: Option<Confinement>,
    /// Tells of the threads that it wants to begin, until somebody listens to it.
    listener: Option<OwnedFd>,
}

impl Failure {
    pub(super) fn of(fault: Fault) -> Self {
        let (code, message, help) = fault.into_parts();
        Self { code: code.to_owned(), message, help }
    }
}

impl Recipe {
    /// Brings a worker up, or says why there is none. Blocks, for as long as
    /// [`patience`](Self::patience) at most.
    pub(super) fn make(&self) -> Result<Newborn, Outcome> {
        let deadline = Instant::now() + self.patience;
        let plugin = &self.manifest.name;
        let failed = |error: io::Error| Outcome::Fails(unavailable(&error));
        let (process, stream, prints) = self.nursery.start(&self.program, &self.library).map_err(failed)?;
        prints::listen(prints, self.services.clone()).map_err(failed)?;
        let (frames, confinement, listener) = Default::default();
        let mut newborn = Unborn { process, stream, frames, confinement, listener };
        newborn.send(Kind::Start, 0, &self.start()?, deadline);
        loop {
            let frame = match newborn.frame(deadline) {
                Ok(frame) => frame,
                Err(error) if is_timeout(&error) => return Err(Outcome::Hangs),
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    return Err(Outcome::Crashes(crashed(plugin, "its process sent what makes no sense")));
                }
                Err(_) => return Err(newborn.process.end(GRACE).map_or_else(failed, |it| ended(plugin, it))),
            };
            match frame.kind {
                // From here on, the plugin's code may say what it likes.
                Kind::Sealed if newborn.confinement.is_none() => {
                    newborn.sealed(&frame, self).ok_or_else(|| nonsense(self))?;
                }
                Kind::Ready => return newborn.born().ok_or_else(|| nonsense(self)),
                Kind::Fails => {
                    let failure = failure(&frame, newborn.confinement.is_some());
                    return Err(failure.map_or_else(|| nonsense(self), Outcome::Fails));
                }
                Kind::Ask if newborn.confinement.is_some() => {
                    let (kind, reply) = encoded(&self.services, &frame).ok_or_else(|| nonsense(self))?;
                    newborn.send(kind, frame.id, &reply, deadline);
                }
                _ => return Err(nonsense(self)),
            }
        }
    }

    fn start(&self) -> Result<Vec<u8>, Outcome> {
        let Self { manifest, config, settings, .. } = self;
        let (manifest, config) = (manifest.clone(), config.clone());
        let terms = Terms {
            require_landlock: self.require_landlock,
            memory_bytes: settings.memory_bytes,
            uid: self.nursery.uid(),
            needed: self.library.needed().to_vec(),
        };
        let concurrency = settings.concurrency;
        let start = Start { server: process::id(), manifest, config, concurrency, terms };
        serde_json::to_vec(&start).map_err(|error| Outcome::Fails(unavailable(&error)))
    }
}

impl Unborn {
    fn born(self) -> Option<Newborn> {
        let Self { process, stream, frames, confinement, .. } = self;
        Some(Newborn { process, stream, frames, confinement: confinement? })
    }

    /// Who does not listen to the end has ended, and how is what counts.
    fn send(&mut self, kind: Kind, id: u64, body: &[u8], deadline: Instant) {
        let bytes = frame::frame(kind, id, body).unwrap_or_default();
        let _ = self.stream.set_write_timeout(Some(left(deadline)));
        let _ = self.stream.write_all(&bytes);
    }

    fn frame(&mut self, deadline: Instant) -> io::Result<Frame> {
        let mut piece = [0; 4096];
        loop {
            let malformed = |error| io::Error::new(ErrorKind::InvalidData, error);
            match self.frames.next_within(|_, _| MAX_ASK).map_err(malformed)? {
                Some(Incoming::Frame(frame)) => return Ok(frame),
                Some(Incoming::TooLong { .. }) => return Err(ErrorKind::InvalidData.into()),
                None => {}
            }
            if Instant::now() >= deadline {
                return Err(ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left(deadline)))?;
            match kernel::receive(&self.stream, &mut piece) {
                Ok((0, _)) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok((read, listener)) => {
                    self.frames.push(piece.get(..read).unwrap_or_default());
                    self.listener = self.listener.take().or(listener);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Notes how it is confined, and has its threads counted.
    fn sealed(&mut self, frame: &Frame, recipe: &Recipe) -> Option<()> {
        self.confinement = Some(serde_json::from_slice(&frame.body).ok()?);
        let threads = recipe.settings.threads.saturating_add(recipe.settings.concurrency - 1);
        let listener = Listener::new(self.listener.take()?, self.process.id(), threads);
        recipe.nursery.watch(listener)
    }
}

/// What comes of a question, if it is one. Blocks.
pub(super) fn encoded(services: &PluginServices, frame: &Frame) -> Option<(Kind, Vec<u8>)> {
    let request = frame.request().ok()?;
    Some(match services.serve(request.op, request.token, request.input) {
        Ok(answer) => (Kind::Reply, answer),
        Err(error) => (Kind::Refusal, error),
    })
}

/// A timeout of nothing would be none.
fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Why there is no worker. Until it is confined, only this program speaks; afterwards it
/// may be the plugin, whose code must not pass for a kernel that cannot confine it.
fn failure(frame: &Frame, confined: bool) -> Option<Fault> {
    let Failure { code, message, help } = serde_json::from_slice(&frame.body).ok()?;
    let own = seal::CODES.into_iter().find(|it| *it == code && !confined);
    Some(match own {
        Some(code) => Fault::new(code, message, help),
        None => fails(&code, &message, &help),
    })
}

fn nonsense(recipe: &Recipe) -> Outcome {
    Outcome::Crashes(crashed(&recipe.manifest.name, "its process sent what makes no sense"))
}

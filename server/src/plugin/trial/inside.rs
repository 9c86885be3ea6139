//! A trial from within: the process that tries a plugin.

use std::{
    fs::File,
    io::{self, Read, Write},
    mem,
    os::fd::{AsFd, OwnedFd},
    thread,
};

use rustix::{
    process::{Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setrlimit},
    stdio::{dup2_stdin, dup2_stdout},
    thread::set_no_new_privs,
};

use super::{Report, Request, unavailable};
use crate::plugin::{
    fault::Fault,
    in_process::{Library, Module, Sealed},
    services::{HostServices, ServerFacts, Withdrawn},
    start,
    worker::close_from,
};

/// This process was not started for a trial.
#[derive(Debug, thiserror::Error)]
#[error("the server tries plugins with this command; it is of no use to anybody else")]
pub struct NoTrial;

/// Does what a server asks that tries a plugin out: standard input is the library,
/// standard output where the question comes from and the answer goes to.
///
/// **This runs the library's code**, which may end this process.
pub fn take_part() -> Result<(), NoTrial> {
    close_from(3);
    let library = Sealed::received(own(io::stdin())?).map_err(|_| NoTrial)?;
    let mut server = File::from(own(io::stdout())?);
    let confined = confine();
    let mut request = Vec::new();
    server.read_to_end(&mut request).map_err(|_| NoTrial)?;
    let request: Request = serde_json::from_slice(&request).map_err(|_| NoTrial)?;
    let parent = getppid().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok());
    if parent != Some(request.server) {
        return Err(NoTrial);
    }
    let result = confined.map_err(|error| unavailable(&error)).and_then(|()| attempt(library, request));
    let mut line = serde_json::to_vec(&Report::of(result)).map_err(|_| NoTrial)?;
    line.push(b'\n');
    server.write_all(&line).map_err(|_| NoTrial)
}

/// All of it on a thread like the one that it will run on in the server.
fn attempt(library: Sealed, request: Request) -> Result<(), Fault> {
    let attempt = thread::Builder::new().spawn(move || {
        let module = Module::of(&Library::load(library)?)?;
        let plugin = request.manifest.name.clone();
        let host = nobodys_services().for_plugin(plugin, Withdrawn::default()).object();
        // To end well is not what is tried here.
        start::make(&module, &request.manifest, &request.config, host).map(mem::forget)
    });
    attempt.map_err(|error| unavailable(&error))?.join().unwrap_or_else(|_| {
        Err(Fault::new(
            "host_panicked",
            "trying it made the server's own code panic",
            "please report this with the plugin that did it",
        ))
    })
}

/// What a plugin gets while it is made is the same here as in the server: there is
/// no call yet, so it may log, which nobody reads, and everything else is denied.
fn nobodys_services() -> HostServices {
    HostServices::new(ServerFacts {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol_versions: Vec::new(),
    })
}

fn own(stream: impl AsFd) -> Result<OwnedFd, NoTrial> {
    stream.as_fd().try_clone_to_owned().map_err(|_| NoTrial)
}

/// Ends with the server, gains no rights, leaves no memory image behind, and says
/// nothing on the streams that it was started with.
fn confine() -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    set_no_new_privs(true)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&nothing)?;
    dup2_stdout(&nothing)?;
    Ok(())
}

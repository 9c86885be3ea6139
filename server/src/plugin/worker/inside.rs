//! A worker from within: the process that a plugin's code runs in.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::Arc,
    thread,
};

use plugin_abi::{PluginObject, abi_stable::std_types::RResult};
use plugin_contract::op::{ErrorCode, OpError};
use rustix::{
    process::getppid,
    stdio::{dup2_stdin, dup2_stdout},
};

use super::{
    birth::{Failure, Start},
    frame::{self, Frame, Kind},
    kernel,
};
use crate::plugin::{
    fault::Fault,
    in_process::{Library, Module, Sealed},
    start,
};
use host::LineHost;
use line::Line;

mod host;
mod line;
pub(super) mod seal;

/// This process was not started for a plugin.
#[derive(Debug, thiserror::Error)]
#[error("the server runs plugins with this command; it is of no use to anybody else")]
pub struct NoWorker;

/// Does what the server that started this process asks: standard input is the
/// library, standard output the line to the server. Returns only if there is no
/// server.
///
/// **This runs the library's code**, which may end this process.
pub fn take_part() -> Result<(), NoWorker> {
    kernel::close_from(3);
    let library = Sealed::received(own(io::stdin())?).map_err(|_| NoWorker)?;
    let line = Arc::new(Line::new(UnixStream::from(own(io::stdout())?)));
    keep_apart().map_err(|_| NoWorker)?;
    let first = line.first().map_err(|_| NoWorker)?;
    let start: Start = serde_json::from_slice(&first.body).map_err(|_| NoWorker)?;
    if !is_child_of(start.server) {
        return Err(NoWorker);
    }
    let concurrency = start.concurrency;
    match begin(&line, library, start) {
        Ok(plugin) => serve(&line, &plugin, concurrency),
        Err(fault) => {
            tell(&line, Kind::Fails, &Failure::of(fault));
            kernel::exit()
        }
    }
}

/// INVARIANT: the process is confined before the library is loaded, and the server
/// has learned how by then: after that, the library's code could say it too.
fn begin(line: &Arc<Line>, library: Sealed, start: Start) -> Result<PluginObject, Fault> {
    seal::first_stage(line, &start.terms)?;
    // The server may have ended before the kernel was told to end this with it.
    if !is_child_of(start.server) {
        kernel::exit();
    }
    let library = Library::load(library)?;
    seal::second_stage()?;
    let module = Module::of_the_only(&library)?;
    start::make(&module, &start.manifest, &start.config, LineHost::object(line.clone()))
}

/// Answers calls, one on each thread at a time, for ever.
fn serve(line: &Arc<Line>, plugin: &PluginObject, concurrency: u32) -> ! {
    thread::scope(|scope| {
        for _ in 1..concurrency {
            // With fewer threads, calls wait for each other.
            let _ = thread::Builder::new().spawn_scoped(scope, || answer_calls(line, plugin));
        }
        tell(line, Kind::Ready, &());
        answer_calls(line, plugin)
    })
}

fn answer_calls(line: &Line, plugin: &PluginObject) -> ! {
    loop {
        let call = line.call();
        line.send(&answer(plugin, &call));
    }
}

fn answer(plugin: &PluginObject, call: &Frame) -> Vec<u8> {
    let answer = call.request().ok().and_then(|request| {
        let (op, token, input) = (request.op.into(), request.token.into(), request.input.into());
        match plugin.invoke(op, token, input) {
            RResult::ROk(answer) => frame::frame(Kind::Answer, call.id, &answer),
            RResult::RErr(error) => frame::frame(Kind::Error, call.id, &error),
        }
    });
    answer.or_else(|| frame::frame(Kind::Error, call.id, &too_large("answer"))).unwrap_or_default()
}

fn too_large(what: &str) -> Vec<u8> {
    let message = format!("the {what} is larger than what can leave the plugin's process");
    serde_json::to_vec(&OpError::new(ErrorCode::Failed, message)).unwrap_or_default()
}

fn tell(line: &Line, kind: Kind, what: &impl serde::Serialize) {
    let body = serde_json::to_vec(what).unwrap_or_default();
    line.send(&frame::frame(kind, 0, &body).unwrap_or_default());
}

fn is_child_of(server: u32) -> bool {
    let parent = getppid().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok());
    parent == Some(server)
}

fn own(stream: impl AsFd) -> Result<OwnedFd, NoWorker> {
    stream.as_fd().try_clone_to_owned().map_err(|_| NoWorker)
}

/// Library and line are no standard streams any more: there is nothing to read, and
/// all that is printed goes where errors go, which is the server's log.
fn keep_apart() -> io::Result<()> {
    dup2_stdin(File::open("/dev/null")?)?;
    dup2_stdout(io::stderr())?;
    Ok(())
}

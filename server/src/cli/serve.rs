//! `serve`.

use std::{
    io::{self, ErrorKind, Write},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use server_core::{config, redact::Redaction};
use tracing::warn;

use crate::{
    app::{self, ServeError},
    cli::{Failure, config_path},
    config_files::{self, ConfigFiles},
    logging::{self, Asked},
    plugin::Installation,
    reload::{Origin, Overlay},
    supervisor::Inherited,
};

/// How long the end waits for what still runs when nobody is served any more.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// How many threads may be blocked: each call may have one, and no call that was let
/// through waits for one. They exist only as long as they are needed.
const THREADS: usize = config::MAX_CALLS as usize + 128;

/// Run the server
#[derive(Debug, Args)]
#[command(after_help = "\
It listens on the sockets that systemd hands over for the addresses of the configuration, and opens
the others itself. SIGTERM ends it once open calls have finished, SIGHUP has it read its files.

Examples:
  mcp-universal-server serve
  mcp-universal-server serve --config /etc/mcp-universal-server/config.yaml")]
pub(super) struct Arguments {
    /// Start from the copy of the last good configuration in `state.dir` if the
    /// files cannot be used
    #[arg(long)]
    last_good: bool,
}

pub(super) fn run(
    arguments: &Arguments,
    asked: Option<PathBuf>,
    redaction: Arc<Redaction>,
) -> Result<(), Failure> {
    let origin = origin(arguments, asked)?;
    let inherited = Inherited::of_this_process()
        .map_err(|error| Failure::Failed(format!("a socket of LISTEN_FDS cannot be used: {error}")))?;
    serve(origin, Installation::of_this_process(), inherited, io::stdout(), redaction)
}

/// Runs a server that logs to `out` until a signal ends it.
pub(super) fn serve(
    origin: Origin,
    installation: Installation,
    inherited: Inherited,
    out: impl Write + Send + 'static,
    redaction: Arc<Redaction>,
) -> Result<(), Failure> {
    redaction.learn(config_files::process_secrets(), Instant::now());
    let asked = Asked::of_environment().map_err(|error| Failure::Usage(error.to_string()))?;
    let log = logging::start(asked, redaction.clone(), out).map_err(Failure::failed)?;
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
        .enable_all()
        .max_blocking_threads(THREADS)
        .build()
        .map_err(Failure::failed)?;
    let (lines, level) = (log.lines(), log.level());
    let served = runtime.block_on(app::serve(origin, installation, inherited, lines, level, redaction));
    // A file may be read, or a plugin run, for ever.
    runtime.shutdown_timeout(SHUTDOWN);
    served.map_err(|error| match error {
        ServeError::Configuration(refused) => Failure::Configuration(refused.to_string()),
        ServeError::Egress(reason) => Failure::Configuration(reason),
        ServeError::Listen(_) | ServeError::Audit(_) | ServeError::Io(_) => Failure::failed(error),
    })
}

/// One for each processor, and never less than two: a disk that hangs may hold one
/// up, in which a call writes its audit record.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, |processors| processors.get().max(2))
}

/// Every connection is an open file, and the usual soft limit, made for programs
/// that use `select`, is lower than the connections this one takes.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).is_err() {
        warn!(target: "server", limit = limit.current, "the limit on open files cannot be raised");
    }
}

/// `MCP_TOKEN` stands in for a configuration file only where none was asked for
/// and there is none. `MCP_LISTEN` then says where to listen.
fn origin(arguments: &Arguments, asked: Option<PathBuf>) -> Result<Origin, Failure> {
    let named = asked.is_some();
    let path = config_path(asked);
    let missing = path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound);
    if named || !missing {
        let (files, last_good) = (ConfigFiles::new(path), arguments.last_good);
        return Ok(Origin::Files { files, last_good, overlay: Overlay::default() });
    }
    let Ok(token) = std::env::var("MCP_TOKEN") else {
        return Err(Failure::Configuration(format!(
            "there is no {}, and MCP_TOKEN is not set: write a configuration, name one with --config, \
             or set MCP_TOKEN to a token from `mcp-universal-server token new` to serve core.echo and core.sum to one agent",
            path.display()
        )));
    };
    let mut settings = config::without_file(&token)
        .map_err(|problem| Failure::Configuration(format!("MCP_TOKEN cannot be used: {problem}")))?;
    if let Ok(listen) = std::env::var("MCP_LISTEN") {
        settings.server.listen = listen.parse().map_err(|_| {
            let problem = format!("MCP_LISTEN is no address: write it as 127.0.0.1:8080, not `{listen}`");
            Failure::Configuration(problem)
        })?;
    }
    Ok(Origin::Fixed(Box::new(settings)))
}

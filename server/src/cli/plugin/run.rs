//! `plugin run`: a server of one's own for a plugin that is not signed.
//!
//! It is the server that operators run, on an installation of its own in a folder for
//! the time being: there, what would be the bundled plugins is the one plugin, signed
//! with a key that exists in this process only. So nothing in the server knows how to
//! load what is not signed, and everything else is as it will be.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use clap::Args;
use plugin_contract::Capability;
use server_core::{
    config::Environment,
    pattern::{Pattern, Patterns},
    redact::Redaction,
    secret::Secret,
    settings::{AuditSettings, KeySource, Settings, TrustedKey},
};

use crate::{
    cli::{Failure, serve, token},
    config_files::ConfigFiles,
    reload::{Origin, Overlay},
    supervisor::Inherited,
};

use desk::Desk;
use library::Library;
use screen::Screen;
use workshop::Workshop;

mod desk;
mod grants;
mod library;
mod screen;
mod workshop;

/// The variable with the author's token.
const TOKEN: &str = "DEVELOPER_TOKEN";

/// What the plugin is served with where its folder has nothing to say about it.
const CONFIG: &str = "development.yaml";

/// How often to look whether the library was built again. It counts once two looks
/// find the same.
const LOOK: Duration = Duration::from_millis(250);

/// What to serve, and where.
#[derive(Debug, Args)]
#[command(after_help = "\
Connect with the line that it prints. The token is DEVELOPER_TOKEN of the environment or of `.env`
beside the configuration; without one it is another one every time.

Examples:
  mcp-universal-server plugin run .
  mcp-universal-server plugin run . --config with-network.yaml")]
pub struct Arguments {
    /// The plugin's crate, which is built with cargo; or a folder with its `.so`
    folder: PathBuf,
    /// Where to listen, on this machine
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "MCP_LISTEN",
        default_value = "127.0.0.1:8090",
        value_parser = loopback
    )]
    listen: SocketAddr,
    /// Serve what was built last, without building it now
    #[arg(long)]
    no_build: bool,
    /// Print a JSON object a line, the server's log as it is
    #[arg(long)]
    json: bool,
}

/// Unsigned code is for nobody else.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "it is no address: write it as 127.0.0.1:8090".to_owned())?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err("other machines could reach it, and what is served is not signed: \
         take 127.0.0.1 or [::1], or sign the plugin and `serve` it"
        .to_owned())
}

pub(super) fn run(
    arguments: &Arguments,
    config: Option<PathBuf>,
    redaction: Arc<Redaction>,
) -> Result<(), Failure> {
    let Arguments { folder, listen, no_build, json } = arguments;
    let library = Library::of(folder, !no_build).map_err(Failure::Failed)?;
    let workshop = Workshop::new().map_err(Failure::failed)?;
    let built = library.newest().map_err(Failure::Failed)?;
    let manifest = workshop.sign(&built.path).map_err(Failure::Failed)?;

    let config = configuration(folder, config, &workshop)?;
    let fresh = token::new_token().map_err(Failure::failed)?;
    let files = ConfigFiles::new(&config).given(TOKEN, fresh.expose());
    let token = files.environment().ok().and_then(|it| it.variable(TOKEN)).map_or(fresh, Secret::new);

    let desk = Arc::new(Desk::new(*json, config, token));
    desk.built(&built.path, manifest);
    let overlay = {
        let (desk, listen, state) = (desk.clone(), *listen, workshop.state());
        Overlay::new(move |settings| {
            develop(settings, listen, &state);
            desk.configured(settings);
        })
    };
    let installation = workshop.installation();
    let workshop = Arc::new(workshop);
    {
        let (workshop, desk) = (workshop.clone(), desk.clone());
        thread::spawn(move || follow(&library, &built, &workshop, &desk));
    }
    let origin = Origin::Files { files, last_good: false, overlay };
    let served = serve::serve(origin, installation, Inherited::default(), Screen::new(desk), redaction);
    workshop.close();
    served
}

/// The file with the plugin's grants: the one that is named, the crate's own, or one
/// that grants no capability.
fn configuration(folder: &Path, named: Option<PathBuf>, workshop: &Workshop) -> Result<PathBuf, Failure> {
    let own = folder.join(CONFIG);
    match named {
        Some(named) => Ok(named),
        None if own.exists() => Ok(own),
        None => workshop.plain_configuration().map_err(Failure::failed),
    }
}

/// Makes of an operator's settings those of a server for one author on one machine.
/// What they say of rights and limits stays as it is.
fn develop(settings: &mut Settings, listen: SocketAddr, state: &Path) {
    let server = &mut settings.server;
    server.listen = listen;
    (server.public_url, server.allowed_hosts, server.trusted_proxies) = (None, Vec::new(), Vec::new());
    settings.admin = None;
    settings.state_dir = state.to_owned();
    // A record of trials is not to be signed with the key of an operator's records.
    settings.audit = AuditSettings::default();
    let all: Patterns = "*".parse::<Pattern>().into_iter().collect();
    let key = TrustedKey {
        minisign: KeySource::Installed,
        plugins: all.clone(),
        names: Some(all),
        capabilities: Capability::ALL.into(),
        in_process: true,
        not_after: None,
        revoked: false,
    };
    let plugins = &mut settings.plugins;
    (plugins.dir, plugins.bundled_dir) = (None, None);
    plugins.trusted_keys = "development".parse().into_iter().map(|name| (name, key.clone())).collect();
}

/// Signs what is built from now on, for the server to find.
fn follow(library: &Library, first: &library::Built, workshop: &Workshop, desk: &Desk) {
    let (mut signed, mut seen) = (first.clone(), first.clone());
    loop {
        thread::sleep(LOOK);
        // While it is built there may be none.
        let Ok(now) = library.newest() else { continue };
        if now != signed && now == seen {
            match workshop.sign(&now.path) {
                Ok(manifest) => desk.built(&now.path, manifest),
                Err(error) => desk.failed(&error),
            }
            signed = now.clone();
        }
        seen = now;
    }
}

//! `healthcheck`.

use std::{io::Write, path::PathBuf, time::Duration};

use clap::Args;

use crate::cli::{Failure, config_path, endpoint};

/// How long a server that is well takes at most to say so.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Ask a running server whether it is ready; exit 0 if so
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  mcp-universal-server healthcheck --url http://127.0.0.1:8080 && echo ready"
)]
pub(super) struct Arguments {
    /// The server [default: `server.listen` of the configuration]
    #[arg(long)]
    url: Option<String>,
    /// Print the server's answer, one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(
    arguments: &Arguments,
    config: Option<PathBuf>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let url = match &arguments.url {
        Some(base) => base.clone(),
        None => format!("http://{}", endpoint::local(endpoint::read(&config_path(config)).listen)),
    };
    let url = format!("{}/readyz", url.trim_end_matches('/'));
    if let Err(error) = reqwest::Url::parse(&url) {
        return Err(Failure::Usage(format!("`{url}` is no URL: {error}")));
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    let (ready, body) = runtime.block_on(ask(&url))?;
    if arguments.json {
        writeln!(out, "{body}").map_err(Failure::failed)?;
    }
    ready
}

/// Whether the server is ready, and what it says of itself.
async fn ask(url: &str) -> Result<(Result<(), Failure>, String), Failure> {
    let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().map_err(Failure::failed)?;
    let answer = client.get(url).send().await.map_err(|error| {
        let why = if error.is_timeout() { "no answer in time".to_owned() } else { innermost(&error) };
        Failure::Failed(format!("{url}: {why}"))
    })?;
    let status = answer.status();
    let body = answer.text().await.unwrap_or_default();
    let ready =
        if status.is_success() { Ok(()) } else { Err(Failure::Failed(format!("{url}: {status}: {body}"))) };
    Ok((ready, body))
}

pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut error: &dyn std::error::Error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

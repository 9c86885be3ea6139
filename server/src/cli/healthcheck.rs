//! `healthcheck`.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;

use crate::cli::{Failure, config_path};

/// Where it listens if no configuration says.
const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// How long a server that is well takes at most to say so.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Ask a running server whether it is ready; exit 0 if so
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mcp-universal-server healthcheck --url http://127.0.0.1:8080")]
pub(super) struct Arguments {
    /// The server [default: `server.listen` of the configuration]
    #[arg(long)]
    url: Option<String>,
}

pub(super) fn run(arguments: &Arguments, config: Option<PathBuf>) -> Result<(), Failure> {
    let base = arguments.url.clone().unwrap_or_else(|| format!("http://{}", address(&config_path(config))));
    let url = format!("{}/readyz", base.trim_end_matches('/'));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    runtime.block_on(ask(&url))
}

async fn ask(url: &str) -> Result<(), Failure> {
    let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().map_err(Failure::failed)?;
    let answer = client.get(url).send().await.map_err(|error| {
        let why = if error.is_timeout() { "no answer in time".to_owned() } else { innermost(&error) };
        Failure::Failed(format!("{url}: {why}"))
    })?;
    let status = answer.status();
    let body = answer.text().await.unwrap_or_default();
    if status.is_success() { Ok(()) } else { Err(Failure::Failed(format!("{url}: {status}: {body}"))) }
}

fn innermost(error: &reqwest::Error) -> String {
    let mut error: &dyn std::error::Error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Where the server listens. A configuration with problems must not make a
/// server look dead that runs on the one before it, so only this key is read.
fn address(path: &Path) -> SocketAddr {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut address = listen(&text).unwrap_or(DEFAULT_ADDRESS);
    if address.ip().is_unspecified() {
        let loopback =
            if address.is_ipv4() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { IpAddr::V6(Ipv6Addr::LOCALHOST) };
        address.set_ip(loopback);
    }
    address
}

/// `server.listen` of a text that need not be YAML as a whole.
fn listen(text: &str) -> Option<SocketAddr> {
    let mut in_server = false;
    for line in text.lines() {
        if !line.starts_with([' ', '\t', '#']) && !line.trim().is_empty() {
            in_server = line.starts_with("server:");
        }
        let code = line.split('#').next().unwrap_or_default();
        let value = code.split_once("listen:").filter(|_| in_server).map(|(_, value)| value.trim_start());
        if let Some(value) = value {
            let value = value.trim_start_matches(['"', '\'']);
            let end = value.find([',', '}', '"', '\'', ' ']).unwrap_or(value.len());
            return value.get(..end)?.parse().ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listen_key_is_found_in_a_text_that_is_broken_elsewhere() {
        for (text, address) in [
            (
                "version: 1\nserver: { listen: \"127.0.0.1:81\", allowed_hosts: [] }\nagents: [",
                Some("127.0.0.1:81"),
            ),
            ("server:\n  # listen: here\n  listen: 0.0.0.0:82 # all\n", Some("0.0.0.0:82")),
            ("server:\n  allowed_hosts: []\n  listen: '[::1]:83'\n", Some("[::1]:83")),
            ("admin: { listen: \"127.0.0.1:84\" }\n", None),
            ("server: {}\nadmin:\n  listen: 127.0.0.1:85\n", None),
            ("", None),
        ] {
            assert_eq!(listen(text), address.map(|address| address.parse().unwrap()), "{text}");
        }
    }
}

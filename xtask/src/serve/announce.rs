//! Passes the server's output on, and says how to connect once it is ready.

use std::{
    io::{self, BufRead, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

use super::tokens;
use crate::{Failure, cargo, cargo::text};

/// The variable with the token of the agent that may use core.echo and core.sum.
const TOKEN: &str = "LAPTOP_TOKEN";

/// Between two questions whether the server is ready.
const PAUSE: Duration = Duration::from_millis(50);

/// A log filter that lets the line through which tells the server's address.
pub(super) fn heard(filter: &str) -> String {
    format!("server=info,{filter}")
}

/// Passes standard input on to standard output until it ends.
pub(crate) fn run(server: &Path) -> Result<(), Failure> {
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    let mut announced = false;
    while input
        .read_until(b'\n', &mut line)
        .map_err(|error| format!("cannot read what the server says: {error}"))?
        > 0
    {
        // The server goes on where nobody listens any more.
        let _ = io::stdout().write_all(&line);
        if !announced && let Some(address) = listening(&line) {
            announced = true;
            let server = server.to_owned();
            thread::spawn(move || announce(&server, address));
        }
        line.clear();
    }
    Ok(())
}

/// The address in the line with which the server says that it listens.
fn listening(line: &[u8]) -> Option<SocketAddr> {
    let line = serde_json::from_slice::<Value>(line).ok()?;
    if text(&line, "/message") != Some("listening") {
        return None;
    }
    let mut address = text(&line, "/address")?.parse::<SocketAddr>().ok()?;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        } else {
            IpAddr::V6(Ipv6Addr::LOCALHOST)
        });
    }
    Some(address)
}

/// Waits until the server is ready, and prints how to connect.
fn announce(server: &Path, address: SocketAddr) {
    while !ready(server, address) {
        thread::sleep(PAUSE);
    }
    let said = match cargo::root().and_then(|root| tokens::token(&root, TOKEN)) {
        Ok(Some(token)) => writeln!(io::stdout(), "{}", claude_mcp_add(address, &token)),
        Ok(None) => writeln!(
            io::stderr(),
            "The server is ready at http://{address}/mcp. Its config.yaml does not use ${{{TOKEN}}}: `mcp-universal-server token new` makes a line to connect with."
        ),
        Err(failure) => writeln!(io::stderr(), "error: {failure}"),
    };
    // Nobody listens any more; there is nobody to tell.
    let _ = said;
}

fn ready(server: &Path, address: SocketAddr) -> bool {
    let url = format!("http://{address}");
    let asked = Command::new(server)
        .args(["healthcheck", "--url", &url])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

fn claude_mcp_add(address: SocketAddr, token: &str) -> String {
    format!(
        "claude mcp add --transport http mus http://{address}/mcp --header \"Authorization: Bearer {token}\""
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_one_that_the_server_says() {
        for (line, expected) in [
            (
                r#"{"level":"INFO","message":"listening","address":"127.0.0.1:41234","target":"server"}"#,
                Some("127.0.0.1:41234"),
            ),
            (r#"{"message":"listening","address":"0.0.0.0:8080"}"#, Some("127.0.0.1:8080")),
            (r#"{"message":"listening","address":"[::]:8080"}"#, Some("[::1]:8080")),
            (r#"{"message":"in force","address":"127.0.0.1:8080"}"#, None),
            (r#"{"message":"listening"}"#, None),
            ("listening on 127.0.0.1:8080", None),
        ] {
            assert_eq!(listening(line.as_bytes()), expected.map(|it| it.parse().unwrap()), "{line}");
        }
    }

    #[test]
    fn the_line_can_be_pasted() {
        assert_eq!(
            claude_mcp_add("127.0.0.1:8080".parse().unwrap(), "mus_abc"),
            r#"claude mcp add --transport http mus http://127.0.0.1:8080/mcp --header "Authorization: Bearer mus_abc""#
        );
    }

    #[test]
    fn a_quiet_log_still_tells_the_address() {
        assert_eq!(heard("warn"), "server=info,warn");
    }
}

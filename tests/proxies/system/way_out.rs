//! The way out of docker-compose.yml's profile `egress`, in front of a provider that
//! has a certificate: `cargo xtask test --system` runs these.

use std::{
    net::TcpListener,
    process::{Child, Command},
};

use super::super::certificates::Certificates;
use crate::support::eventually;

const SHIPPED: &str = include_str!("../../../deploy/compose/egress.conf");

/// nginx on the shipped configuration, with a stand-in for the provider behind it.
struct WayOut {
    nginx: Child,
    port: u16,
    _certificates: Certificates,
}

impl Drop for WayOut {
    fn drop(&mut self) {
        // Politely, or nginx would leave its workers behind.
        let _ = Command::new("kill").arg(self.nginx.id().to_string()).status();
        let _ = self.nginx.wait();
    }
}

impl WayOut {
    /// One that takes providers' certificates from this authority.
    fn trusting(authority: &str) -> Self {
        let certificates = Certificates::new();
        let [port, provider] = free_ports();
        let mut way_out = SHIPPED.to_owned();
        for (part, other) in [
            ("listen 8080;", format!("listen 127.0.0.1:{port};")),
            ("api.anthropic.com", "mcp.example.lan".to_owned()),
            ("/etc/ssl/certs/ca-certificates.crt", certificates.path(authority).display().to_string()),
        ] {
            assert!(way_out.contains(part), "egress.conf should have {part:?}");
            way_out = way_out.replace(part, &other);
        }
        let folder = certificates.folder().display();
        let sites = format!(
            "upstream mcp.example.lan {{ server 127.0.0.1:{provider}; }}\n{way_out}\
             server {{ listen 127.0.0.1:{provider} ssl; ssl_certificate {folder}/server.crt; \
             ssl_certificate_key {folder}/server.key; return 200 \"$ssl_server_name $host $uri\"; }}"
        );
        let nginx = super::nginx(certificates.folder(), &sites).spawn().unwrap();
        Self { nginx, port, _certificates: certificates }
    }

    /// What comes of a request, once there is an answer, with its status at the end.
    fn answer(&self) -> String {
        eventually("the way out", || {
            let url = format!("http://127.0.0.1:{}/v1/messages", self.port);
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--max-time", "20", "--write-out", " %{http_code}"]).arg(url);
            let output = curl.output().unwrap();
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
        })
    }
}

/// Two that nobody listens on.
fn free_ports() -> [u16; 2] {
    let held = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

#[test]
#[ignore = "needs nginx: cargo xtask test --system"]
fn the_way_out_leads_to_its_one_provider_by_name() {
    let expected = "mcp.example.lan mcp.example.lan /v1/messages 200";
    assert_eq!(WayOut::trusting("server-ca.crt").answer(), expected);
}

#[test]
#[ignore = "needs nginx: cargo xtask test --system"]
fn the_way_out_talks_to_nobody_who_only_says_that_he_is_the_provider() {
    let answer = WayOut::trusting("clients-ca.crt").answer();
    assert!(answer.ends_with(" 502"), "{answer}");
}

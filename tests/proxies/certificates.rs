//! Certificates for one test: an authority, the proxy's own and a client's.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A folder with `server.crt`, `clients-ca.crt`, `client.crt` and their keys.
pub(super) struct Certificates(tempfile::TempDir);

impl Certificates {
    pub(super) fn new() -> Self {
        let certificates = Self(tempfile::tempdir().unwrap());
        certificates.authority("server-ca");
        certificates.authority("clients-ca");
        certificates.signed("server", "server-ca", "subjectAltName=DNS:mcp.example.lan");
        certificates.signed("client", "clients-ca", "extendedKeyUsage=clientAuth");
        certificates.signed("stranger", "server-ca", "extendedKeyUsage=clientAuth");
        certificates
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn folder(&self) -> &Path {
        self.0.path()
    }

    fn authority(&self, name: &str) {
        self.openssl(&format!(
            "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 1 -subj /CN={name} \
             -addext basicConstraints=critical,CA:TRUE -keyout {name}.key -out {name}.crt"
        ));
    }

    fn signed(&self, name: &str, authority: &str, extension: &str) {
        fs::write(self.path("extensions"), format!("{extension}\n")).unwrap();
        self.openssl(&format!(
            "req -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN={name} -keyout {name}.key -out {name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA {authority}.crt -CAkey {authority}.key -CAcreateserial -days 1 \
             -extfile extensions -out {name}.crt"
        ));
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        let output = command.args(arguments.split_whitespace()).current_dir(self.0.path()).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

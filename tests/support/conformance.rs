//! The plugin `conformance` of `plugins/conformance`, signed by a key of one's own
//! into a folder of its own.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use mcp_universal_server::plugin::{
    sign,
    signing_key::{NewKeys, SigningKey},
};

use super::{Server, bundled, isolation};

/// A server whose agents may use the plugin: `laptop` all of it, `reviewer` its
/// tools. `limits` are both agents'.
pub(crate) fn server(limits: &str) -> (Server, tempfile::TempDir) {
    let root = tempfile::tempdir().unwrap();
    let keys = NewKeys::generate(None).unwrap();
    let key_file = root.path().join("acme.key");
    fs::write(&key_file, &keys.secret).unwrap();
    let key = SigningKey::read(&key_file, || panic!("it has no password")).unwrap();
    let plugins = root.path().join("plugins.d");
    fs::create_dir(&plugins).unwrap();
    fs::set_permissions(&plugins, Permissions::from_mode(0o755)).unwrap();
    sign::sign(&bundled::library("plugin-conformance"), &key, &plugins).unwrap();
    let config = format!(
        r#"version: 1
server: {{ listen: "127.0.0.1:0" }}
limits: {{ rate_limit: "6000/min"{limits} }}
plugins:
  dir: {plugins}
  trusted_keys:
    acme: {{ minisign: "{key}", plugins: ["conformance"], names: ["*"], in_process: true }}
  entries:
    conformance: {{ isolation: {isolation} }}
tenants:
  research: {{ tools: ["*"], resources: ["*"], prompts: ["*"] }}
agents:
  laptop: {{ tenant: research, token: "${{LAPTOP_TOKEN}}", tools: ["*"], resources: ["*"], prompts: ["*"] }}
  reviewer: {{ tenant: research, token: "${{REVIEWER_TOKEN}}", tools: ["*"], resources: [], prompts: [] }}
"#,
        plugins = plugins.display(),
        key = keys.public_line,
        isolation = isolation().as_str(),
    );
    (Server::start(&config), root)
}

//! `egress` and `secrets`, as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{SECRET, Texts};

/// What it must be beyond that, and why it is not, is better said in words.
pub(super) const RULE: &str = r"^\S+$";
const HEADER: &str = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$";

/// How requests leave the server. Where they may go is said by `egress` of tenants
/// and agents.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawEgress {
    /// Servers that look names up, as IP address with or without a port. Those of the
    /// system by default.
    #[schemars(length(min = 1, max = 8), extend("examples" = [["10.0.0.53:53"]]))]
    pub(in crate::config) dns_servers: Option<Texts>,
    /// A PEM file with certificates of authorities that are trusted beside the usual
    /// ones, such as that of a LAN. A relative path starts at this file's folder.
    #[schemars(length(min = 1), extend("examples" = ["./lan-ca.pem"]))]
    pub(in crate::config) ca_file: Option<String>,
}

// Without doc comments on the variants, the schema is a plain `enum`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawEgressMode {
    Enforce,
    Report,
}

/// A secret that the server attaches to requests. No plugin and no agent sees it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["value", "hosts"]))]
pub(in crate::config) struct RawSecret {
    /// The secret, never as such but as a reference: `${NAME}` of an environment
    /// variable or of `.env` beside this file, or `${file:/path}` of a file. A
    /// variable that is not set or empty is no secret.
    #[schemars(pattern(SECRET), extend("examples" = ["${JIRA_TOKEN}"], "writeOnly" = true))]
    pub(in crate::config) value: Option<String>,
    /// The only hosts that it is sent to, in the form of `egress` rules. Over http
    /// only to those with `http://`.
    #[schemars(length(min = 1), inner(pattern(RULE)), extend("examples" = [["jira.lan:443"]]))]
    pub(in crate::config) hosts: Option<Texts>,
    /// The header that it is sent in.
    #[schemars(pattern(HEADER), extend("default" = "Authorization", "examples" = ["Authorization"]))]
    pub(in crate::config) header: Option<String>,
    /// What stands before it in the header, such as `Bearer ` with a space.
    #[schemars(length(max = 64), extend("default" = "", "examples" = ["Bearer "]))]
    pub(in crate::config) prefix: Option<String>,
}

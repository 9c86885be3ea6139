//! `audit`, as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::SECRET;

/// How the audit is kept: the record of every decision, in `state.dir`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawAudit {
    /// What a record must have reached before its call runs: `os`, the operating
    /// system, so that it outlives the server, whose disk has it a tenth of a
    /// second later; or `strict`, the disk, which costs every call the time of a
    /// write to it.
    #[schemars(extend("default" = "os", "examples" = ["os"]))]
    pub(in crate::config) durability: Option<RawDurability>,
    /// The key that checkpoints are signed with, 64 hexadecimal digits, as
    /// `openssl rand -hex 32` prints them; never as such but as a reference,
    /// `${NAME}` or `${file:/path}`. Without it, the server makes one in
    /// `state.dir`, where whoever can change the audit can sign it anew.
    #[schemars(pattern(SECRET), extend("examples" = ["${file:/run/secrets/audit.key}"], "writeOnly" = true))]
    pub(in crate::config) key: Option<String>,
    /// Bytes that a segment has before the next one begins.
    #[schemars(range(min = 65_536, max = 1_073_741_824), extend("default" = 67_108_864, "examples" = [67_108_864]))]
    pub(in crate::config) segment_bytes: Option<u64>,
    /// Seconds after which the next segment begins.
    #[schemars(range(min = 1, max = 2_592_000), extend("default" = 86_400, "examples" = [86_400]))]
    pub(in crate::config) segment_seconds: Option<u64>,
    /// Days for which a segment is kept after it has ended.
    #[schemars(range(min = 1, max = 36_500), extend("default" = 400, "examples" = [400]))]
    pub(in crate::config) keep_days: Option<u64>,
    /// Bytes that all segments have before the oldest goes.
    #[schemars(range(min = 131_072, max = 1_125_899_906_842_624u64), extend("default" = 8_589_934_592_u64, "examples" = [8_589_934_592_u64]))]
    pub(in crate::config) keep_bytes: Option<u64>,
}

// Without doc comments on the variants, the schema is a plain `enum`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawDurability {
    Os,
    Strict,
}

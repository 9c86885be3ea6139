//! `plugins.entries.*.worker`, as written.

use schemars::JsonSchema;
use serde::Deserialize;

/// What the processes of a plugin may have.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawWorker {
    /// Processes at most. One is kept, more come when calls wait. 4 unless set.
    #[schemars(range(min = 1, max = 64), extend("examples" = [4]))]
    pub(in crate::config) processes: Option<u32>,
    /// Calls that each has at a time. Where it is more than 1, a call that ends
    /// the process takes the others in it along. 1 unless set.
    #[schemars(range(min = 1, max = 64), extend("examples" = [1]))]
    pub(in crate::config) concurrency: Option<u32>,
    /// Bytes of memory that the plugin may use in each. 268435456 unless set.
    #[schemars(range(min = 16_777_216, max = 68_719_476_736u64), extend("examples" = [268_435_456]))]
    pub(in crate::config) memory_bytes: Option<u64>,
    /// Threads that the plugin may run in each, beyond those of its calls.
    /// 16 unless set.
    #[schemars(range(max = 1024), extend("examples" = [16]))]
    pub(in crate::config) threads: Option<u32>,
    /// Seconds of processor time that each may use for the calls that it has, and
    /// between calls; it is replaced when they are over. 60 unless set.
    #[schemars(range(min = 1, max = 86400), extend("examples" = [60]))]
    pub(in crate::config) cpu_seconds: Option<u64>,
}

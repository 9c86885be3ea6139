//! What a plugin's worker processes may have.

/// What an operator gives the worker processes of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerSettings {
    /// How many there are at most. One is kept, more come when they are needed.
    pub processes: u32,
    /// How many calls each has at a time.
    pub concurrency: u32,
    /// Memory that each may use.
    pub memory_bytes: u64,
    /// Threads that the plugin may run in each, beyond those of its calls.
    pub threads: u32,
    /// Processor time that each may use for the calls that it has, and between them.
    pub cpu_seconds: u64,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self { processes: 4, concurrency: 1, memory_bytes: 256 << 20, threads: 16, cpu_seconds: 60 }
    }
}

//! Keeps whole repositories out of prompts: a byte limit that nothing gets
//! around, and before it a score of what only pasted code has much of.
//!
//! A prompt is judged by itself, and together with those before it, so that
//! sending a repository in pieces does not help. What is added up is the scored
//! features only: prose of any length has none.

use std::time::Duration;

mod features;
mod memory;
mod paths;
mod score;

pub use features::Features;
pub use memory::Memory;

use crate::{id::AgentId, llm::reason::LlmReason};

/// What counts as a pasted repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardSettings {
    /// Bytes of a prompt and its instructions together.
    pub max_prompt_bytes: usize,
    /// The score from which a prompt is noted in the log.
    pub warn_score: u32,
    /// The score from which it is refused.
    pub deny_score: u32,
    /// How long a prompt that was let through counts towards the next ones.
    pub window: Duration,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self { max_prompt_bytes: 65_536, warn_score: 30, deny_score: 50, window: Duration::from_secs(600) }
    }
}

/// A prompt that is let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Its score, or that of it and those before it if that is higher.
    pub score: u32,
    /// What was found, if that is worth a line in the log.
    pub warning: Option<String>,
}

/// Judges a prompt of an agent's, and remembers it if it is let through.
///
/// # Errors
///
/// Every reason against it.
pub fn check(
    settings: &GuardSettings,
    memory: &Memory,
    agent: &AgentId,
    texts: &[&str],
    now: std::time::Instant,
) -> Result<Passed, Vec<LlmReason>> {
    let bytes = texts.iter().map(|text| text.len()).sum();
    let limit = settings.max_prompt_bytes;
    if bytes > limit {
        // What is that long is not worth reading.
        return Err(vec![LlmReason::PromptTooLarge { bytes, limit }]);
    }
    let features = texts.iter().fold(Features::default(), |found, text| found.and(&Features::of(text)));
    let alone = features.score();
    if alone >= settings.deny_score {
        let (features, before) = (features.to_string(), false);
        return Err(vec![LlmReason::PastedRepository { features, before, retry_after_ms: None }]);
    }
    if alone == 0 && features.is_nothing() {
        return Ok(Passed { score: 0, warning: None });
    }
    memory.judge(agent, features, alone, settings, now).map_err(|reason| vec![reason])
}

#[cfg(test)]
mod tests;

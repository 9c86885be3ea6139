//! What agents have sent lately. Kept outside the snapshot; only counts, and
//! hashes of paths.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{Features, GuardSettings, Passed};
use crate::{id::AgentId, llm::reason::LlmReason};

/// So many prompts of an agent are remembered, however long the window is. Of
/// those that are let through, few have anything to remember.
const MOST: usize = 512;

/// The prompts with scored features that were let through, by agent.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<AgentId, VecDeque<(Instant, Features)>>>);

impl Memory {
    /// Judges a prompt that has passed by itself, together with those before it, and
    /// remembers it if it passes.
    pub(super) fn judge(
        &self,
        agent: &AgentId,
        features: Features,
        alone: u32,
        settings: &GuardSettings,
        now: Instant,
    ) -> Result<Passed, LlmReason> {
        let mut agents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        agents.retain(|_, prompts| {
            prompts.retain(|(at, _)| now.saturating_duration_since(*at) < settings.window);
            !prompts.is_empty()
        });
        let prompts = agents.entry(agent.clone()).or_default();
        let before = prompts.iter().fold(Features::default(), |all, (_, features)| all.and(features));
        let all = before.clone().and(&features);
        let together = if prompts.is_empty() { 0 } else { all.spread_score() };
        // Whoever has sent much may still ask what adds nothing to it.
        if together >= settings.deny_score && together > before.spread_score() {
            let oldest = prompts.front().map(|(at, _)| settings.window.saturating_sub(now - *at));
            return Err(LlmReason::PastedRepository {
                features: all.to_string(),
                before: true,
                retry_after_ms: oldest.map(milliseconds),
            });
        }
        let score = alone.max(together);
        let found = if alone >= together { features.to_string() } else { all.to_string() };
        if prompts.len() == MOST {
            prompts.pop_front();
        }
        prompts.push_back((now, features));
        Ok(Passed { score, warning: (score >= settings.warn_score).then_some(found) })
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

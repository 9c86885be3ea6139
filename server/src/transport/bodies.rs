//! How much of requests is in memory while it arrives: bodies are bounded one by
//! one, connections are many, and clients take the time they are given.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use server_core::id::AgentId;

/// So much of every body is not counted: most are smaller, so that nobody who sends
/// those has to do with those who send large ones.
const SMALL: usize = 64 << 10;

/// What all bodies may have beyond that, and those of one agent.
const ALL: usize = 128 << 20;
const PER_AGENT: usize = 32 << 20;

/// What is counted of the bodies that are arriving.
#[derive(Debug, Default)]
pub(super) struct Bodies(Mutex<Arriving>);

#[derive(Debug, Default)]
struct Arriving {
    all: usize,
    by_agent: HashMap<AgentId, usize>,
}

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// A body that is arriving. What it takes is free again when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    bodies: Arc<Bodies>,
    agent: AgentId,
    arrived: usize,
    counted: usize,
}

impl Bodies {
    pub(super) fn begin(self: &Arc<Self>, agent: AgentId) -> Share {
        Share { bodies: self.clone(), agent, arrived: 0, counted: 0 }
    }

    fn arriving(&self) -> MutexGuard<'_, Arriving> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arriving {
    fn give_back(&mut self, agent: &AgentId, bytes: usize) {
        self.all -= bytes;
        if let Some(of_agent) = self.by_agent.get_mut(agent) {
            *of_agent -= bytes;
            if *of_agent == 0 {
                self.by_agent.remove(agent);
            }
        }
    }
}

impl Share {
    /// More of the body has come.
    ///
    /// # Errors
    ///
    /// If there is no room for it. What came before takes no room then either, so
    /// that others who are told at the same time are told so for good reason.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        self.arrived += bytes;
        let more = self.arrived.saturating_sub(SMALL) - self.counted;
        if more == 0 {
            return Ok(());
        }
        let mut arriving = self.bodies.arriving();
        let of_agent = arriving.by_agent.get(&self.agent).copied().unwrap_or_default();
        if arriving.all + more > ALL || of_agent + more > PER_AGENT {
            arriving.give_back(&self.agent, self.counted);
            drop(arriving);
            self.counted = 0;
            return Err(Full);
        }
        arriving.all += more;
        arriving.by_agent.insert(self.agent.clone(), of_agent + more);
        self.counted += more;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.counted > 0 {
            self.bodies.arriving().give_back(&self.agent, self.counted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: usize = SMALL + (4 << 20);

    fn agent(name: &str) -> AgentId {
        name.parse().unwrap()
    }

    #[test]
    fn an_agent_s_large_bodies_have_a_share_and_small_ones_are_not_counted() {
        let bodies = Arc::<Bodies>::default();
        let begin = |name: &str, bytes: usize| {
            let mut share = bodies.begin(agent(name));
            share.grow(bytes).map(|()| share)
        };
        let of_laptop: Vec<_> = (0..8).map(|_| begin("laptop", LARGE).unwrap()).collect();
        assert_eq!(begin("laptop", LARGE).map(drop), Err(Full));
        let small: Vec<_> = (0..1000).map(|_| begin("laptop", SMALL).unwrap()).collect();
        let of_others: Vec<_> =
            (0..24).map(|body| begin(&format!("agent-{}", body % 3), LARGE).unwrap()).collect();
        assert_eq!(begin("reviewer", LARGE).map(drop), Err(Full), "all have as much as there is");
        assert!(begin("reviewer", SMALL).is_ok());
        drop((of_laptop, of_others, small));
        assert!(begin("reviewer", LARGE).is_ok());
        let arriving = bodies.arriving();
        assert_eq!((arriving.all, arriving.by_agent.len()), (0, 0));
    }

    #[test]
    fn who_is_told_that_there_is_no_room_takes_none_any_more() {
        let bodies = Arc::<Bodies>::default();
        let mut shares: Vec<_> = (0..9).map(|_| bodies.begin(agent("laptop"))).collect();
        let mut full = 0;
        for _ in 0..(LARGE >> 10) {
            shares.retain_mut(|share| {
                let grown = share.grow(1 << 10);
                full += usize::from(grown.is_err());
                grown.is_ok()
            });
        }
        assert_eq!((full, shares.len()), (1, 8));
    }
}

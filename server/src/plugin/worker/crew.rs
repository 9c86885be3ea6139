//! Who works for a plugin, and who waits for a place.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use tokio::sync::oneshot;

use super::{birth::Newborn, health::Health, pool::Told, running::Worker};

/// The workers of a pool.
pub(super) struct Crew {
    pub(super) workers: Vec<Member>,
    /// Those that came up while there was no runtime.
    pub(super) newborn: Vec<Newborn>,
    pub(super) starting: usize,
    /// Calls for which there is no place yet, the longest first.
    pub(super) waiting: VecDeque<Waiting>,
    /// Somebody looks how long they wait.
    pub(super) is_watched: bool,
    pub(super) health: Health,
    /// No worker is started before that.
    pub(super) pause: Instant,
    /// Another release or configuration took over.
    pub(super) retired: bool,
}

/// A call that waits for a place.
pub(super) struct Waiting {
    pub(super) tell: oneshot::Sender<Told>,
    pub(super) since: Instant,
}

/// A worker, and how many places in it are taken.
pub(super) struct Member {
    pub(super) worker: Arc<Worker>,
    pub(super) busy: u32,
}

impl Crew {
    pub(super) fn new(first: Newborn) -> Self {
        let (workers, starting, waiting, is_watched, health, retired) = Default::default();
        let (newborn, pause) = (vec![first], Instant::now());
        Self { workers, newborn, starting, waiting, is_watched, health, pause, retired }
    }

    /// How many there are or will be in a moment.
    pub(super) fn all(&self) -> usize {
        self.workers.len() + self.newborn.len() + self.starting
    }

    /// A place, in the first worker that has one: those that are needed least get
    /// nothing to do, and go.
    pub(super) fn take(&mut self, concurrency: u32) -> Option<Arc<Worker>> {
        let member = self.workers.iter_mut().find(|it| it.busy < concurrency)?;
        member.busy += 1;
        Some(member.worker.clone())
    }

    /// A place is free again, if its worker is still there.
    pub(super) fn free(&mut self, worker: &Arc<Worker>) {
        if let Some(member) = self.workers.iter_mut().find(|it| Arc::ptr_eq(&it.worker, worker)) {
            member.busy -= 1;
        }
    }

    /// Takes a worker out that has nothing to do. False if it has.
    pub(super) fn dismiss(&mut self, worker: &Arc<Worker>) -> bool {
        let before = self.workers.len();
        self.workers.retain(|it| it.busy > 0 || !Arc::ptr_eq(&it.worker, worker));
        self.workers.len() < before
    }

    /// Takes all workers out that have nothing to do.
    pub(super) fn dismiss_idle(&mut self) -> Vec<Arc<Worker>> {
        let (idle, busy) =
            std::mem::take(&mut self.workers).into_iter().partition(|it: &Member| it.busy == 0);
        self.workers = busy;
        idle.into_iter().map(|it: Member| it.worker).collect()
    }
}

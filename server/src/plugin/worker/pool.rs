//! The workers of one plugin: one is there, more come when calls wait, and those
//! that are lost are replaced.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{runtime::Handle, sync::oneshot};
use tracing::warn;

use super::{
    birth::{Newborn, Recipe},
    driver,
    running::Worker,
};
use crate::plugin::trial::Outcome;

/// How long a call waits for a worker before another one is started: less than
/// what most calls take, and starting one takes longer.
const PATIENCE: Duration = Duration::from_millis(3);

/// The workers of a plugin.
pub(super) struct Pool {
    recipe: Arc<Recipe>,
    this: Weak<Self>,
    crew: Mutex<Crew>,
}

#[derive(Default)]
struct Crew {
    workers: Vec<Member>,
    /// Those that came up while there was no runtime.
    newborn: Vec<Newborn>,
    starting: u32,
    /// Calls for which there is no place yet, the longest first.
    waiting: VecDeque<oneshot::Sender<Arc<Worker>>>,
}

struct Member {
    worker: Arc<Worker>,
    busy: u32,
}

/// A place for one call in a worker. Dropped, the next one gets it.
pub(super) struct Place {
    pub(super) worker: Arc<Worker>,
    pool: Arc<Pool>,
}

/// How a worker was lost.
pub(super) struct Loss {
    pub(super) reason: String,
    /// How many calls it had.
    pub(super) calls: usize,
    /// It was sent away.
    pub(super) expected: bool,
}

impl Pool {
    /// A pool with its first worker.
    pub(super) fn new(recipe: Recipe) -> Result<Arc<Self>, Outcome> {
        let newborn = recipe.make()?;
        let crew = Crew { newborn: vec![newborn], ..Crew::default() };
        let pool = Arc::new_cyclic(|this| Self {
            recipe: Arc::new(recipe),
            this: this.clone(),
            crew: Mutex::new(crew),
        });
        Ok(pool)
    }

    /// What its workers are made of.
    pub(super) fn recipe(&self) -> &Arc<Recipe> {
        &self.recipe
    }

    /// A place for a call, when there is one.
    pub(super) async fn place(self: &Arc<Self>) -> Place {
        let mut told = match self.ask() {
            Ok(place) => return place,
            Err(told) => Ticket { told, pool: self.clone() },
        };
        if let Ok(place) = tokio::time::timeout(PATIENCE, told.place()).await {
            return place;
        }
        self.grow();
        told.place().await
    }

    fn ask(self: &Arc<Self>) -> Result<Place, oneshot::Receiver<Arc<Worker>>> {
        self.adopt();
        let mut crew = self.crew();
        if let Some(worker) = crew.take(self.recipe.settings.concurrency) {
            return Ok(Place { worker, pool: self.clone() });
        }
        let (tell, told) = oneshot::channel();
        crew.waiting.push_back(tell);
        let none = crew.workers.is_empty() && crew.starting == 0;
        drop(crew);
        if none {
            self.grow();
        }
        Err(told)
    }

    /// Listens to those that came up while there was no runtime.
    fn adopt(self: &Arc<Self>) {
        let newborn = std::mem::take(&mut self.crew().newborn);
        for newborn in newborn {
            self.employ(newborn);
        }
    }

    fn employ(self: &Arc<Self>, newborn: Newborn) {
        match Worker::new(self.recipe.clone(), newborn) {
            Ok((worker, frames)) => {
                tokio::spawn(driver::drive(worker.clone(), frames, self.this.clone()));
                self.crew().workers.push(Member { worker, busy: 0 });
                self.hand_out();
            }
            Err(error) => {
                warn!(target: "plugin", plugin = %self.plugin(), %error, "a worker cannot be listened to")
            }
        }
    }

    /// Starts one more, if there may be one.
    fn grow(self: &Arc<Self>) {
        {
            let mut crew = self.crew();
            let all = crew.workers.len() + usize::try_from(crew.starting).unwrap_or(usize::MAX);
            if all >= usize::try_from(self.recipe.settings.processes).unwrap_or(usize::MAX) {
                return;
            }
            crew.starting += 1;
        }
        let pool = self.clone();
        tokio::spawn(async move {
            let recipe = pool.recipe.clone();
            let made = tokio::task::spawn_blocking(move || recipe.make()).await;
            pool.crew().starting -= 1;
            if let Ok(Ok(newborn)) = made {
                pool.employ(newborn);
            }
        });
    }

    /// A worker is gone.
    pub(super) fn lost(self: &Arc<Self>, worker: &Arc<Worker>, loss: Loss) {
        self.crew().workers.retain(|it| !Arc::ptr_eq(&it.worker, worker));
        if loss.expected {
            return;
        }
        warn!(
            target: "plugin",
            plugin = %self.plugin(),
            process = worker.process.id(),
            calls = loss.calls,
            reason = loss.reason,
            "worker lost"
        );
        if Handle::try_current().is_ok() {
            self.grow();
        }
    }

    fn freed(self: &Arc<Self>, worker: &Arc<Worker>) {
        let mut crew = self.crew();
        if let Some(member) = crew.workers.iter_mut().find(|it| Arc::ptr_eq(&it.worker, worker)) {
            member.busy -= 1;
        }
        drop(crew);
        self.hand_out();
    }

    /// Gives what places there are to those who wait.
    fn hand_out(self: &Arc<Self>) {
        let mut crew = self.crew();
        while !crew.waiting.is_empty() {
            let Some(worker) = crew.take(self.recipe.settings.concurrency) else { return };
            let Some(tell) = crew.waiting.pop_front() else { return };
            if tell.send(worker.clone()).is_err() {
                crew.free(&worker);
            }
        }
    }

    fn plugin(&self) -> &plugin_contract::PluginName {
        self.recipe.services.plugin()
    }

    fn crew(&self) -> MutexGuard<'_, Crew> {
        self.crew.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Crew {
    /// A place, in the worker that had one last: it is the warmest.
    fn take(&mut self, concurrency: u32) -> Option<Arc<Worker>> {
        let member = self.workers.iter_mut().find(|it| it.busy < concurrency)?;
        member.busy += 1;
        Some(member.worker.clone())
    }

    fn free(&mut self, worker: &Arc<Worker>) {
        if let Some(member) = self.workers.iter_mut().find(|it| Arc::ptr_eq(&it.worker, worker)) {
            member.busy -= 1;
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for member in &self.crew().workers {
            member.worker.leave.notify_one();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.pool.freed(&self.worker);
    }
}

/// One who waits for a place. Dropped, a place that came meanwhile goes on to the
/// next.
struct Ticket {
    told: oneshot::Receiver<Arc<Worker>>,
    pool: Arc<Pool>,
}

impl Ticket {
    async fn place(&mut self) -> Place {
        match (&mut self.told).await {
            Ok(worker) => Place { worker, pool: self.pool.clone() },
            // The pool, which holds the other end, is held here.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.told.close();
        if let Ok(worker) = self.told.try_recv() {
            self.pool.freed(&worker);
        }
    }
}

//! The workers of one plugin: one is there, more come when calls wait, and those
//! that are lost are replaced.

use std::{
    future,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use server_core::{
    id::AgentId,
    workers::{Confinement, WorkersStatus},
};
use tokio::sync::oneshot;
use tracing::{debug, error, warn};

use super::{
    birth::{Newborn, Recipe},
    crew::{Crew, Member, Waiting},
    driver,
    health::Next,
    running::Worker,
};
use crate::plugin::{fault::Fault, services::Quarantine, trial::Outcome};

/// How long a call waits for a worker before another one is started: longer than
/// most calls take, and shorter than a start.
const PATIENCE: Duration = Duration::from_millis(3);

/// The workers of a plugin.
pub(super) struct Pool {
    recipe: Arc<Recipe>,
    confinement: Confinement,
    this: Weak<Self>,
    crew: Mutex<Crew>,
}

/// A place for one call in a worker. Dropped, the next one gets it.
pub(super) struct Place {
    pub(super) worker: Arc<Worker>,
    pool: Arc<Pool>,
}

/// How a worker was lost.
pub(super) struct Loss {
    pub(super) reason: String,
    /// Whose calls it had.
    pub(super) calls: Vec<AgentId>,
    /// Whose doing it was.
    pub(super) cause: Cause,
}

/// Whose doing a worker's end was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It was sent away.
    Left,
    /// It was ended because a call took too long, which any call may.
    Overrun,
    /// The plugin's.
    Plugin,
}

impl Pool {
    /// A pool with its first worker. Blocks until that takes calls.
    pub(super) fn new(recipe: Recipe) -> Result<Arc<Self>, Outcome> {
        let newborn = recipe.make()?;
        let confinement = newborn.confinement.clone();
        let (recipe, crew) = (Arc::new(recipe), Mutex::new(Crew::new(newborn)));
        Ok(Arc::new_cyclic(|this| Self { recipe, confinement, this: this.clone(), crew }))
    }

    /// What its workers are made of.
    pub(super) fn recipe(&self) -> &Arc<Recipe> {
        &self.recipe
    }

    /// A place for a call, when there is one. The error says why there will be none.
    pub(super) async fn place(self: &Arc<Self>, agent: &AgentId) -> Result<Place, String> {
        let ticket = match self.ask(agent)? {
            Ok(place) => return Ok(place),
            Err(told) => Ticket { told, pool: self.clone() },
        };
        ticket.place().await
    }

    fn ask(self: &Arc<Self>, agent: &AgentId) -> Result<Result<Place, oneshot::Receiver<Told>>, String> {
        self.adopt();
        let mut crew = self.crew();
        let now = Instant::now();
        if let Some(left) = crew.health.quarantined(now) {
            return Err(quarantined(left, crew.health.last.as_deref()));
        }
        if let Some(left) = crew.health.excluded(agent, now) {
            return Err(excluded(agent, left));
        }
        if let Some(worker) = crew.take(self.recipe.settings.concurrency) {
            return Ok(Ok(Place { worker, pool: self.clone() }));
        }
        let (tell, told) = oneshot::channel();
        crew.waiting.push_back(Waiting { tell, since: Instant::now() });
        let none = crew.all() == 0;
        let is_watched = std::mem::replace(&mut crew.is_watched, true);
        drop(crew);
        if !is_watched {
            tokio::spawn(self.clone().watch());
        }
        if none {
            self.grow();
        }
        Ok(Err(told))
    }

    /// Starts workers for the calls that have waited for long, as long as any wait. A
    /// timer for each call would cost more than most calls.
    async fn watch(self: Arc<Self>) {
        loop {
            let now = Instant::now();
            let (longest, overdue) = {
                let mut crew = self.crew();
                crew.waiting.retain(|it| !it.tell.is_closed());
                let Some(longest) = crew.waiting.front().map(|it| it.since) else {
                    crew.is_watched = false;
                    return;
                };
                (longest, crew.waiting.iter().take_while(|it| it.since + PATIENCE <= now).count())
            };
            (0..overdue).for_each(|_| self.grow());
            let next = if overdue == 0 { longest } else { now };
            tokio::time::sleep_until((next + PATIENCE).into()).await;
        }
    }

    /// Listens to those that came up while there was no runtime.
    fn adopt(self: &Arc<Self>) {
        let newborn = std::mem::take(&mut self.crew().newborn);
        newborn.into_iter().for_each(|newborn| self.employ(newborn));
    }

    fn employ(self: &Arc<Self>, newborn: Newborn) {
        match Worker::new(self.recipe.clone(), newborn) {
            Ok((worker, frames)) => {
                self.crew().workers.push(Member { worker: worker.clone(), busy: 0 });
                tokio::spawn(driver::drive(worker, frames, self.this.clone()));
                self.hand_out();
            }
            Err(error) => self.failed(&format!("it cannot be listened to: {error}"), None, 0),
        }
    }

    /// Starts one more, if there may be one.
    fn grow(self: &Arc<Self>) {
        let pause = {
            let mut crew = self.crew();
            let most = usize::try_from(self.recipe.settings.processes).unwrap_or(usize::MAX);
            let wanted = crew.waiting.len().max(1);
            if crew.all() >= most || crew.starting >= wanted || (crew.retired && crew.waiting.is_empty()) {
                return;
            }
            crew.starting += 1;
            crew.pause.saturating_duration_since(Instant::now())
        };
        let pool = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let recipe = pool.recipe.clone();
            let made = tokio::task::spawn_blocking(move || recipe.make()).await;
            pool.crew().starting -= 1;
            match made {
                Ok(Ok(newborn)) => pool.employ(newborn),
                Ok(Err(outcome)) => pool.failed(&said(outcome), None, 0),
                Err(error) => pool.failed(&error.to_string(), None, 0),
            }
        });
    }

    /// A worker is gone.
    pub(super) fn lost(self: &Arc<Self>, worker: &Arc<Worker>, loss: Loss) {
        self.crew().workers.retain(|it| !Arc::ptr_eq(&it.worker, worker));
        let (plugin, process) = (self.recipe.services.plugin(), worker.process.id());
        let Loss { reason, calls: agents, cause } = loss;
        let calls = agents.len();
        match cause {
            Cause::Left => debug!(target: "plugin", %plugin, process, "worker ended"),
            Cause::Overrun => {
                warn!(target: "plugin", %plugin, process, calls, reason, "worker ended");
                self.replace();
            }
            Cause::Plugin => {
                warn!(target: "plugin", %plugin, process, calls, reason, "worker lost");
                // Of several agents, each could have done it.
                let agent = agents.first().filter(|first| agents.iter().all(|it| it == *first));
                self.failed(&reason, agent, process);
            }
        }
    }

    /// Decides what comes after a worker that was lost, or that did not come up.
    fn failed(self: &Arc<Self>, reason: &str, agent: Option<&AgentId>, process: u32) {
        let now = Instant::now();
        let next = {
            let mut crew = self.crew();
            let next = crew.health.lose(reason, agent, now);
            if let Next::Replace(pause) | Next::Exclude { pause, .. } = next {
                crew.pause = now + pause;
            }
            next
        };
        let plugin = self.recipe.services.plugin();
        let quarantine = |agent: Option<&AgentId>, lost, length| Quarantine {
            plugin: plugin.clone(),
            agent: agent.cloned(),
            lost,
            reason: reason.to_owned(),
            length,
        };
        match next {
            Next::Replace(_) => self.replace(),
            Next::Exclude { length, lost, .. } => {
                error!(
                    target: "plugin",
                    %plugin,
                    agent = agent.map(AgentId::as_str),
                    process,
                    lost,
                    reason,
                    seconds = length.as_secs(),
                    code = "agent_quarantined",
                    help = "look at what the agent asks of the plugin, and ask the plugin's author",
                    "plugin quarantined for an agent"
                );
                self.recipe.services.quarantined(&quarantine(agent, lost, length));
                self.replace();
            }
            Next::Quarantine(length, lost) => {
                error!(
                    target: "plugin",
                    %plugin,
                    process,
                    lost,
                    reason,
                    seconds = length.as_secs(),
                    code = "plugin_quarantined",
                    help = "install another release, or change its entry: either is tried at once",
                    "plugin quarantined"
                );
                self.turn_away(&quarantined(length, Some(reason)));
                self.recipe.services.quarantined(&quarantine(None, lost, length));
            }
        }
    }

    /// Starts another one where one is missing.
    fn replace(self: &Arc<Self>) {
        let missing = {
            let crew = self.crew();
            crew.all() == 0 || !crew.waiting.is_empty()
        };
        if missing {
            self.grow();
        }
    }

    /// Lets the workers go, and whoever waits for one.
    fn turn_away(&self, why: &str) {
        let (waiting, idle) = {
            let mut crew = self.crew();
            (std::mem::take(&mut crew.waiting), crew.dismiss_idle())
        };
        idle.iter().for_each(|worker| worker.leave.notify_one());
        for Waiting { tell, .. } in waiting {
            let _ = tell.send(Err(why.to_owned()));
        }
    }

    /// Lets a worker go that had nothing to do for long, if there are others.
    pub(super) fn spare(&self, worker: &Arc<Worker>) {
        let mut crew = self.crew();
        if crew.workers.len() > 1 && crew.dismiss(worker) {
            worker.leave.notify_one();
        }
    }

    /// New calls go elsewhere. Workers go when they have none any more.
    pub(super) fn retire(&self) {
        let idle = {
            let mut crew = self.crew();
            crew.retired = true;
            crew.newborn.clear();
            crew.dismiss_idle()
        };
        idle.iter().for_each(|worker| worker.leave.notify_one());
    }

    fn freed(self: &Arc<Self>, worker: &Arc<Worker>) {
        self.crew().free(worker);
        self.hand_out();
        let mut crew = self.crew();
        let nobody = crew.retired || crew.health.quarantined(Instant::now()).is_some();
        if nobody && crew.dismiss(worker) {
            worker.leave.notify_one();
        }
    }

    /// Gives what places there are to those who wait.
    fn hand_out(self: &Arc<Self>) {
        let mut crew = self.crew();
        while !crew.waiting.is_empty() {
            let Some(worker) = crew.take(self.recipe.settings.concurrency) else { return };
            let Some(Waiting { tell, .. }) = crew.waiting.pop_front() else { return };
            if tell.send(Ok(worker.clone())).is_err() {
                crew.free(&worker);
            }
        }
    }

    /// How its workers are.
    pub(super) fn status(&self) -> WorkersStatus {
        let crew = self.crew();
        let now = Instant::now();
        let quarantine = crew.health.quarantined(now);
        let seconds = |left: Duration| left.as_secs().max(1);
        let agents = crew.health.exclusions(now).map(|(agent, left)| (agent.to_string(), seconds(left)));
        WorkersStatus {
            processes: crew.workers.len() + crew.newborn.len(),
            busy: crew.workers.iter().filter(|it| it.worker.calls() > 0).count(),
            calls: crew.workers.iter().map(|it| it.worker.calls()).sum(),
            confinement: self.confinement.clone(),
            lost: crew.health.lost,
            last_loss: crew.health.last.clone(),
            quarantined_seconds: quarantine.map(seconds),
            quarantined_agents: agents.collect(),
        }
    }

    fn crew(&self) -> MutexGuard<'_, Crew> {
        self.crew.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one who waits is told: where there is a place, or why there will be none.
pub(super) type Told = Result<Arc<Worker>, String>;

fn quarantined(left: Duration, reason: Option<&str>) -> String {
    let seconds = left.as_secs().max(1);
    let reason = reason.unwrap_or("its workers were lost");
    format!("it is in quarantine for another {seconds} s, because its workers ended too often: {reason}")
}

fn excluded(agent: &AgentId, left: Duration) -> String {
    let seconds = left.as_secs().max(1);
    format!(
        "it is in quarantine for agent `{agent}` for another {seconds} s, because its workers ended too often in calls of this agent's"
    )
}

fn said(outcome: Outcome) -> String {
    match outcome {
        Outcome::Fails(fault) | Outcome::Crashes(fault) => Fault::into_parts(fault).1,
        Outcome::Hangs | Outcome::Works => "it was still busy starting when its time was over".to_owned(),
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
    told: oneshot::Receiver<Told>,
    pool: Arc<Pool>,
}

impl Ticket {
    async fn place(mut self) -> Result<Place, String> {
        match (&mut self.told).await {
            Ok(told) => told.map(|worker| Place { worker, pool: self.pool.clone() }),
            // The pool, which holds the other end, is held here.
            Err(_) => future::pending().await,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.told.close();
        if let Ok(Ok(worker)) = self.told.try_recv() {
            self.pool.freed(&worker);
        }
    }
}

//! From files to the live snapshot: at the start, and whenever they change.
//!
//! One task, the [`Pipeline`], is the only writer of [`Live`]. It is woken by the
//! kernel's file events, by a poll, by SIGHUP and by orders; it looks at the
//! files and stages what they hold on a thread of its own (`staging`), decides,
//! and then swaps the snapshot in one step. Until that step nothing has changed.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use server_core::{
    registry::Refusal,
    settings::Settings,
    snapshot::{Live, Snapshot},
};
use tokio::{
    signal::unix::Signal,
    sync::{Notify, mpsc},
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{
    plugin::Change,
    readiness::{LastReload, Readiness},
};

mod bench;
mod bind_mount;
mod changes;
mod control;
mod decision;
mod kept;
mod log;
mod overlay;
mod refused;
mod staging;
mod start;
mod status;
mod watcher;

pub use control::{Ask, Control, Outcome, RefusedPlugin, Report, Trigger};
pub use kept::last_good;
pub use overlay::Overlay;
pub use refused::Refused;
pub use start::{First, Origin, first};
pub use status::{Attempt, KeptGeneration, ReloadStatus, Source, State, Witness};

use bench::Bench;
use changes::{Left, QUIET};
use control::Order;
use kept::History;
use staging::Look;

/// How long no event of the kernel makes for another look: it may be of a file
/// that is written on and on beside those that count, like a log.
const CALM: Duration = Duration::from_millis(50);

/// How long files may go on changing before it is said that they hold up what
/// they say.
const RESTLESS: Duration = Duration::from_secs(5);

/// Puts a part of the server in line with the settings that have just come into
/// force. It cannot fail.
pub type Follow = Box<dyn FnOnce() + Send>;

/// Parts of the server that live outside the snapshot and follow it.
pub trait Followers: Send + Sync {
    /// Gets ready for settings that are to come into force, or says why that
    /// cannot be. To drop the answer leaves everything as it is.
    fn prepare<'f>(&'f self, settings: &'f Settings) -> BoxFuture<'f, Result<Follow, String>>;

    /// Whether they could get ready, told without changing anything.
    fn check(&self, settings: &Settings) -> Result<(), String>;

    /// A snapshot has come into force.
    fn changed(&self, snapshot: &Snapshot);

    /// Plugins came and went, and others were refused that were not before.
    fn plugins(&self, changes: &[Change], refused: &[&Refusal]);
}

/// Stages configurations and puts them in force.
pub struct Pipeline {
    live: Arc<Live>,
    readiness: Arc<Readiness>,
    status: Arc<ReloadStatus>,
    followers: Arc<dyn Followers>,
    orders: mpsc::Receiver<Order>,
    hint: Arc<Notify>,
    history: History,
    refusals: Vec<Refusal>,
    work: Bench,
    /// Since when the files have not stood still for long enough, if they have
    /// changed.
    waits: Option<Instant>,
    /// That they do not is said.
    restless: bool,
    /// When they were looked at last, but for orders.
    looked: Instant,
}

/// An attempt under way.
struct Try<'a> {
    trigger: Trigger,
    begun: Instant,
    ask: &'a Ask,
}

impl Pipeline {
    /// Keeps the snapshot up to date until `stop`, for which it never waits.
    pub async fn run(mut self, mut hangup: Signal, stop: CancellationToken) {
        let looking = async {
            loop {
                self.next(&mut hangup).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = looking => {}
        }
    }

    /// Waits for a reason to look, and looks.
    async fn next(&mut self, hangup: &mut Signal) {
        let pause = if self.waits.is_some() { QUIET } else { self.live.load().settings.reload.poll };
        let (hint, looked) = (self.hint.clone(), self.looked);
        let hinted = async move {
            time::sleep_until(looked + CALM).await;
            hint.notified().await;
        };
        // What is due is taken in no order: orders without end keep no edit from
        // being seen.
        tokio::select! {
            Some(order) = self.orders.recv() => self.obey(order).await,
            Some(()) = hangup.recv() => {
                let report = self.reload(Trigger::Signal, &Ask::default()).await;
                if report.result == Outcome::Unchanged {
                    info!(target: "config", trigger = "signal", "the files hold what is in force");
                }
            }
            () = hinted, if self.waits.is_none() => self.look().await,
            () = time::sleep_until(looked + pause) => self.look().await,
        }
    }

    async fn obey(&mut self, order: Order) {
        let (report, answer) = match order {
            Order::Reload(ask, answer) => (self.reload(Trigger::Command, &ask).await, answer),
            Order::Rollback(to, ask, answer) => (self.rollback(to, &ask).await, answer),
        };
        // Whoever asked may have gone.
        let _ = answer.send(report);
    }

    /// Looks whether the files have changed.
    async fn look(&mut self) {
        self.look_at_files().await;
        self.looked = Instant::now();
    }

    async fn look_at_files(&mut self) {
        let since = self.waits.take();
        self.look_at_mount();
        let ask = Ask::default();
        let attempt = Try { trigger: Trigger::File, begun: Instant::now(), ask: &ask };
        let current = self.live.load();
        match self.work.run(move |work| work.look(&current)).await {
            Ok(Look::Same) => {
                if std::mem::take(&mut self.restless) {
                    self.reload(Trigger::File, &ask).await;
                }
            }
            Ok(Look::Wait) => self.wait(&attempt, since.unwrap_or_else(Instant::now)),
            Ok(Look::InForce) => {
                self.readiness.reloaded(LastReload::Applied);
                info!(target: "config", "the files hold again what is in force");
            }
            Ok(Look::LeftBefore(Left::Refused(problems))) => {
                self.readiness.reloaded(LastReload::Refused { problems });
            }
            Ok(Look::LeftBefore(Left::Held)) => self.readiness.reloaded(LastReload::Held),
            Ok(Look::Staged(staged)) => {
                self.decide(&attempt, staged).await;
            }
            Err(refused) => {
                self.refuse(&attempt, None, refused);
            }
        }
    }

    /// Waits for files that have not stood still `since`.
    fn wait(&mut self, attempt: &Try<'_>, since: Instant) {
        let is_too_long = since.elapsed() >= RESTLESS;
        self.waits = Some(if is_too_long { Instant::now() } else { since });
        if is_too_long {
            self.restless = true;
            self.refuse(attempt, None, Refused::NeverStill);
        }
    }

    async fn reload(&mut self, trigger: Trigger, ask: &Ask) -> Report {
        let attempt = Try { trigger, begun: Instant::now(), ask };
        let current = self.live.load();
        if let Some(named) = ask.if_match.as_ref().filter(|named| **named != current.config_sha256) {
            let reason = format!("the configuration in force is {}, not {named}", current.config_sha256);
            return self.end(&attempt, Report { reason: Some(reason), ..self.report(Outcome::Mismatch) });
        }
        let anew = self.status.part(|status| status.source) == Source::LastGood;
        let look = self.work.run(move |work| work.look_now(&current, anew)).await;
        match look.flatten() {
            Err(refused) => self.refuse(&attempt, None, refused),
            Ok(None) => self.unchanged(&attempt),
            Ok(Some(staged)) => self.decide(&attempt, staged).await,
        }
    }

    fn unchanged(&mut self, attempt: &Try<'_>) -> Report {
        let pinned = self.status.part(|status| status.source) == Source::Rollback;
        let reason = pinned.then(|| {
            "the files hold what they held at the rollback, which counts until they change".to_owned()
        });
        if !attempt.ask.dry_run && !pinned {
            self.readiness.reloaded(LastReload::Applied);
        }
        self.end(attempt, Report { reason, ..self.report(Outcome::Unchanged) })
    }

    async fn rollback(&mut self, to: Option<u64>, ask: &Ask) -> Report {
        let attempt = Try { trigger: Trigger::Rollback, begun: Instant::now(), ask };
        let current = self.live.load();
        let kept = self.history.find(to).filter(|_| to.is_none_or(|to| to <= current.generation.0)).cloned();
        let Some(kept) = kept else {
            let known: Vec<_> = self.history.list().iter().map(|it| it.generation.to_string()).collect();
            let which = to.map_or("an earlier one".to_owned(), |to| format!("generation {to}"));
            let none =
                format!("there is no configuration of {which}; there are those of {}", known.join(", "));
            return self.refuse(&attempt, None, Refused::NothingKept(none));
        };
        let sources = kept.sources.clone();
        match self.work.run(move |work| work.look_back(&current, &sources)).await {
            Err(refused) => self.refuse(&attempt, None, refused),
            Ok(staged) => self.decide(&attempt, staged).await,
        }
    }

    fn look_at_mount(&mut self) {
        let Some(work) = self.work.here() else { return };
        let path = work.stage.files.path();
        let (was, is) = (self.status.part(|status| status.stale_bind_mount), bind_mount::is_stale(path));
        self.status.update(|status| status.stale_bind_mount = is);
        if is && !was {
            let help = bind_mount::HELP;
            error!(target: "config", path = %path.display(), help, "the file that was mounted here has been replaced, so edits of it cannot be seen");
        }
    }
}

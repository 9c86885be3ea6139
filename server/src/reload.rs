//! From files to the live snapshot: at the start, and whenever they change.
//!
//! One task, the [`Pipeline`], is the only writer of [`Live`]. It is woken by the
//! kernel's file events, by a poll, by SIGHUP and by orders; it looks at the
//! files and stages what they hold on a thread of its own (`staging`), decides,
//! and then swaps the snapshot in one step. Until that step nothing has changed.

use std::{path::Path, sync::Arc, time::Instant};

use futures::future::BoxFuture;
use jiff::Timestamp;
use server_core::{
    config::Source as ConfigSource,
    diff::Counts,
    registry::Refusal,
    settings::Settings,
    snapshot::{Content, Live, Snapshot},
};
use tokio::{
    signal::unix::Signal,
    sync::{Notify, mpsc},
    task, time,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    config_files::Inputs,
    plugin::{Committed, PluginInputs},
    readiness::{LastReload, Readiness},
};

mod bench;
mod bind_mount;
mod changes;
mod control;
mod kept;
mod log;
mod refused;
mod staging;
mod start;
mod status;
mod watcher;

pub use control::{Ask, Control, Outcome, RefusedPlugin, Report, Trigger};
pub use refused::Refused;
pub use start::{First, Origin, first};
pub use status::{Attempt, KeptGeneration, ReloadStatus, Source, State};

use bench::{Bench, STAGING};
use changes::{Changes, Left, QUIET};
use control::Order;
use kept::{History, Kept};
use staging::{Candidate, Look, Made, Staged};

/// Puts a part of the server in line with the settings that have just come into
/// force. It cannot fail.
pub type Follow = Box<dyn FnOnce() + Send>;

/// Parts of the server that live outside the snapshot and follow it.
pub trait Followers: Send + Sync {
    /// Gets ready for settings that are to come into force, or says why that
    /// cannot be. To drop the answer leaves everything as it is.
    fn prepare<'f>(&'f self, settings: &'f Settings) -> BoxFuture<'f, Result<Follow, String>>;

    /// A snapshot has come into force.
    fn changed(&self, snapshot: &Snapshot);
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
    /// The files have changed, and have not stood still for long enough.
    waits: bool,
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
        let pause = if self.waits { QUIET } else { self.live.load().settings.reload.poll };
        let hint = self.hint.clone();
        tokio::select! {
            biased;
            Some(order) = self.orders.recv() => self.obey(order).await,
            Some(()) = hangup.recv() => {
                let report = self.reload(Trigger::Signal, &Ask::default()).await;
                if report.result == Outcome::Unchanged {
                    info!(target: "config", trigger = "signal", "the files hold what is in force");
                }
            }
            () = hint.notified(), if !self.waits => self.look().await,
            () = time::sleep(pause) => self.look().await,
        }
    }

    async fn obey(&mut self, order: Order) {
        let (report, answer) = match order {
            Order::Reload(ask, answer) => (self.reload(Trigger::Command, &ask).await, answer),
            Order::Rollback(to, answer) => (self.rollback(to).await, answer),
        };
        // Whoever asked may have gone.
        let _ = answer.send(report);
    }

    /// Looks whether the files have changed.
    async fn look(&mut self) {
        self.waits = false;
        self.look_at_mount();
        let ask = Ask::default();
        let attempt = Try { trigger: Trigger::File, begun: Instant::now(), ask: &ask };
        let current = self.live.load();
        match self.work.run(move |work| work.look(&current)).await {
            Ok(Look::Same) => {}
            Ok(Look::Wait) => self.waits = true,
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

    async fn reload(&mut self, trigger: Trigger, ask: &Ask) -> Report {
        let attempt = Try { trigger, begun: Instant::now(), ask };
        let current = self.live.load();
        if let Some(named) = ask.if_match.as_ref().filter(|named| **named != current.config_sha256) {
            let reason = format!("the configuration in force is {}, not {named}", current.config_sha256);
            return self.end(&attempt, Report { reason: Some(reason), ..self.report(Outcome::Mismatch) });
        }
        let anew = self.status.now().source == Source::LastGood;
        let look = self.work.run(move |work| work.look_now(&current, anew)).await;
        match look {
            Err(refused) => self.refuse(&attempt, None, refused),
            Ok(None) => self.unchanged(&attempt),
            Ok(Some(staged)) => self.decide(&attempt, staged).await,
        }
    }

    fn unchanged(&mut self, attempt: &Try<'_>) -> Report {
        let pinned = self.status.now().source == Source::Rollback;
        let reason = pinned.then(|| {
            "the files hold what they held at the rollback, which counts until they change".to_owned()
        });
        if !attempt.ask.dry_run && !pinned {
            self.readiness.reloaded(LastReload::Applied);
        }
        self.end(attempt, Report { reason, ..self.report(Outcome::Unchanged) })
    }

    async fn rollback(&mut self, to: Option<u64>) -> Report {
        let ask = Ask::default();
        let attempt = Try { trigger: Trigger::Rollback, begun: Instant::now(), ask: &ask };
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

    /// What becomes of what was staged.
    async fn decide(&mut self, attempt: &Try<'_>, staged: Staged) -> Report {
        let Staged { inputs, made, candidate } = staged;
        let candidate = match candidate {
            Ok(candidate) => candidate,
            Err(refused) => {
                return self.refuse(attempt, Some(inputs).filter(|_| made != Made::Plugins), refused);
            }
        };
        if made == Made::Plugins && !candidate.changes_plugins(&self.live.load()) {
            return self.same_plugins(attempt, *candidate);
        }
        if let Some(reason) = self.reason_to_hold(attempt, &candidate) {
            return self.hold(attempt, inputs, &candidate, reason);
        }
        let followers = self.followers.clone();
        let follow = match followers.prepare(&candidate.settings).await {
            Ok(follow) => follow,
            Err(why) => return self.refuse(attempt, Some(inputs), Refused::NotFollowed(why)),
        };
        if attempt.ask.dry_run {
            return self.end(attempt, self.told(Outcome::Applied, &candidate, None));
        }
        self.put_in_force(attempt, inputs, made, *candidate, follow).await
    }

    async fn put_in_force(
        &mut self,
        attempt: &Try<'_>,
        inputs: Inputs,
        made: Made,
        candidate: Candidate,
        follow: Follow,
    ) -> Report {
        let report = self.told(Outcome::Applied, &candidate, None);
        let Candidate { config_sha256, settings, loaded, plugins, sources, notes } = candidate;
        let is_other = config_sha256 != self.live.load().config_sha256;
        // Writes to disk which releases run here.
        let Ok(Committed { registry, refusals, changes }) = task::spawn_blocking(|| loaded.commit()).await
        else {
            return self.refuse(attempt, None, Refused::Panicked);
        };
        log::plugins(&changes, &self.refusals, &refusals);
        log::notes(&notes);
        let snapshot = self.live.publish(Content { config_sha256, settings, registry });
        follow();
        self.followers.changed(&snapshot);
        self.readiness.reloaded(LastReload::Applied);
        log::in_force(&snapshot, attempt.trigger, &notes.diff);
        self.refuse_plugins(refusals);
        let source = self.remember(attempt, inputs, made, plugins, &sources);
        let files = sources.iter().map(|source| source.path.clone()).collect();
        if is_other {
            self.keep(&snapshot, sources).await;
        }
        self.status.update(|status| {
            (status.source, status.since) = (source, Some(Timestamp::now()));
            status.files = files;
            status.kept = self.history.list();
        });
        let (generation, config_sha256) = (snapshot.generation.0, snapshot.config_sha256.clone());
        let plugins_refused = self.refusals.iter().map(RefusedPlugin::from).collect();
        self.end(attempt, Report { generation, config_sha256, plugins_refused, ..report })
    }

    /// The plugins' files have changed, and what they offer has not.
    fn same_plugins(&mut self, attempt: &Try<'_>, candidate: Candidate) -> Report {
        let mut report = self.told(Outcome::Unchanged, &candidate, None);
        report.candidate_sha256 = None;
        if attempt.ask.dry_run {
            return self.end(attempt, report);
        }
        let Candidate { loaded, plugins, .. } = candidate;
        log::plugins(&[], &self.refusals, loaded.refusals());
        self.refuse_plugins(loaded.refusals().to_vec());
        if let Some(work) = self.work.here() {
            work.plugins = plugins;
        }
        self.end(attempt, report)
    }

    fn refuse_plugins(&mut self, refusals: Vec<Refusal>) {
        self.refusals = refusals;
        let refused = self.refusals.iter().map(RefusedPlugin::from).collect();
        self.status.update(|status| status.plugins_refused = refused);
    }

    /// Remembers what is in force, and where it came from, which it answers.
    fn remember(
        &mut self,
        attempt: &Try<'_>,
        inputs: Inputs,
        made: Made,
        plugins: PluginInputs,
        sources: &[ConfigSource],
    ) -> Source {
        let before = self.status.now().source;
        let Some(work) = self.work.here() else { return before };
        work.plugins = plugins;
        match made {
            Made::Plugins => before,
            Made::Files => {
                work.kept = None;
                work.changes = Changes::new(inputs);
                Source::Files
            }
            Made::Kept => {
                let (pinned, source) = if attempt.trigger == Trigger::Rollback {
                    (std::mem::take(&mut work.passed_over), Source::Rollback)
                } else {
                    // What was pinned, with other secrets.
                    (work.changes.pin().cloned().unwrap_or_default(), before)
                };
                work.kept = Some(sources.to_vec());
                work.changes = Changes::pinned(inputs, pinned);
                source
            }
        }
    }

    /// Keeps a configuration that is in force, to come back to. It is in force
    /// whether or not that works.
    async fn keep(&mut self, snapshot: &Snapshot, sources: Vec<ConfigSource>) {
        let kept = Kept {
            generation: snapshot.generation.0,
            config_sha256: snapshot.config_sha256.clone(),
            since: Timestamp::now(),
            sources,
        };
        self.history.add(kept.clone());
        let state_dir = snapshot.settings.state_dir.clone();
        let saved = task::spawn_blocking(move || save(&state_dir, &kept));
        if time::timeout(STAGING, saved).await.is_err() {
            warn!(target: "config", "the copy of the last good configuration takes too long to write");
        }
    }

    fn reason_to_hold(&self, attempt: &Try<'_>, candidate: &Candidate) -> Option<String> {
        let confirmed = attempt.ask.confirm.as_ref() == Some(&candidate.config_sha256);
        if confirmed || attempt.trigger == Trigger::Rollback {
            return None;
        }
        // The settings in force say so, not those that are to be held.
        let share = usize::from(self.live.load().settings.reload.hold.removed_agents_percent?);
        let Counts { before, removed, .. } = candidate.notes.diff.agents;
        (removed * 100 > before * share).then(|| {
            format!(
                "it removes {removed} of {before} agents, and `reload.hold.removed_agents_percent` is {share}"
            )
        })
    }

    fn hold(&mut self, attempt: &Try<'_>, inputs: Inputs, candidate: &Candidate, reason: String) -> Report {
        let report = self.told(Outcome::Held, candidate, Some(reason.clone()));
        if !attempt.ask.dry_run && self.left(inputs, Left::Held) {
            log::held(&reason, &candidate.config_sha256, &candidate.notes.diff);
        }
        if !attempt.ask.dry_run {
            self.readiness.reloaded(LastReload::Held);
        }
        self.end(attempt, report)
    }

    /// `inputs`: what the files hold that is refused, if it is they.
    fn refuse(&mut self, attempt: &Try<'_>, inputs: Option<Inputs>, refused: Refused) -> Report {
        let mut report = self.report(Outcome::Refused);
        report.reason = match &refused {
            Refused::Invalid(_) => Some("the configuration has problems".to_owned()),
            other => Some(other.to_string()),
        };
        let problems = refused.count();
        let of_files = !attempt.ask.dry_run && attempt.trigger != Trigger::Rollback;
        if of_files {
            self.readiness.reloaded(LastReload::Refused { problems });
        }
        let is_news = match inputs {
            Some(inputs) if of_files => self.left(inputs, Left::Refused(problems)),
            _ => !self.is_repeated(attempt, &report),
        };
        if is_news && !attempt.ask.dry_run {
            log::refused(&refused);
        }
        if let Refused::Invalid(problems) = refused {
            report.problems = problems;
        }
        self.end(attempt, report)
    }

    /// Remembers what was not taken over. False: it was not the last time either.
    fn left(&mut self, inputs: Inputs, why: Left) -> bool {
        let Some(work) = self.work.here() else { return true };
        let is_news = !work.changes.was_left(&inputs);
        work.changes.left(inputs, why);
        is_news
    }

    fn is_repeated(&self, attempt: &Try<'_>, report: &Report) -> bool {
        let status = self.status.now();
        let last = status.attempts.front();
        attempt.trigger == Trigger::File && last.is_some_and(|last| last.report.reason == report.reason)
    }

    fn report(&self, result: Outcome) -> Report {
        let current = self.live.load();
        let (generation, config_sha256) = (current.generation.0, current.config_sha256.clone());
        Report { result, generation, config_sha256, ..Report::default() }
    }

    fn told(&self, result: Outcome, candidate: &Candidate, reason: Option<String>) -> Report {
        let Candidate { config_sha256, loaded, notes, .. } = candidate;
        Report {
            candidate_sha256: Some(config_sha256.clone()),
            reason,
            problems: notes.warnings.clone(),
            changes: notes.diff.changes.iter().map(ToString::to_string).collect(),
            plugins_refused: loaded.refusals().iter().map(RefusedPlugin::from).collect(),
            ..self.report(result)
        }
    }

    fn end(&self, attempt: &Try<'_>, mut report: Report) -> Report {
        report.dry_run = attempt.ask.dry_run;
        if !report.dry_run {
            self.status.attempted(Attempt {
                at: Timestamp::now(),
                trigger: attempt.trigger,
                milliseconds: u64::try_from(attempt.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
                report: report.clone(),
            });
        }
        report
    }

    fn look_at_mount(&mut self) {
        let Some(work) = self.work.here() else { return };
        let path = work.stage.files.path();
        let (was, is) = (self.status.now().stale_bind_mount, bind_mount::is_stale(path));
        self.status.update(|status| status.stale_bind_mount = is);
        if is && !was {
            let help = bind_mount::HELP;
            error!(target: "config", path = %path.display(), help, "the file that was mounted here has been replaced, so edits of it cannot be seen");
        }
    }
}

fn save(state_dir: &Path, kept: &Kept) {
    if let Err(error) = kept::save(state_dir, kept) {
        warn!(target: "config", %error, state_dir = %state_dir.display(), help = "make it writable for the server's user", "the copy of the last good configuration cannot be written");
    }
}

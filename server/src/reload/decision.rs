//! What becomes of what was staged: it comes into force, is refused, or waits.

use std::{path::Path, sync::Arc};

use jiff::Timestamp;
use server_core::{
    config::Source as ConfigSource,
    diff::Counts,
    egress,
    registry::Refusal,
    snapshot::{Content, Snapshot},
};
use tokio::{task, time};
use tracing::warn;

use super::{
    Attempt, Follow, Outcome, Pipeline, RefusedPlugin, Report, Source, Trigger, Try,
    bench::STAGING,
    changes::{Changes, Left},
    kept::{self, Kept},
    log,
    refused::Refused,
    staging::{Candidate, Made, Staged},
};
use crate::{
    config_files::Inputs,
    plugin::{self, Change, Committed, PluginInputs},
    readiness::LastReload,
};

impl Pipeline {
    /// What becomes of what was staged.
    pub(super) async fn decide(&mut self, attempt: &Try<'_>, staged: Staged) -> Report {
        let Staged { inputs, made, candidate } = staged;
        let of_files = made != Made::Plugins;
        let candidate = match candidate {
            Ok(candidate) => candidate,
            Err(refused) => return self.refuse(attempt, of_files.then_some(inputs), refused),
        };
        if !of_files && !candidate.changes_plugins(&self.live.load()) {
            return self.same_plugins(attempt, *candidate);
        }
        if let Some(reason) = self.reason_to_hold(attempt, &candidate) {
            return self.hold(attempt, inputs, &candidate, reason);
        }
        let followers = self.followers.clone();
        if attempt.ask.dry_run {
            return match followers.check(&candidate.settings) {
                Ok(()) => self.end(attempt, self.told(Outcome::Applied, &candidate, None)),
                Err(why) => self.refuse(attempt, None, Refused::NotFollowed(why)),
            };
        }
        let follow = match followers.prepare(&candidate.settings).await {
            Ok(follow) => follow,
            Err(why) => {
                return self.refuse(attempt, of_files.then_some(inputs), Refused::NotFollowed(why));
            }
        };
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
        self.tell_of_plugins(&changes, &refusals);
        log::notes(&notes);
        let snapshot = self.live.publish(Content { config_sha256, settings, registry });
        follow();
        self.followers.changed(&snapshot);
        if made != Made::Plugins {
            self.readiness.reloaded(LastReload::Applied);
        }
        log::in_force(&snapshot, attempt.trigger, &notes.diff);
        self.refuse_plugins(refusals);
        let source = self.remember(attempt, inputs, made, plugins, &sources);
        self.status.update(|status| {
            (status.source, status.since) = (source, Some(Timestamp::now()));
            if made != Made::Plugins {
                status.sources = sources.clone();
            }
        });
        if is_other {
            self.keep(&snapshot, sources).await;
        }
        self.status.update(|status| status.kept = self.history.list());
        let (generation, config_sha256) = (snapshot.generation.0, snapshot.config_sha256.clone());
        let plugins_refused = self.refusals.iter().map(RefusedPlugin::from).collect();
        // Its files may be others, and are to be watched from now on.
        self.hint.notify_one();
        (self.waits, self.restless) = (None, false);
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
        self.tell_of_plugins(&[], loaded.refusals());
        self.refuse_plugins(loaded.refusals().to_vec());
        if let Some(work) = self.work.here() {
            work.plugins = plugins;
        }
        self.end(attempt, report)
    }

    fn tell_of_plugins(&self, changes: &[Change], refusals: &[Refusal]) {
        let news: Vec<_> = plugin::news(&self.refusals, refusals).collect();
        log::plugins(changes, &news);
        self.followers.plugins(changes, &news);
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
        sources: &Arc<[ConfigSource]>,
    ) -> Source {
        let before = self.status.part(|status| status.source);
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
                work.kept = Some(sources.clone());
                work.changes = Changes::pinned(inputs, pinned);
                source
            }
        }
    }

    /// Keeps a configuration that is in force, to come back to. It is in force
    /// whether or not that works.
    async fn keep(&mut self, snapshot: &Snapshot, sources: Arc<[ConfigSource]>) {
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
        let current = self.live.load();
        let hold = current.settings.reload.hold;
        let Counts { before, removed, .. } = candidate.notes.diff.agents;
        let too_many =
            hold.removed_agents_percent.filter(|share| removed * 100 > before * usize::from(*share)).map(|share| {
                format!(
                    "it removes {removed} of {before} agents, and `reload.hold.removed_agents_percent` is {share}"
                )
            });
        let widened =
            hold.wide_egress.then(|| egress::widened(&current.settings, &candidate.settings)).flatten();
        let widened = widened.map(|how| format!("{how}, and `reload.hold.wide_egress` is set"));
        let reasons: Vec<_> = too_many.into_iter().chain(widened).collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
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
    pub(super) fn refuse(&mut self, attempt: &Try<'_>, inputs: Option<Inputs>, refused: Refused) -> Report {
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
        if !is_news && attempt.trigger == Trigger::File {
            // Whatever goes on being wrong has been said, and counted.
            return report;
        }
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
        attempt.trigger == Trigger::File
            && self.status.part(|status| {
                status.attempts.front().is_some_and(|last| last.report.reason == report.reason)
            })
    }

    pub(super) fn report(&self, result: Outcome) -> Report {
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

    pub(super) fn end(&self, attempt: &Try<'_>, mut report: Report) -> Report {
        report.dry_run = attempt.ask.dry_run;
        if !report.dry_run {
            self.status.attempted(Attempt {
                at: Timestamp::now(),
                trigger: attempt.trigger,
                by: attempt.ask.by.clone(),
                milliseconds: u64::try_from(attempt.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
                report: report.clone(),
            });
        }
        report
    }
}

/// Keeps a copy of the latest configuration. Without it, the server runs on.
pub(super) fn save(state_dir: &Path, kept: &Kept) {
    if let Err(error) = kept::save(state_dir, kept) {
        warn!(target: "config", %error, state_dir = %state_dir.display(), help = "make it writable for the server's user", "the copy of the last good configuration cannot be written");
    }
}

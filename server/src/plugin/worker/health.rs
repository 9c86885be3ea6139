//! How often the workers of a plugin are lost, and what follows from it: the next
//! comes at once, later ones after a pause, and after too many the plugin is left
//! alone for a while. Whose calls a worker had when it was lost matters: one agent that
//! keeps crashing a plugin is kept from it, and the others are not.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use server_core::id::AgentId;

/// Losses that are too many within a window.
const MOST: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);

/// How many losses with the calls of one agent are held against the plugin: after
/// that, they are the agent's.
const OF_ONE_AGENT: usize = 2;

/// The pause before the third worker in a window; it doubles.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a plugin is left alone at first; it doubles as long as the worker that
/// comes then is lost too.
const QUARANTINE: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// What happened to the workers of a plugin.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// When one was lost, and whose calls it had, if it had those of one agent.
    recent: VecDeque<(Instant, Option<AgentId>)>,
    all: Isolation,
    agents: BTreeMap<AgentId, Isolation>,
    /// How many were lost, and why the last one was.
    pub(super) lost: u64,
    pub(super) last: Option<String>,
}

/// What follows from a loss.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another worker, after a pause.
    Replace(Duration),
    /// The same, but nothing for the agent whose calls it had: for so long, because so
    /// many were lost with them.
    Exclude { length: Duration, lost: usize, pause: Duration },
    /// None, for so long, because so many were lost.
    Quarantine(Duration, usize),
}

/// The present or last quarantine's end, and its length.
#[derive(Debug, Default)]
struct Isolation(Option<(Instant, Duration)>);

impl Isolation {
    /// Whether it was so short a time ago that a loss shows that nothing is better.
    fn is_recent(&self, now: Instant) -> bool {
        self.0.is_some_and(|(end, _)| now < end + WINDOW)
    }

    fn begin(&mut self, now: Instant) -> Duration {
        let length = match self.0 {
            Some((_, length)) if self.is_recent(now) => (length * 2).min(LONGEST),
            _ => QUARANTINE,
        };
        self.0 = Some((now + length, length));
        length
    }

    fn left(&self, now: Instant) -> Option<Duration> {
        let (end, _) = self.0?;
        Some(end.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }
}

impl Health {
    /// A worker was lost, or did not come up. `agent` is whose calls it had, if they
    /// were all of one.
    pub(super) fn lose(&mut self, reason: &str, agent: Option<&AgentId>, now: Instant) -> Next {
        self.lost += 1;
        self.last = Some(reason.to_owned());
        self.recent.push_back((now, agent.cloned()));
        self.recent.retain(|(then, _)| now.duration_since(*then) <= WINDOW);
        self.agents.retain(|_, isolation| isolation.is_recent(now));
        let count = self.count();
        let doublings = count.checked_sub(2).and_then(|it| u32::try_from(it).ok());
        let pause = doublings.map_or(Duration::ZERO, |it| PAUSE * 2u32.saturating_pow(it));
        // The one that was to show whether it is better now.
        if count >= MOST || (agent.is_none() && self.all.is_recent(now)) {
            self.recent.clear();
            return Next::Quarantine(self.all.begin(now), count);
        }
        let Some(agent) = agent else { return Next::Replace(pause) };
        let lost = self.recent.iter().filter(|(_, of)| of.as_ref() == Some(agent)).count();
        if lost < MOST && !self.agents.contains_key(agent) {
            return Next::Replace(pause);
        }
        self.recent.retain(|(_, of)| of.as_ref() != Some(agent));
        let length = self.agents.entry(agent.clone()).or_default().begin(now);
        Next::Exclude { length, lost, pause }
    }

    /// How many of the recent losses are held against the plugin.
    fn count(&self) -> usize {
        let mut agents = BTreeMap::new();
        let counts = self.recent.iter().filter(|(_, agent)| {
            let Some(agent) = agent else { return true };
            let of_agent = agents.entry(agent).or_insert(0);
            *of_agent += 1;
            *of_agent <= OF_ONE_AGENT
        });
        counts.count()
    }

    /// How long no worker is started yet.
    pub(super) fn quarantined(&self, now: Instant) -> Option<Duration> {
        self.all.left(now)
    }

    /// How long an agent gets no place yet.
    pub(super) fn excluded(&self, agent: &AgentId, now: Instant) -> Option<Duration> {
        self.agents.get(agent)?.left(now)
    }

    /// All agents that get none.
    pub(super) fn exclusions(&self, now: Instant) -> impl Iterator<Item = (&AgentId, Duration)> {
        self.agents.iter().filter_map(move |(agent, isolation)| Some((agent, isolation.left(now)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_too_many_losses_end_in_a_quarantine_that_grows_too() {
        let begin = Instant::now();
        let mut health = Health::default();
        let ms = |ms| Next::Replace(Duration::from_millis(ms));
        let isolated = |seconds, count| Next::Quarantine(Duration::from_secs(seconds), count);
        for (second, next, left) in [
            (0, ms(0), None),
            (1, ms(100), None),
            (2, ms(200), None),
            // The first is too long ago to count.
            (61, ms(200), None),
            (61, ms(400), None),
            (61, isolated(60, 5), Some(60)),
            // The worker after the quarantine.
            (122, isolated(120, 1), Some(120)),
            (243, isolated(240, 1), Some(240)),
            // It went well for a while.
            (243 + 240 + 61, ms(0), None),
        ] {
            let now = begin + Duration::from_secs(second);
            assert_eq!(health.lose("it ended", None, now), next, "after {second} s");
            assert_eq!(health.quarantined(now), left.map(Duration::from_secs), "after {second} s");
        }
        assert_eq!((health.lost, health.last.as_deref()), (9, Some("it ended")));
    }

    #[test]
    fn who_crashes_a_plugin_again_and_again_is_kept_from_it_and_others_are_not() {
        let now = Instant::now();
        let mut health = Health::default();
        let [one, two, three]: [AgentId; 3] = ["one", "two", "three"].map(|name| name.parse().unwrap());
        let ms = Duration::from_millis;
        let mut lose =
            |agent: &AgentId, second| health.lose("it ended", Some(agent), now + Duration::from_secs(second));
        assert_eq!(lose(&one, 0), Next::Replace(ms(0)));
        // However often: the pause does not grow for the others.
        for _ in 0..3 {
            assert_eq!(lose(&one, 1), Next::Replace(ms(100)));
        }
        let excluded = |seconds, lost, pause| Next::Exclude {
            length: Duration::from_secs(seconds),
            lost,
            pause: ms(pause),
        };
        assert_eq!(lose(&one, 1), excluded(60, 5, 100));
        // Once it may again, one is enough.
        assert_eq!(lose(&one, 62), excluded(120, 1, 0));
        assert_eq!(lose(&two, 62), Next::Replace(ms(0)));
        assert_eq!(lose(&two, 62), Next::Replace(ms(100)));
        assert_eq!(lose(&two, 62), Next::Replace(ms(100)));
        assert_eq!(health.excluded(&one, now + Duration::from_secs(63)), Some(Duration::from_secs(119)));
        assert_eq!(health.excluded(&two, now + Duration::from_secs(63)), None);
        assert_eq!(health.quarantined(now + Duration::from_secs(63)), None);
        // Where more than two agents have trouble, it is the plugin.
        let mut lose = |agent: &AgentId| health.lose("it ended", Some(agent), now + Duration::from_secs(63));
        assert_eq!(lose(&three), Next::Replace(ms(200)));
        assert_eq!(lose(&three), Next::Replace(ms(400)));
        let four = "four".parse().unwrap();
        assert_eq!(lose(&four), Next::Quarantine(Duration::from_secs(60), 5));
    }
}

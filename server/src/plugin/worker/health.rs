//! How often the workers of a plugin are lost, and what follows from it: the next
//! comes at once, later ones after a pause, and after too many the plugin is left
//! alone for a while.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Losses that are too many within a window.
const MOST: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);

/// The pause before the third worker in a window; it doubles.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a plugin is left alone at first; it doubles as long as the worker that
/// comes then is lost too.
const QUARANTINE: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// What happened to the workers of a plugin.
#[derive(Debug, Default)]
pub(super) struct Health {
    recent: VecDeque<Instant>,
    /// The present or last quarantine's end, and its length.
    quarantine: Option<(Instant, Duration)>,
    /// How many were lost, and why the last one was.
    pub(super) lost: u64,
    pub(super) last: Option<String>,
}

/// What follows from a loss.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another worker, after a pause.
    Replace(Duration),
    /// None, for so long, because so many were lost.
    Quarantine(Duration, usize),
}

impl Health {
    /// A worker was lost, or did not come up.
    pub(super) fn lose(&mut self, reason: &str, now: Instant) -> Next {
        self.lost += 1;
        self.last = Some(reason.to_owned());
        self.recent.push_back(now);
        self.recent.retain(|then| now.duration_since(*then) <= WINDOW);
        let count = self.recent.len();
        // The one that was to show whether it is better now.
        if let Some((end, length)) = self.quarantine
            && now < end + WINDOW
        {
            return self.isolate((length * 2).min(LONGEST), count, now);
        }
        if count >= MOST {
            return self.isolate(QUARANTINE, count, now);
        }
        let doublings = count.checked_sub(2).and_then(|it| u32::try_from(it).ok());
        Next::Replace(doublings.map_or(Duration::ZERO, |it| PAUSE * 2u32.saturating_pow(it)))
    }

    /// How long no worker is started yet.
    pub(super) fn quarantined(&self, now: Instant) -> Option<Duration> {
        let (end, _) = self.quarantine?;
        Some(end.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }

    fn isolate(&mut self, length: Duration, count: usize, now: Instant) -> Next {
        self.quarantine = Some((now + length, length));
        self.recent.clear();
        Next::Quarantine(length, count)
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
            assert_eq!(health.lose("it ended", now), next, "after {second} s");
            assert_eq!(health.quarantined(now), left.map(Duration::from_secs), "after {second} s");
        }
        assert_eq!((health.lost, health.last.as_deref()), (9, Some("it ended")));
    }
}

//! Leaves a provider alone for a time that fails again and again, so that calls do
//! not wait for what will not come. Keyed by provider and kept outside the
//! snapshot.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::ProviderName;

/// So many failures in a row open it.
const FAILURES: u32 = 5;

/// How long it stays open, and how much longer after every trial that failed.
const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(160);

/// How long a trial may be silent before another one begins.
const TRIAL: Duration = Duration::from_secs(60);

/// The breakers of all providers.
#[derive(Debug, Default)]
pub struct Breakers(Mutex<HashMap<ProviderName, Breaker>>);

#[derive(Clone, Copy, Debug, Default)]
struct Breaker {
    failures: u32,
    /// How often it has opened since the last success.
    opened: u32,
    shut_until: Option<Instant>,
}

impl Breakers {
    /// When a provider may be asked, if not now.
    #[must_use]
    pub fn shut_until(&self, provider: &ProviderName, now: Instant) -> Option<Instant> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(provider)?.shut_until.filter(|until| *until > now)
    }

    /// A request to a provider begins. Of those that begin after the time that it
    /// was left alone, the first is a trial; the others wait for what it says.
    pub fn begin(&self, provider: &ProviderName, now: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(breaker) = all.get_mut(provider) else { return };
        if breaker.shut_until.is_some() {
            breaker.shut_until = Some(now + TRIAL);
        }
    }

    /// A provider answered, be it that it would not: it is there.
    pub fn answered(&self, provider: &ProviderName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(provider);
    }

    /// A provider failed.
    pub fn failed(&self, provider: &ProviderName, now: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let breaker = all.entry(provider.clone()).or_default();
        breaker.failures = breaker.failures.saturating_add(1);
        if breaker.failures >= FAILURES {
            let time = FIRST.saturating_mul(2u32.saturating_pow(breaker.opened)).min(LONGEST);
            breaker.shut_until = Some(now + time);
            breaker.opened = breaker.opened.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    struct World {
        breakers: Breakers,
        provider: ProviderName,
        now: Instant,
    }

    impl World {
        fn new() -> Self {
            Self { breakers: Breakers::default(), provider: "openai".parse().unwrap(), now: Instant::now() }
        }

        fn fail(&self, times: u32) {
            (0..times).for_each(|_| self.breakers.failed(&self.provider, self.now));
        }

        /// How many seconds it is to be left alone.
        fn shut(&self) -> Option<u64> {
            let until = self.breakers.shut_until(&self.provider, self.now)?;
            Some((until - self.now).as_secs())
        }
    }

    #[test]
    fn a_provider_is_left_alone_after_five_failures_in_a_row() {
        let world = World::new();
        world.fail(4);
        assert_eq!(world.shut(), None);
        world.breakers.answered(&world.provider);
        world.fail(4);
        assert_eq!(world.shut(), None, "they were not in a row");
        world.fail(1);
        assert_eq!(world.shut(), Some(10));
        assert_eq!(world.breakers.shut_until(&"other".parse().unwrap(), world.now), None);
    }

    #[test]
    fn after_that_time_one_request_tries_and_the_others_wait_for_it() {
        let mut world = World::new();
        world.fail(5);
        world.now += seconds(10);
        assert_eq!(world.shut(), None);
        world.breakers.begin(&world.provider, world.now);
        assert_eq!(world.shut(), Some(60));
        world.breakers.answered(&world.provider);
        assert_eq!(world.shut(), None);
    }

    #[test]
    fn each_trial_that_fails_doubles_the_time_up_to_a_bound() {
        let mut world = World::new();
        world.fail(5);
        for expected in [20, 40, 80, 160, 160] {
            world.now += seconds(1000);
            world.breakers.begin(&world.provider, world.now);
            world.fail(1);
            assert_eq!(world.shut(), Some(expected));
        }
    }
}

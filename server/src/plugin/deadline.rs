//! When a call's time is up. It stands still while its client is asked something:
//! a person may have to be found, and what the tool does itself is still bounded.

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant as StdInstant},
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// How long the client of a call may take for all its answers together.
const ANSWERS: Duration = Duration::from_secs(5 * 60);

/// The end of a call's time. A clone is the same one.
#[derive(Clone, Debug)]
pub(crate) struct Deadline(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Mutex<Clock>,
    /// The last open question was answered.
    answered: Notify,
}

#[derive(Debug)]
struct Clock {
    end: Instant,
    /// How many questions are open, and since when some are.
    asking: u32,
    since: Instant,
    /// What is left of [`ANSWERS`].
    answers: Duration,
}

/// A question is open, until this is dropped.
#[derive(Debug)]
pub(crate) struct Asking<'d>(&'d Deadline);

impl Deadline {
    /// The end of a time that begins now.
    pub(crate) fn after(timeout: Duration) -> Self {
        let now = Instant::now();
        let clock = Clock { end: now + timeout, asking: 0, since: now, answers: ANSWERS };
        Self(Arc::new(Shared { clock: Mutex::new(clock), answered: Notify::new() }))
    }

    /// Stops the clock for a question, and says by when it must be answered.
    pub(crate) fn ask(&self) -> (Asking<'_>, StdInstant) {
        let mut clock = self.clock();
        if clock.asking == 0 {
            clock.since = Instant::now();
        }
        clock.asking += 1;
        let until = clock.since + clock.answers;
        drop(clock);
        (Asking(self), until.into_std())
    }

    /// What is left of the call's own time.
    pub(crate) fn remaining(&self) -> Duration {
        let clock = self.clock();
        let now = if clock.asking == 0 { Instant::now() } else { clock.since };
        clock.end.saturating_duration_since(now)
    }

    /// Waits until the time is up.
    pub(crate) async fn passed(&self) {
        loop {
            let mut answered = pin!(self.0.answered.notified());
            answered.as_mut().enable();
            let at = self.clock().latest();
            tokio::select! {
                biased;
                () = sleep_until(at) => {
                    // It may have stood still meanwhile.
                    if self.clock().latest() <= at {
                        return;
                    }
                }
                () = answered => {}
            }
        }
    }

    /// Waits for `work`, until the time is up.
    pub(crate) async fn until<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.passed() => None,
        }
    }

    fn clock(&self) -> MutexGuard<'_, Clock> {
        self.0.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock {
    /// When the time is up, if what is asked now is never answered.
    fn latest(&self) -> Instant {
        if self.asking == 0 { self.end } else { self.end + self.answers }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut clock = self.0.clock();
        clock.asking -= 1;
        if clock.asking == 0 {
            let stood = clock.since.elapsed().min(clock.answers);
            clock.end += stood;
            clock.answers -= stood;
            drop(clock);
            self.0.0.answered.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_time_that_a_client_takes_for_its_answers_is_not_the_call_s() {
        let (deadline, begun) = (Deadline::after(30 * SECOND), Instant::now());
        let watching = tokio::spawn({
            let deadline = deadline.clone();
            async move { deadline.passed().await }
        });
        advance(20 * SECOND).await;
        let (asking, until) = deadline.ask();
        assert_eq!(until, (Instant::now() + ANSWERS).into_std());
        advance(100 * SECOND).await;
        assert_eq!(deadline.remaining(), 10 * SECOND);
        let (second, until) = deadline.ask();
        assert_eq!(until, (begun + 20 * SECOND + ANSWERS).into_std(), "both count once");
        drop(asking);
        advance(SECOND).await;
        drop(second);
        assert_eq!(deadline.remaining(), 10 * SECOND);
        watching.await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 20 + 101 + 10);
        assert_eq!(deadline.remaining(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_answers_does_not_keep_a_call_for_ever() {
        let (deadline, begun) = (Deadline::after(30 * SECOND), Instant::now());
        for asked in [200, 200] {
            let (_asking, _) = deadline.ask();
            advance(asked * SECOND).await;
        }
        let (_asking, until) = deadline.ask();
        assert_eq!(until, Instant::now().into_std(), "nothing is left to ask in");
        deadline.passed().await;
        assert_eq!(
            begun.elapsed().as_secs(),
            400,
            "the 100 s that the second answer came too late were the call's own, of 30"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn without_questions_it_is_the_timeout() {
        let deadline = Deadline::after(30 * SECOND);
        assert!(timeout(30 * SECOND - Duration::from_millis(2), deadline.passed()).await.is_err());
        assert!(timeout(Duration::from_millis(4), deadline.passed()).await.is_ok());
    }
}

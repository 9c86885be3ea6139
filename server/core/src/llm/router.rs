//! Which model is asked next, and when: the ones of a route in their order, again
//! where that may help, and never beyond the call's deadline.

use std::time::{Duration, Instant};

use super::{
    ModelRef,
    breaker::Breakers,
    provider::{ProviderError, Remedy},
};

/// How often one model is asked.
const ATTEMPTS: u32 = 3;

/// How long to wait before asking again, doubled every time, where the provider
/// does not say.
const PAUSE: Duration = Duration::from_millis(500);

/// An answer that has less time than this is not worth asking for.
const LEAST: Duration = Duration::from_millis(100);

/// One call's way through the models that may answer it.
#[derive(Debug)]
pub struct Router {
    candidates: Vec<Candidate>,
    deadline: Instant,
}

#[derive(Debug)]
struct Candidate {
    model: ModelRef,
    attempts: u32,
    is_out: bool,
    ready_at: Option<Instant>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask this model.
    Ask(ModelRef),
    /// Wait until then, and see again.
    Wait(Instant),
    /// There is nobody left to ask in time.
    GiveUp,
}

impl Router {
    /// Asks these models in their order, until `deadline`.
    #[must_use]
    pub fn new(models: impl IntoIterator<Item = ModelRef>, deadline: Instant) -> Self {
        let fresh = |model| Candidate { model, attempts: 0, is_out: false, ready_at: None };
        Self { candidates: models.into_iter().map(fresh).collect(), deadline }
    }

    /// The first model that can be asked now; or else when the next one can. A model
    /// further down is asked before anybody waits for one further up.
    pub fn next(&mut self, now: Instant, breakers: &Breakers) -> Next {
        let last_start = self.deadline.checked_sub(LEAST).unwrap_or(self.deadline);
        if now > last_start {
            return Next::GiveUp;
        }
        let when = |candidate: &Candidate| {
            let shut = breakers.shut_until(&candidate.model.provider, now);
            candidate.ready_at.into_iter().chain(shut).max().unwrap_or(now)
        };
        let left = self.candidates.iter_mut().filter(|it| !it.is_out && it.attempts < ATTEMPTS);
        // Of those that are ready, the ones that were not asked yet come first.
        let best = left.map(|it| (when(it).max(now), it)).min_by_key(|(at, it)| (*at, it.attempts));
        match best {
            Some((at, candidate)) if at <= now => {
                candidate.attempts += 1;
                Next::Ask(candidate.model.clone())
            }
            Some((at, _)) if at <= last_start => Next::Wait(at),
            _ => Next::GiveUp,
        }
    }

    /// A model failed: it is asked again later, or not at all, or nobody is.
    pub fn failed(&mut self, model: &ModelRef, error: &ProviderError, now: Instant) {
        let Some(candidate) = self.candidates.iter_mut().find(|it| it.model == *model) else { return };
        match error.remedy() {
            Remedy::Again => {
                let doubled = PAUSE.saturating_mul(2u32.saturating_pow(candidate.attempts.saturating_sub(1)));
                let pause = error.retry_after().unwrap_or(doubled);
                // Beyond what a clock can say is never.
                candidate.ready_at = now.checked_add(pause);
                candidate.is_out |= candidate.ready_at.is_none();
            }
            Remedy::Elsewhere => candidate.is_out = true,
            Remedy::None => self.candidates.iter_mut().for_each(|it| it.is_out = true),
        }
    }

    /// A model cannot be asked in this call at all: for want of money, say.
    pub fn skip(&mut self, model: &ModelRef) {
        self.candidates.iter_mut().filter(|it| it.model == *model).for_each(|it| it.is_out = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        router: Router,
        breakers: Breakers,
        begun: Instant,
        now: Instant,
    }

    fn status(status: u16, retry_after: Option<u64>) -> ProviderError {
        ProviderError::Status {
            status,
            message: String::new(),
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    impl World {
        fn new(models: &[&str], seconds: u64) -> Self {
            let begun = Instant::now();
            let models = models.iter().map(|model| model.parse().unwrap());
            let router = Router::new(models, begun + Duration::from_secs(seconds));
            Self { router, breakers: Breakers::default(), begun, now: begun }
        }

        /// What happens: `a/x` was asked, `+500` waited for, until the end.
        fn run(&mut self, errors: &[(&str, ProviderError)]) -> String {
            let mut said = Vec::new();
            let mut errors = errors.iter();
            loop {
                match self.router.next(self.now, &self.breakers) {
                    Next::Ask(model) => {
                        said.push(model.to_string());
                        let Some((expected, error)) = errors.next() else { return said.join(" ") };
                        assert_eq!(model.to_string(), *expected);
                        self.router.failed(&model, error, self.now);
                    }
                    Next::Wait(until) => {
                        said.push(format!("+{}", (until - self.now).as_millis()));
                        self.now = until;
                    }
                    Next::GiveUp => {
                        said.push("end".to_owned());
                        return said.join(" ");
                    }
                }
            }
        }
    }

    #[test]
    fn the_models_of_a_route_are_asked_in_their_order_before_anybody_waits() {
        let mut world = World::new(&["a/x", "b/y"], 30);
        let errors = [("a/x", status(503, None)), ("b/y", status(429, None)), ("a/x", status(503, None))];
        assert_eq!(world.run(&errors), "a/x b/y +500 a/x b/y");
    }

    #[test]
    fn a_model_is_asked_three_times_with_growing_pauses() {
        let mut world = World::new(&["a/x"], 30);
        let errors = [
            ("a/x", ProviderError::TimedOut),
            ("a/x", status(500, None)),
            ("a/x", ProviderError::CutOff(String::new())),
        ];
        assert_eq!(world.run(&errors), "a/x +500 a/x +1000 a/x end");
    }

    #[test]
    fn retry_after_is_waited_for_if_the_deadline_allows() {
        assert_eq!(World::new(&["a/x"], 30).run(&[("a/x", status(429, Some(7)))]), "a/x +7000 a/x");
        assert_eq!(World::new(&["a/x"], 5).run(&[("a/x", status(429, Some(7)))]), "a/x end");
        let forever =
            ProviderError::Status { status: 429, message: String::new(), retry_after: Some(Duration::MAX) };
        assert_eq!(World::new(&["a/x"], 5).run(&[("a/x", forever)]), "a/x end");
    }

    #[test]
    fn what_is_wrong_with_a_provider_is_tried_elsewhere_and_what_is_wrong_with_the_request_nowhere() {
        assert_eq!(World::new(&["a/x", "b/y"], 30).run(&[("a/x", status(401, None))]), "a/x b/y");
        assert_eq!(World::new(&["a/x", "b/y"], 30).run(&[("a/x", status(400, None))]), "a/x end");
    }

    #[test]
    fn a_model_that_is_skipped_is_not_asked_any_more() {
        let mut world = World::new(&["a/x", "b/y"], 30);
        world.router.skip(&"a/x".parse().unwrap());
        assert_eq!(world.run(&[("b/y", status(400, None))]), "b/y end");
    }

    #[test]
    fn a_provider_that_is_left_alone_is_passed_over_or_waited_for() {
        let mut world = World::new(&["a/x", "b/y"], 30);
        let (a, now) = ("a".parse().unwrap(), world.now);
        (0..5).for_each(|_| world.breakers.failed(&a, now));
        assert_eq!(world.run(&[("b/y", status(404, None))]), "b/y +10000 a/x");
        assert_eq!(world.now, world.begun + Duration::from_secs(10));
    }

    #[test]
    fn nothing_is_asked_so_late_that_no_answer_can_come() {
        let mut world = World::new(&["a/x"], 1);
        world.now += Duration::from_millis(950);
        assert_eq!(world.run(&[]), "end");
    }
}

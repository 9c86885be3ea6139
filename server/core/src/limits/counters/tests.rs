use std::{thread, time::Duration};

use super::*;
use crate::{limits::LimitCeilings, testing::Dice};

const SECOND: Duration = Duration::from_secs(1);
const LAPTOP: &str = "laptop";

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

/// What is said of the tools of a pattern.
fn of(tools: &str, concurrency: Option<u32>, rate: Option<&str>) -> Arc<ToolLimits> {
    let rate = rate.map(|rate| rate.parse().unwrap());
    let limits = LimitCeilings { concurrency, rate, ..LimitCeilings::default() };
    Arc::new(ToolLimits { tools: tools.parse().unwrap(), limits })
}

fn quota<'q>(concurrency: u32, text: &str, tools: &'q [&'q Arc<ToolLimits>]) -> Quota<'q> {
    Quota { concurrency, rate: rate(text), tools, places: None }
}

struct World {
    counters: Counters,
    begun: Instant,
}

impl World {
    fn new() -> Self {
        let counters = Counters::new(Places::default());
        Self { begun: counters.start, counters }
    }

    fn call(&self, agent: &str, quota: &Quota<'_>, after: Duration) -> Result<Slot, Vec<Excess>> {
        self.counters.admit(&agent.parse().unwrap(), quota, false, self.begun + after)
    }

    fn used(&self, agent: &str) -> String {
        let usage = lock(&self.counters.agents).get(agent).cloned();
        usage.map_or_else(String::new, |usage| format!("{:?}", lock(&usage)))
    }
}

fn running(tools: Option<&str>, running: u32, limit: u32) -> Excess {
    Excess::Running { tools: tools.map(|tools| tools.parse().unwrap()), running, limit }
}

fn too_fast(tools: Option<&str>, text: &str, retry_after_ms: u64) -> Excess {
    Excess::Rate { tools: tools.map(|tools| tools.parse().unwrap()), rate: rate(text), retry_after_ms }
}

#[test]
fn a_rate_lets_its_burst_through_and_then_one_call_for_each_interval() {
    for (text, burst, interval) in [
        ("3/min", 3, SECOND * 20),
        ("60/min burst 10", 10, SECOND),
        ("1/s burst 5", 5, SECOND),
        ("1/day", 1, SECOND * 86_400),
        ("1000000/s", 1_000_000, Duration::from_micros(1)),
    ] {
        let world = World::new();
        let quota = quota(u32::MAX, text, &[]);
        let call = |after| world.call(LAPTOP, &quota, after).map(drop);
        for number in 0..burst {
            assert_eq!(call(Duration::ZERO), Ok(()), "{text}: call {number} of the burst");
        }
        let wait = u64::try_from(interval.as_nanos().div_ceil(1_000_000)).unwrap();
        assert_eq!(call(Duration::ZERO), Err(vec![too_fast(None, text, wait)]), "one above");
        for step in 1..=3 {
            let due = interval * step;
            assert!(call(due - Duration::from_nanos(1)).is_err(), "{text}: just before it is due");
            assert_eq!(call(due), Ok(()), "{text}: when it is due");
            assert!(call(due).is_err(), "{text}: and no second one");
        }
    }
}

#[test]
fn of_concurrent_calls_as_many_run_as_may() {
    let world = World::new();
    let quota = quota(3, "1000/s", &[]);
    let call = || world.call(LAPTOP, &quota, Duration::ZERO);
    let mut slots: Vec<_> = (0..3).map(|_| call().unwrap()).collect();
    assert_eq!(call().unwrap_err(), [running(None, 3, 3)]);
    slots.pop();
    slots.push(call().unwrap());
    assert_eq!(call().unwrap_err(), [running(None, 3, 3)]);
    assert_eq!(world.counters.running(), [("laptop".parse().unwrap(), 3)]);
}

#[test]
fn a_call_that_one_limit_refuses_spends_none_of_the_others() {
    let tool = of("jira.*", Some(1), Some("2/day"));
    let tools = [&tool];
    for (first, second) in [
        // The agent's own limits refuse, the tool's must not have counted.
        (quota(1, "9/day", &tools), quota(9, "9/day", &tools)),
        // The tool's refuse, the agent's must not have.
        (quota(9, "2/day", &tools), quota(9, "2/day", &tools)),
    ] {
        let world = World::new();
        assert_eq!(
            world.counters.admit(&LAPTOP.parse().unwrap(), &first, true, world.begun).unwrap_err(),
            [],
            "something else refuses"
        );
        let slot = world.call(LAPTOP, &first, Duration::ZERO).unwrap();
        let before = world.used(LAPTOP);
        for _ in 0..5 {
            assert!(!world.call(LAPTOP, &first, Duration::ZERO).unwrap_err().is_empty());
            assert_eq!(world.used(LAPTOP), before);
        }
        drop(slot);
        assert!(world.call(LAPTOP, &second, Duration::ZERO).is_ok(), "the second of two a day");
    }
}

#[test]
fn every_limit_against_a_call_is_named() {
    let (jira, all) = (of("jira.*", Some(1), Some("1/min")), of("*", Some(2), None));
    let tools = [&jira, &all];
    let world = World::new();
    let quota = Quota { places: Some(2), ..quota(1, "1/h", &tools) };
    let _slot = world.call(LAPTOP, &quota, Duration::ZERO).unwrap();
    assert_eq!(
        world.call(LAPTOP, &quota, SECOND).unwrap_err(),
        [
            running(None, 1, 1),
            too_fast(None, "1/h", 3_599_000),
            running(Some("jira.*"), 1, 1),
            too_fast(Some("jira.*"), "1/min", 59_000),
            Excess::Overload { taken: 1, most: 2, own: 1 },
        ]
    );
}

#[test]
fn what_is_said_of_tools_counts_their_calls_alone_and_together() {
    let (jira, search) = (of("jira.*", Some(2), None), of("jira.search", Some(1), None));
    let (search_tools, other_tools) = ([&jira, &search], [&jira]);
    let (search, other, echo) =
        (quota(9, "9/s", &search_tools), quota(9, "9/s", &other_tools), quota(9, "9/s", &[]));
    let world = World::new();
    let call = |quota| world.call(LAPTOP, quota, Duration::ZERO);
    let one = call(&search).unwrap();
    assert_eq!(call(&search).unwrap_err(), [running(Some("jira.search"), 1, 1)]);
    let _two = call(&other).unwrap();
    assert_eq!(
        call(&search).unwrap_err(),
        [running(Some("jira.*"), 2, 2), running(Some("jira.search"), 1, 1)]
    );
    assert_eq!(call(&other).unwrap_err(), [running(Some("jira.*"), 2, 2)]);
    assert!(call(&echo).is_ok(), "of other tools nothing is said");
    drop(one);
    assert!(call(&search).is_ok());
}

#[test]
fn a_changed_limit_applies_to_the_next_call() {
    let world = World::new();
    let call = |concurrency, text| world.call(LAPTOP, &quota(concurrency, text, &[]), Duration::ZERO);
    let _slots: Vec<_> = (0..3).map(|_| call(8, "3/day").unwrap()).collect();
    assert_eq!(call(2, "60/min").unwrap_err()[0], running(None, 3, 2));
    assert_eq!(call(8, "3/day").unwrap_err(), [too_fast(None, "3/day", 28_800_000)]);
    let raised = call(8, "60/min").unwrap_err();
    assert_eq!(raised, [too_fast(None, "60/min", 1000)], "a raised rate helps within its own interval");
}

#[test]
fn agents_do_not_share_limits() {
    let world = World::new();
    let tool = of("jira.*", Some(1), Some("1/h"));
    let tools = [&tool];
    let quota = quota(1, "1/h", &tools);
    let _slot = world.call(LAPTOP, &quota, Duration::ZERO).unwrap();
    assert!(world.call("reviewer", &quota, Duration::ZERO).is_ok());
}

#[test]
fn counters_that_say_nothing_are_forgotten_and_others_never() {
    let world = World::new();
    let tool = of("jira.*", None, Some("1/h"));
    let tools = [&tool];
    let known = |after| {
        world.counters.forget_idle(world.begun + after);
        let mut known: Vec<_> = lock(&world.counters.agents).keys().map(ToString::to_string).collect();
        known.sort();
        known
    };
    let running = world.call("a", &quota(9, "1000/s", &[]), Duration::ZERO).unwrap();
    drop(world.call("b", &quota(9, "2/min", &[]), Duration::ZERO).unwrap());
    drop(world.call("c", &quota(9, "1000/s", &tools), Duration::ZERO).unwrap());
    world.counters.admit(&"d".parse().unwrap(), &quota(9, "1/s", &[]), true, world.begun).unwrap_err();
    assert_eq!(known(Duration::ZERO), ["a", "b", "c"]);
    assert_eq!(known(SECOND * 29), ["a", "b", "c"], "b has not all of its burst yet");
    assert_eq!(known(SECOND * 30), ["a", "c"]);
    assert_eq!(known(SECOND * 3600), ["a"], "its call still runs");
    assert_eq!(world.counters.running(), [("a".parse().unwrap(), 1)]);
    drop(running);
    assert_eq!(known(SECOND * 3600), [""; 0]);
}

#[test]
fn a_rate_that_was_used_up_stays_so_however_often_idle_counters_are_forgotten() {
    let world = World::new();
    let quota = quota(9, "2/h", &[]);
    let served = (0..7200).filter(|second| {
        world.counters.forget_idle(world.begun + SECOND * *second);
        world.call(LAPTOP, &quota, SECOND * *second).is_ok()
    });
    assert_eq!(served.collect::<Vec<_>>(), [0, 1, 1800, 3600, 5400]);
}

/// Random agents, rates, times and ends of calls. However they come: in no time more
/// calls pass than its burst and what grew back, what is refused counts nowhere, and
/// all that speaks against a call is what each limit says alone.
#[test]
fn no_order_of_calls_gets_more_than_its_limits() {
    let rates = ["1/s", "3/s burst 1", "7/min burst 20", "600/min", "50/h burst 2"];
    for seed in 0..300 {
        let mut dice = Dice::new(seed);
        let world = World::new();
        let (own, tool_rate) = (*dice.pick(&rates), *dice.pick(&rates));
        let most = 1 + u32::try_from(dice.throw(4)).unwrap();
        let tool = of("jira.*", Some(most), Some(tool_rate));
        let (all, none) = ([&tool], []);
        let (mut now, mut slots, mut served) = (0, Vec::new(), Vec::new());
        for _ in 0..80 {
            now += dice.throw(2_000_000_000);
            while dice.throw(3) == 0 && !slots.is_empty() {
                slots.swap_remove(usize::try_from(dice.throw(slots.len() as u64)).unwrap());
            }
            if dice.throw(8) == 0 {
                world.counters.forget_idle(world.begun + Duration::from_nanos(now));
            }
            let tools = if dice.throw(2) == 0 { &all[..] } else { &none[..] };
            let quota = Quota { places: Some(8), ..quota(5, own, tools) };
            let (before, alone) = (world.used(LAPTOP), each_alone(&world, &quota, now));
            match world.call(LAPTOP, &quota, Duration::from_nanos(now)) {
                Ok(slot) => {
                    assert_eq!(alone, [], "seed {seed}");
                    served.push((now, !tools.is_empty()));
                    slots.push(slot);
                }
                Err(excess) => {
                    assert_eq!(excess, alone, "seed {seed}");
                    assert!(!excess.is_empty(), "seed {seed}");
                    let after = world.used(LAPTOP);
                    assert!(after == before || before.is_empty(), "seed {seed}: {before} {after}");
                }
            }
        }
        within(own, served.iter().map(|(at, _)| *at).collect(), seed);
        within(tool_rate, served.iter().filter(|(_, of_tool)| *of_tool).map(|(at, _)| *at).collect(), seed);
        assert!(!served.is_empty(), "seed {seed}");
    }
}

/// What each limit says where there is no other.
fn each_alone(world: &World, quota: &Quota<'_>, now: u64) -> Vec<Excess> {
    // It says `1 ms` where what was used at a slower rate is more than its burst.
    let free = Quota { concurrency: u32::MAX, rate: rate("1000000/s"), tools: &[], places: None };
    let now = world.begun + Duration::from_nanos(now);
    let look = |quota: &Quota<'_>| {
        let mut excess = world.counters.admit(&LAPTOP.parse().unwrap(), quota, true, now).unwrap_err();
        excess.retain(|it| *it != too_fast(None, "1000000/s", 1));
        excess
    };
    [
        look(&Quota { concurrency: quota.concurrency, ..free }),
        look(&Quota { rate: quota.rate, ..free }),
        look(&Quota { tools: quota.tools, ..free }),
        look(&Quota { places: quota.places, ..free }),
    ]
    .concat()
}

/// In every stretch of time.
fn within(text: &str, served: Vec<u64>, seed: u64) {
    let rate = rate(text);
    for (first, from) in served.iter().enumerate() {
        for (last, to) in served.iter().enumerate().skip(first) {
            let allowed = u64::from(rate.burst()) + (to - from) / rate.interval_nanos();
            assert!((last - first + 1) as u64 <= allowed, "seed {seed}: {text} in {} ns", to - from);
        }
    }
}

#[test]
fn of_a_thousand_calls_on_many_threads_exactly_as_many_pass_as_may() {
    let tool = of("jira.*", None, Some("70/day"));
    let tools = [&tool];
    for (quota, passed) in [
        (quota(u32::MAX, "50/day", &[]), 50),
        (quota(40, "1000/s", &[]), 40),
        (quota(u32::MAX, "1000/s", &tools), 70),
        (Quota { places: Some(61), ..quota(u32::MAX, "1000/s", &[]) }, 31),
    ] {
        let world = World::new();
        let slots = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..125 {
                        let admitted = world.call(LAPTOP, &quota, Duration::ZERO);
                        slots.lock().unwrap().extend(admitted);
                    }
                });
            }
        });
        assert_eq!(slots.into_inner().unwrap().len(), passed, "{quota:?}");
        assert_eq!(world.counters.places.taken(), 0, "all have gone");
    }
}

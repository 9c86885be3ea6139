use std::sync::atomic::{AtomicI64, Ordering};

use futures::future::join_all;
use jiff::tz::TimeZone;
use server_core::budget::{Budget, Mode, of_owner};
use tempfile::TempDir;

use super::*;

mod complaints;
mod killed;
mod sums;

const WAIT: Duration = Duration::from_secs(30);
const NOON: &str = "2026-11-25T12:00:00Z";

/// A ledger in a folder of its own, for agent `laptop` of tenant `research`.
struct World {
    folder: TempDir,
    ledger: Ledger,
    agent: Budget,
    tenant: Budget,
    now: Timestamp,
}

fn dollars(text: &str) -> NanoDollars {
    text.parse().unwrap()
}

fn budget(day: &str) -> Budget {
    Budget { day: Some(dollars(day)), ..Budget::default() }
}

fn laptop() -> Owner {
    Owner::Agent("laptop".parse().unwrap())
}

impl World {
    /// So much for the agent in a day.
    fn new(day: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        Self { folder, ledger, agent: budget(day), tenant: Budget::default(), now: NOON.parse().unwrap() }
    }

    /// The same books, after the process has ended.
    fn reopened(mut self) -> Self {
        self.ledger = Ledger::closed("between two processes");
        self.ledger = Ledger::open(self.folder.path()).unwrap();
        self
    }

    fn scopes(&self, agent: &str) -> Vec<Scope> {
        let owner = Owner::Agent(agent.parse().unwrap());
        let tenant = Owner::Tenant("research".parse().unwrap());
        let of_agent = of_owner(&owner, &self.agent, self.now, &TimeZone::UTC);
        of_agent.into_iter().chain(of_owner(&tenant, &self.tenant, self.now, &TimeZone::UTC)).collect()
    }

    fn ask(&self, agent: &str, worst: &str) -> Ask {
        Ask {
            id: new_charge().unwrap(),
            principal: Principal { agent: agent.parse().unwrap(), tenant: "research".parse().unwrap() },
            model: "anthropic/claude-haiku-4-5".to_owned(),
            worst: dollars(worst),
            scopes: self.scopes(agent),
        }
    }

    async fn reserve(&self, worst: &str) -> Result<Reservation, NoMoney> {
        self.ledger.reserve(self.ask("laptop", worst), Duration::ZERO).await
    }

    /// Reserves and settles.
    async fn spend(&self, worst: &str, cost: &str) {
        self.reserve(worst).await.unwrap().settle(dollars(cost)).written().await.unwrap();
    }

    /// `spent + reserved` of a scope.
    fn stands(&self, kind: &str, period: Period) -> String {
        let is_it = |scope: &Scope| scope.owner.kind() == kind && scope.period == period;
        let scopes = self.scopes("laptop").into_iter().filter(is_it).collect();
        let balance = self.ledger.balances(scopes).unwrap().pop().unwrap();
        format!("{} + {}", balance.standing.spent, balance.standing.reserved)
    }

    fn today(&self) -> String {
        self.stands("agent", Period::Day)
    }
}

/// `agent laptop day` of every scope into which it does not fit.
fn short(refused: Result<Reservation, NoMoney>) -> Vec<String> {
    let Err(NoMoney::Short(shortfalls)) = refused else { panic!("{refused:?}") };
    let said = |it: &Shortfall| {
        let reserved = if it.is_reserved_only() { " (reserved)" } else { "" };
        format!("{} {}{reserved}", it.scope.owner, it.scope.period)
    };
    shortfalls.iter().map(said).collect()
}

#[tokio::test]
async fn a_charge_is_held_and_then_booked_in_every_scope() {
    let world = World::new("5");
    let reservation = world.reserve("1").await.unwrap();
    let scopes = [
        ("agent", Period::Day),
        ("agent", Period::Month),
        ("tenant", Period::Day),
        ("tenant", Period::Month),
    ];
    for (kind, period) in scopes {
        assert_eq!(world.stands(kind, period), "$0.00 + $1.00");
    }
    reservation.settle(dollars("0.25")).written().await.unwrap();
    for (kind, period) in scopes {
        assert_eq!(world.stands(kind, period), "$0.25 + $0.00");
    }
}

#[tokio::test]
async fn every_scope_that_is_too_small_is_named() {
    let mut world = World::new("1");
    world.tenant = Budget { day: Some(dollars("0.5")), month: Some(dollars("0.4")), mode: Mode::Strict };
    world.spend("0.3", "0.3").await;
    assert_eq!(short(world.reserve("0.15").await), ["tenant `research` month"]);
    assert_eq!(
        short(world.reserve("0.9").await),
        ["agent `laptop` day", "tenant `research` day", "tenant `research` month"]
    );
}

#[tokio::test]
async fn a_request_that_ends_without_a_word_is_charged_if_the_provider_was_asked() {
    let world = World::new("5");
    for (end, expected) in [
        (Box::new(|_: &mut Reservation| {}) as Box<dyn Fn(&mut Reservation)>, "$0.00 + $0.00"),
        (Box::new(|it| it.called()), "$1.00 + $0.00"),
        (Box::new(|it| it.streamed(dollars("0.25"))), "$1.25 + $0.00"),
        // Of what was streamed, the last word counts, and never less than one before.
        (
            Box::new(|it| {
                it.called();
                it.streamed(dollars("0.5"));
                it.streamed(dollars("0.25"));
            }),
            "$1.75 + $0.00",
        ),
    ] {
        let mut reservation = world.reserve("1").await.unwrap();
        end(&mut reservation);
        drop(reservation);
        // What is written later is written after it.
        world.ledger.release(None).await.unwrap();
        assert_eq!(world.today(), expected);
    }
}

#[tokio::test]
async fn a_request_that_panics_is_charged_too() {
    let world = World::new("5");
    let mut reservation = world.reserve("1").await.unwrap();
    let panicking = tokio::spawn(async move {
        reservation.called();
        panic!("a provider's answer that nobody expected");
    });
    assert!(panicking.await.unwrap_err().is_panic());
    world.ledger.release(None).await.unwrap();
    assert_eq!(world.today(), "$1.00 + $0.00");
}

#[tokio::test]
async fn a_request_for_money_that_is_given_up_leaves_nothing_behind() {
    let world = World::new("1");
    let held = world.reserve("1").await.unwrap();
    for _ in 0..20 {
        let waiting = world.ledger.reserve(world.ask("laptop", "0.5"), WAIT);
        assert!(futures::poll!(Box::pin(waiting)).is_pending());
    }
    held.release().written().await.unwrap();
    world.ledger.release(None).await.unwrap();
    assert_eq!(world.today(), "$0.00 + $0.00");
    assert!(world.reserve("1").await.is_ok());
}

#[tokio::test]
async fn what_a_crash_left_reserved_counts_as_spent_until_it_is_released() {
    let world = World::new("5");
    let mut lost = world.reserve("2").await.unwrap();
    lost.called();
    let another = world.reserve("1").await.unwrap();
    // The process ends, and nothing of it is dropped.
    let ids = [lost.id().clone(), another.id().clone()];
    std::mem::forget((lost, another));
    crash(&world);
    let world = World { ledger: Ledger::open(world.folder.path()).unwrap(), ..world };
    assert_eq!(world.today(), "$3.00 + $0.00");
    assert_eq!(short(world.reserve("2.5").await), ["agent `laptop` day"], "nobody waits for it");
    let stranded = world.ledger.stranded().unwrap();
    let said: Vec<_> = stranded.iter().map(|it| (&it.id, it.agent.as_str(), it.reserved)).collect();
    assert_eq!(said, [(&ids[0], "laptop", dollars("2")), (&ids[1], "laptop", dollars("1"))]);
    let released = world.ledger.release(Some(vec![ids[1].clone()])).await.unwrap();
    assert_eq!(released, [stranded[1].clone()]);
    assert_eq!(world.today(), "$2.00 + $0.00");
    assert_eq!(world.ledger.release(None).await.unwrap(), [stranded[0].clone()]);
    assert_eq!(world.today(), "$0.00 + $0.00");
}

/// What a crash does to the lock: the kernel lets go of it.
fn crash(world: &World) {
    let lock = world.folder.path().join("budgets.lock");
    std::fs::remove_file(lock).unwrap();
}

#[tokio::test]
async fn a_request_that_runs_is_not_released() {
    let world = World::new("5");
    let running = world.reserve("2").await.unwrap();
    assert_eq!(world.ledger.release(None).await.unwrap(), []);
    assert_eq!(world.ledger.release(Some(vec![running.id().clone()])).await.unwrap(), []);
    assert_eq!(world.today(), "$0.00 + $2.00");
}

#[tokio::test]
async fn the_operator_may_set_what_counts_as_spent() {
    let world = World::new("1");
    world.spend("1", "1").await;
    let window = Window::at(world.now, Period::Day, &TimeZone::UTC);
    let before = world.ledger.set(laptop(), Period::Day, &window, dollars("0.25")).await.unwrap();
    assert_eq!((before, world.today().as_str()), (dollars("1"), "$0.25 + $0.00"));
    assert_eq!(world.stands("agent", Period::Month), "$1.00 + $0.00", "of the day only");
    assert!(world.reserve("0.75").await.is_ok());
}

#[tokio::test]
async fn a_fair_budget_runs_more_at_the_same_time_than_a_strict_one() {
    for (mode, expected) in [(Mode::Strict, 10), (Mode::Fair, 97)] {
        let mut world = World::new("10");
        world.agent.mode = mode;
        // Eight requests that cost a tenth of what they might have.
        for _ in 0..8 {
            world.spend("0.1", "0.01").await;
        }
        let window = Window::at(world.now, Period::Day, &TimeZone::UTC);
        world.ledger.set(laptop(), Period::Day, &window, dollars("0.3")).await.unwrap();
        // What an agent's requests cost is known after the process has ended, too.
        let world = world.reopened();
        let asks = (0..120).map(|_| world.reserve("1"));
        let running: Vec<_> = join_all(asks).await.into_iter().flatten().collect();
        // 9.70 are left.
        assert_eq!(running.len(), expected - usize::from(mode == Mode::Strict), "{mode:?}");
    }
}

#[tokio::test]
async fn books_that_are_not_there_spend_nothing_and_say_why() {
    let ledger = Ledger::closed("the disk is gone");
    let world = World { ledger, ..World::new("5") };
    assert_eq!(world.reserve("1").await.unwrap_err(), NoMoney::Unavailable);
    assert_eq!(world.ledger.balances(Vec::new()).unwrap_err().to_string(), "the disk is gone");
}

#[tokio::test]
async fn books_that_cannot_be_written_spend_nothing_and_forget_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let opened = file::open(folder.path()).unwrap();
    // As if the disk were full.
    opened.books.connection.pragma_update(None, "max_page_count", 10).unwrap();
    let writer = Ok(Writer::start(opened.books).unwrap());
    let ledger = Ledger(Arc::new(Inner { writer, reader: Some(Mutex::new(opened.reader)) }));
    let world = World { folder, ledger, ..World::new("1000") };
    let mut running = Vec::new();
    let refused = loop {
        match world.reserve("0.01").await {
            Ok(reservation) => running.push(reservation),
            Err(why) => break why,
        }
    };
    assert_eq!(refused, NoMoney::Unavailable);
    let reserved: NanoDollars = running.iter().map(|_| dollars("0.01")).sum();
    assert!(running.len() > 8, "some room there was");
    assert_eq!(world.today(), format!("$0.00 + {reserved}"));
    running.iter_mut().for_each(Reservation::called);
    drop(running);
    // Settled or not: what was reserved is never free again.
    let world = world.reopened();
    assert_eq!(world.today(), format!("{reserved} + $0.00"));
}

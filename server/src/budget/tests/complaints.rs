//! What people complain of elsewhere.

use super::*;

#[tokio::test]
async fn a_budget_that_is_spent_allows_nothing_more() {
    let world = World::new("1");
    world.spend("1", "1").await;
    for worst in ["0.000000001", "1", "100"] {
        assert_eq!(short(world.reserve(worst).await), ["agent `laptop` day"], "{worst}");
    }
    // Nor after a request that cost more than anybody thought.
    let world = World::new("1");
    world.spend("0.5", "3").await;
    assert_eq!((world.today().as_str(), world.reserve("0").await.is_err()), ("$3.00 + $0.00", true));
}

/// A thousand at once, ten cents each, against five dollars.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_concurrent_requests_never_pass_the_limit_and_are_served_as_far_as_it_goes() {
    let world = World::new("5");
    let (highest, asked) = (AtomicI64::new(0), AtomicI64::new(0));
    let one = async || {
        let Ok(mut reservation) = world.ledger.reserve(world.ask("laptop", "0.1"), WAIT).await else {
            return false;
        };
        reservation.called();
        let running = asked.fetch_add(100_000_000, Ordering::SeqCst) + 100_000_000;
        highest.fetch_max(running, Ordering::SeqCst);
        tokio::task::yield_now().await;
        reservation.settle(dollars("0.1")).written().await.unwrap();
        true
    };
    let served = join_all((0..1000).map(|_| one())).await;
    assert_eq!(served.into_iter().filter(|served| *served).count(), 50);
    assert_eq!(world.today(), "$5.00 + $0.00");
    assert_eq!(highest.into_inner(), 5_000_000_000, "no provider was asked for a cent more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_first_requests_of_agents_nobody_has_seen_do_not_race() {
    let mut world = World::new("1000");
    world.tenant = budget("1");
    let names: Vec<_> = (0..100).map(|index| format!("agent-{index}")).collect();
    let asks = names.iter().map(|name| world.ledger.reserve(world.ask(name, "0.1"), Duration::ZERO));
    let served: Vec<_> = join_all(asks).await.into_iter().flatten().collect();
    assert_eq!((served.len(), world.stands("tenant", Period::Day).as_str()), (10, "$0.00 + $1.00"));
}

#[tokio::test]
async fn money_that_was_given_back_can_be_spent_at_once() {
    let world = World::new("1");
    for _ in 0..50 {
        world.reserve("1").await.unwrap().release().written().await.unwrap();
    }
    assert!(world.reserve("1").await.is_ok());
}

/// And not what was reserved for it, nor both.
#[tokio::test]
async fn what_counts_is_what_was_used() {
    let world = World::new("100");
    for _ in 0..50 {
        world.spend("2", "1.1148").await;
    }
    assert_eq!(world.today(), "$55.74 + $0.00");
    assert!(world.reserve("44.26").await.is_ok());
}

/// Reserving the worst case fills a budget long before it is spent.
#[tokio::test]
async fn a_request_waits_for_reserved_money_instead_of_being_refused() {
    let world = World::new("1");
    let running = world.reserve("0.9").await.unwrap();
    let mut waiting = Box::pin(world.ledger.reserve(world.ask("laptop", "0.9"), WAIT));
    assert!(futures::poll!(&mut waiting).is_pending());
    running.settle(dollars("0.05")).written().await.unwrap();
    waiting.await.unwrap().settle(dollars("0.05")).written().await.unwrap();
    assert_eq!(world.today(), "$0.10 + $0.00");
}

#[tokio::test]
async fn who_has_waited_in_vain_is_told_that_the_money_is_only_reserved() {
    let world = World::new("1");
    let _running = world.reserve("0.9").await.unwrap();
    let refused = world.ledger.reserve(world.ask("laptop", "0.9"), Duration::from_millis(20)).await;
    assert_eq!(short(refused), ["agent `laptop` day (reserved)"]);
    // What is spent does not come back, so nobody waits for it.
    assert_eq!(short(world.ledger.reserve(world.ask("laptop", "1.1"), WAIT).await), ["agent `laptop` day"]);
}

#[tokio::test]
async fn a_large_request_is_not_overtaken_for_ever_by_small_ones() {
    let world = World::new("1");
    let running = world.reserve("0.5").await.unwrap();
    let mut large = Box::pin(world.ledger.reserve(world.ask("laptop", "0.9"), WAIT));
    assert!(futures::poll!(&mut large).is_pending());
    let mut small = Box::pin(world.ledger.reserve(world.ask("laptop", "0.2"), WAIT));
    assert!(futures::poll!(&mut small).is_pending());
    // Not in the way of others.
    drop(world.ledger.reserve(world.ask("other", "0.2"), WAIT).await.unwrap());
    assert!(futures::poll!(&mut small).is_pending());
    running.release().written().await.unwrap();
    drop(large.await.unwrap());
    assert!(small.await.is_ok());
}

#[tokio::test]
async fn a_new_day_has_all_of_its_money_and_the_old_one_keeps_its_charges() {
    let mut world = World::new("1");
    world.spend("1", "0.75").await;
    let over_midnight = world.reserve("0.25").await.unwrap();
    let evening = world.now;
    world.now = "2026-11-26T00:00:00Z".parse().unwrap();
    assert_eq!(world.today(), "$0.00 + $0.00");
    assert_eq!(world.stands("agent", Period::Month), "$0.75 + $0.25");
    // It is charged to the day that it began in.
    over_midnight.settle(dollars("0.2")).written().await.unwrap();
    world.spend("1", "1").await;
    world.now = evening;
    assert_eq!(world.today(), "$0.95 + $0.00");
}

#[tokio::test]
async fn a_clock_that_is_put_back_or_forward_gives_no_money_twice() {
    let mut world = World::new("1");
    for now in ["2026-11-25T12:00:00Z", "2099-01-01T00:00:00Z", "2026-11-26T00:00:01Z"] {
        world.now = now.parse().unwrap();
        world.spend("1", "1").await;
    }
    for now in
        ["2026-11-25T23:59:59Z", "2026-11-26T12:00:00Z", "2026-11-25T00:00:00Z", "2099-01-01T23:00:00Z"]
    {
        world.now = now.parse().unwrap();
        assert_eq!(short(world.reserve("0.01").await), ["agent `laptop` day"], "{now}");
    }
}

#[tokio::test]
async fn a_changed_limit_counts_what_was_spent_before() {
    let mut world = World::new("10");
    world.spend("6", "6").await;
    // Lowered below what is spent.
    world.agent = budget("5");
    assert_eq!(short(world.reserve("0.01").await), ["agent `laptop` day"]);
    // Set for the first time.
    world.agent = Budget { month: Some(dollars("6.5")), ..budget("10") };
    assert_eq!(short(world.reserve("1").await), ["agent `laptop` month"]);
    world.agent = budget("7");
    assert!(world.reserve("1").await.is_ok());
}

//! Connections that are used again, and those that are not.

use super::{upstream::*, *};

#[test]
fn a_connection_is_used_again_under_the_same_rules_only() {
    let upstream = Upstream::serve(|_| ok("x"));
    let (world, url) = (World::new(), format!("http://{}/", upstream.address));
    let rule = format!("http://{}", upstream.address);
    let permit = allowed(&[&rule]);
    world.get(&permit, &url).unwrap();
    wait_for_an_idle_connection(&world);
    world.get(&permit, &url).unwrap();
    assert_eq!(upstream.connections(), 1);
    wait_for_an_idle_connection(&world);
    let other = allowed(&[&rule, "other.test"]);
    world.get(&other, &url).unwrap();
    assert_eq!(upstream.connections(), 2);
}

/// What a reload does: the next call has another snapshot, and its rules come first.
#[test]
fn a_connection_that_waits_is_no_way_around_new_rules() {
    let upstream = Upstream::serve(|_| ok("x"));
    let (world, url) = (World::new(), format!("http://{}/", upstream.address));
    world.get(&allowed(&[&format!("http://{}", upstream.address)]), &url).unwrap();
    wait_for_an_idle_connection(&world);
    assert_eq!(world.refused(&allowed(&["other.test"]), &url), ["egress_host_not_allowed"; 2]);
    assert_eq!(upstream.received().len(), 1);
}

#[test]
fn other_settings_close_what_waits() {
    let upstream = Upstream::serve(|_| ok("x"));
    let (world, url) = (World::new(), format!("http://{}/", upstream.address));
    let permit = allowed(&[&format!("http://{}", upstream.address)]);
    world.get(&permit, &url).unwrap();
    wait_for_an_idle_connection(&world);
    let settings = EgressSettings { dns_servers: vec!["127.0.0.1:1".parse().unwrap()], authorities: None };
    world.connector.commit(world.connector.prepare(&settings).unwrap());
    world.get(&permit, &url).unwrap();
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_replaced() {
    let upstream = Upstream::serve(|received| match received.connection {
        1 if received.path() == "/second" => Reply::Close,
        _ => with(200, &[], "x"),
    });
    let world = World::new();
    let permit = allowed(&[&format!("http://{}", upstream.address)]);
    world.get(&permit, &format!("http://{}/", upstream.address)).unwrap();
    wait_for_an_idle_connection(&world);
    // It was sent, so it is not sent again: whoever asked knows whether it may be.
    let error = world.get(&permit, &format!("http://{}/second", upstream.address)).unwrap_err();
    assert!(error.to_string().ends_with("closed the connection before it answered"), "{error}");
    assert_eq!(text(&world.get(&permit, &format!("http://{}/third", upstream.address)).unwrap()), "x");
}

#[test]
fn a_connection_that_was_closed_while_it_waited_costs_nobody_anything() {
    let upstream = Upstream::serve(|_| ok("x"));
    let (world, url) = (World::new(), format!("http://{}/", upstream.address));
    let permit = allowed(&[&format!("http://{}", upstream.address)]);
    for round in 1..=3 {
        assert_eq!(text(&world.get(&permit, &url).unwrap()), "x");
        assert_eq!(upstream.connections(), round);
        wait_for_an_idle_connection(&world);
        upstream.hang_up();
    }
}

#[test]
fn an_answer_that_is_not_read_to_its_end_gives_no_connection_back() {
    let upstream = Upstream::serve(|_| ok("x".repeat(10_000_000)));
    let (world, url) = (World::new(), format!("http://{}/", upstream.address));
    let permit = allowed(&[&format!("http://{}", upstream.address)]);
    for _ in 0..2 {
        let bounds = Bounds { body_bytes: 10, ..Bounds::default() };
        assert!(world.fetch(&permit, Request { bounds, ..get(&url) }).unwrap().truncated);
    }
    assert_eq!((upstream.connections(), world.connector.0.pool.waiting_now()), (2, 0));
}

#[test]
fn one_host_takes_only_so_many_requests_at_a_time() {
    let upstream =
        Upstream::serve(|_| Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n".to_vec()));
    let (world, url) = (World::new(), format!("http://{}/", upstream.address));
    let permit = allowed(&[&format!("http://{}", upstream.address)]);
    let mut open: Vec<_> = (0..32).map(|_| world.send(&permit, get(&url)).unwrap()).collect();
    assert_eq!(world.refused(&permit, &url), ["egress_busy"]);
    open.pop();
    assert!(world.send(&permit, get(&url)).is_ok());
}

/// A connection comes back a moment after its answer was read.
fn wait_for_an_idle_connection(world: &World) {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while world.connector.0.pool.waiting_now() == 0 {
        assert!(std::time::Instant::now() < deadline, "no connection came back");
        std::thread::yield_now();
    }
}

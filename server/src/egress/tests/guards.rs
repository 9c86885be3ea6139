//! G0, G3, G5, G7 and G9: what names lead to, and when.

use super::{upstream::*, *};

/// An upstream on the loopback, and a name for it that a call may use.
fn upstream() -> (World, Upstream, Arc<Permit>) {
    let (world, upstream) = (World::new(), Upstream::serve(|_| ok("hello")));
    let port = upstream.port();
    let permit = allowed(&[&format!("http://api.test:{port}"), &format!("127.0.0.1:{port}")]);
    (world, upstream, permit)
}

#[test]
fn a_name_is_looked_up_and_its_address_connected_to() {
    let (world, upstream, permit) = upstream();
    world.zone.set("api.test", &["127.0.0.1"]);
    let url = format!("http://api.test:{}/x?y", upstream.port());
    let fetched = world.get(&permit, &url).unwrap();
    assert_eq!((fetched.status.as_u16(), text(&fetched).as_str()), (200, "hello"));
    assert_eq!(
        fetched.reached.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [format!("api.test:{}", upstream.port())]
    );
    let received = &upstream.received()[0];
    assert_eq!(received.line, "GET /x?y HTTP/1.1");
    assert_eq!(received.header("host"), Some(format!("api.test:{}", upstream.port()).as_str()));
}

#[test]
fn a_name_that_is_not_there_is_no_refusal() {
    let (world, upstream, permit) = upstream();
    let error = world.get(&permit, &format!("http://api.test:{}/", upstream.port())).unwrap_err();
    assert_eq!(error.to_string(), "there is no host `api.test`");
}

/// The rule is for the loopback; the name leads to a private network, too or only.
#[test]
fn no_connection_is_made_if_any_address_of_a_name_is_refused() {
    let (world, upstream, permit) = upstream();
    let url = format!("http://api.test:{}/", upstream.port());
    for addresses in [
        &["10.255.255.1"][..],
        &["127.0.0.1", "10.255.255.1"],
        &["10.255.255.1", "127.0.0.1"],
        &["127.0.0.1", "::1"],
        &["127.0.0.1", "::ffff:10.0.0.1"],
        &["127.0.0.1", "169.254.169.254"],
        &["127.0.0.1", "64:ff9b::a00:1"],
        &["0.0.0.0"],
        &["127.0.0.2"],
    ] {
        world.zone.set("api.test", addresses);
        let refused = world.refused(&permit, &url);
        assert!(refused.iter().all(|code| code.starts_with("egress_")), "{addresses:?}: {refused:?}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn an_alias_is_judged_by_where_it_ends() {
    let (world, upstream, permit) = upstream();
    let url = format!("http://api.test:{}/", upstream.port());
    world.zone.alias("api.test", "inside.test");
    world.zone.alias("inside.test", "deeper.test");
    world.zone.set("deeper.test", &["10.1.1.1"]);
    assert_eq!(world.refused(&permit, &url), ["egress_address_not_public"; 2]);
    world.zone.set("deeper.test", &["127.0.0.1"]);
    assert_eq!(text(&world.get(&permit, &url).unwrap()), "hello");
}

/// The address that was checked is the address that is connected to: nobody asks
/// again in between.
#[test]
fn a_name_that_leads_elsewhere_the_second_time_gains_nothing() {
    let (world, upstream, permit) = upstream();
    let inside = Upstream::serve_at("127.0.0.3:0", |_| ok("secret"));
    let url = format!("http://api.test:{}/", upstream.port());
    world.zone.then("api.test", &[&["127.0.0.1"], &["127.0.0.3"]]);
    let closing = Request { headers: HeaderMap::new(), ..get(&url) };
    assert_eq!(text(&world.fetch(&permit, closing).unwrap()), "hello");
    // The connection is there to be used again, so this one asks nobody.
    let other = allowed(&[
        &format!("http://api.test:{}", upstream.port()),
        &format!("127.0.0.1:{}", upstream.port()),
        "filler.test",
    ]);
    assert_eq!(world.refused(&other, &url), ["egress_address_not_public"; 2]);
    assert_eq!((upstream.connections(), inside.connections()), (1, 0));
}

#[test]
fn an_address_needs_a_rule_of_its_own() {
    let (world, upstream) = (World::new(), Upstream::serve(|_| ok("hello")));
    let port = upstream.port();
    let permit = allowed(&[&format!("127.0.0.1:{port}"), &format!("[fd00::/8]:{port}")]);
    for url in [format!("http://127.0.0.1:{port}/"), format!("http://[::ffff:127.0.0.1]:{port}/")] {
        assert_eq!(text(&world.get(&permit, &url).unwrap()), "hello");
    }
    for url in [
        format!("http://127.0.0.2:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://localhost:{port}/"),
    ] {
        assert_eq!(world.refused(&permit, &url), ["egress_host_not_allowed"; 2], "{url}");
    }
}

#[test]
fn the_server_does_not_reach_itself_under_any_name() {
    let (world, upstream, _) = upstream();
    let address = upstream.address;
    world.own.set(move || vec![address]);
    let port = upstream.port();
    let rules = [format!("http://self.test:{port}"), format!("0.0.0.0/0:{port}")];
    let permit = allowed(&[&rules[0], &rules[1]]);
    for name in ["127.0.0.1", "0.0.0.0"] {
        world.zone.set("self.test", &[name]);
        assert_eq!(world.refused(&permit, &format!("http://self.test:{port}/")), ["egress_own_listener"]);
    }
    assert_eq!(world.refused(&permit, &format!("http://127.0.0.1:{port}/")), ["egress_own_listener"]);
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_server_that_listens_everywhere_is_at_every_address_of_the_machine() {
    let world = World::new();
    world.own.set(|| vec![([0, 0, 0, 0], 8080).into()]);
    for (address, own) in [
        ("127.0.0.1:8080", true),
        ("127.9.9.9:8080", true),
        ("0.0.0.0:8080", true),
        ("[::1]:8080", true),
        ("[::ffff:127.0.0.1]:8080", true),
        ("127.0.0.1:8081", false),
        ("8.8.8.8:8080", false),
    ] {
        assert_eq!(world.own.are_at(address.parse().unwrap()), own, "{address}");
    }
}

#[test]
fn a_proxy_of_the_environment_is_nobodys_business() {
    // What would read it, reqwest, is not what connects here: nothing does.
    let sources = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/egress")).unwrap();
    for source in sources.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let text = std::fs::read_to_string(&source).unwrap().to_lowercase();
        assert!(!text.contains("reqwest") && !text.contains("http_proxy"), "{}", source.display());
    }
}

//! G6: every redirect is a request like any other.

use super::{upstream::*, *};

fn rules(upstreams: &[&Upstream]) -> Arc<Permit> {
    let rules: Vec<_> = upstreams.iter().map(|upstream| format!("http://{}", upstream.address)).collect();
    allowed(&rules.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_redirect_within_the_rules_is_followed() {
    let target = Upstream::serve(|_| ok("there"));
    let location = format!("http://{}/end", target.address);
    let first = Upstream::serve(move |_| moved(302, &location));
    let world = World::new();
    let fetched = world.get(&rules(&[&first, &target]), &format!("http://{}/", first.address)).unwrap();
    assert_eq!(text(&fetched), "there");
    assert_eq!(fetched.target.url().as_str(), format!("http://{}/end", target.address));
    assert_eq!(fetched.reached.len(), 2);
}

#[test]
fn a_redirect_out_of_the_rules_is_refused_with_reasons() {
    let inside = Upstream::serve_at("127.0.0.4:0", |_| ok("secret"));
    let world = World::new();
    let locations = [
        (format!("http://{}/", inside.address), "egress_host_not_allowed"),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), "egress_host_not_allowed"),
        (format!("//{}/", inside.address), "egress_host_not_allowed"),
        ("http://2130706433/".to_owned(), "egress_url_invalid"),
        ("file:///etc/passwd".to_owned(), "egress_url_invalid"),
        ("gopher://127.0.0.1:6379/_x".to_owned(), "egress_url_invalid"),
        ("http://user@127.0.0.1/".to_owned(), "egress_url_invalid"),
    ];
    for (location, code) in locations {
        let to = location.clone();
        let first = Upstream::serve(move |_| moved(302, &to));
        let refused = world.refused(&rules(&[&first]), &format!("http://{}/", first.address));
        assert_eq!(refused[0], code, "{location}");
    }
    assert_eq!(inside.connections(), 0);
}

#[test]
fn redirects_have_an_end() {
    let world = World::new();
    let hops = Upstream::serve(|received| {
        let hop: u32 = received.path().trim_start_matches('/').parse().unwrap();
        if hop == 0 { ok("end") } else { moved(302, &format!("/{}", hop - 1)) }
    });
    let permit = rules(&[&hops]);
    let url = |hops_left: u32| format!("http://{}/{hops_left}", hops.address);
    assert_eq!(text(&world.get(&permit, &url(3)).unwrap()), "end");
    assert_eq!(world.get(&permit, &url(4)).unwrap_err().to_string(), "more than 3 redirects");
    let none = Request { bounds: Bounds { redirects: 0, ..Bounds::default() }, ..get(&url(1)) };
    assert_eq!(world.fetch(&permit, none).unwrap().status.as_u16(), 302);
}

#[test]
fn another_host_gets_nothing_of_what_was_for_the_first() {
    let target = Upstream::serve(|_| ok("there"));
    let location = format!("http://{}/", target.address);
    let first = Upstream::serve(move |_| moved(302, &location));
    let world = World::new();
    let mut request = get(&format!("http://{}/?token=q", first.address));
    request.method = Method::POST;
    request.body = "the body".into();
    for (name, value) in [("x-trace", "mine"), ("content-type", "text/plain"), ("user-agent", "me")] {
        request.headers.insert(name, value.parse().unwrap());
    }
    world.fetch(&rules(&[&first, &target]), request).unwrap();
    let [first, second] = [&first.received()[0], &target.received()[0]];
    assert_eq!((first.body.as_str(), first.header("x-trace")), ("the body", Some("mine")));
    let mut names: Vec<_> = second.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "accept-encoding", "host", "user-agent"]);
    assert_eq!((second.line.as_str(), second.body.as_str()), ("GET / HTTP/1.1", ""));
    assert_ne!(second.header("user-agent"), Some("me"));
}

/// 307 and 308 ask for the same request again, and that was not meant for another
/// host.
#[test]
fn a_request_with_a_body_is_not_made_again_elsewhere() {
    let target = Upstream::serve(|_| ok("there"));
    let location = format!("http://{}/", target.address);
    let first = Upstream::serve(move |_| moved(307, &location));
    let world = World::new();
    let mut request = get(&format!("http://{}/", first.address));
    (request.method, request.body) = (Method::POST, "the body".into());
    let fetched = world.fetch(&rules(&[&first, &target]), request).unwrap();
    assert_eq!((fetched.status.as_u16(), target.connections()), (307, 0));
}

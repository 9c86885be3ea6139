//! G10: credentials go to the host that they are for, and nowhere else.

use server_core::{
    egress::{Attachment, Destination},
    secret::Secret,
};

use super::{upstream::*, *};

const SECRET: &str = "jira-0123456789-secret";

fn with_secret(url: &str, to: &Destination) -> Request {
    let attachment = Attachment::new(to.clone(), "authorization", "Bearer ", Secret::new(SECRET));
    Request { attachment: Some(attachment), ..get(url) }
}

#[test]
fn a_secret_is_attached_for_its_own_host_and_lost_at_a_redirect() {
    let other = Upstream::serve(|_| ok("other"));
    let location = format!("http://{}/", other.address);
    let own = Upstream::serve(move |received| match received.path() {
        "/away" => moved(302, &location),
        "/along" => moved(302, "/"),
        _ => ok("own"),
    });
    let world = World::new();
    let permit = allowed(&[&format!("http://{}", own.address), &format!("http://{}", other.address)]);
    let to = Target::parse(&format!("http://{}/", own.address)).unwrap().destination().clone();
    for path in ["", "along", "away"] {
        world.fetch(&permit, with_secret(&format!("http://{}/{path}", own.address), &to)).unwrap();
    }
    for received in own.received() {
        assert_eq!(
            received.header("authorization"),
            Some(format!("Bearer {SECRET}").as_str()),
            "{}",
            received.line
        );
    }
    assert_eq!(other.received()[0].header("authorization"), None);
    // Whatever asks for it elsewhere.
    world.fetch(&permit, with_secret(&format!("http://{}/", other.address), &to)).unwrap();
    assert_eq!(other.received()[1].header("authorization"), None);
}

#[test]
fn a_secret_that_comes_back_is_hidden_from_whoever_asked() {
    let echo = Upstream::serve(|received| {
        let sent = received.header("authorization").unwrap();
        with(200, &[("x-echo", sent), ("x-own", "kept")], format!("you sent {sent}, {sent}"))
    });
    let permit = allowed(&[&format!("http://{}", echo.address)]);
    let url = format!("http://{}/", echo.address);
    let to = Target::parse(&url).unwrap().destination().clone();
    let fetched = World::new().fetch(&permit, with_secret(&url, &to)).unwrap();
    assert_eq!(text(&fetched), "you sent Bearer [secret], Bearer [secret]");
    assert!(!format!("{fetched:?}").contains(SECRET));
    assert_eq!(
        (&fetched.headers["x-echo"], &fetched.headers["x-own"]),
        (&"[secret]".parse().unwrap(), &"kept".parse().unwrap())
    );
}

#[test]
fn a_secret_does_not_show_where_a_request_is_printed() {
    let to = Target::parse("https://jira.lan/").unwrap().destination().clone();
    assert!(!format!("{:?}", with_secret("https://jira.lan/", &to)).contains(SECRET));
}

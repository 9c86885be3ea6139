//! Answers that are too large, too slow, packed or broken.

use std::io::Write;

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};

use super::{upstream::*, *};

fn answered(
    reply: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    bounds: Bounds,
) -> Result<Fetched, EgressError> {
    let upstream = Upstream::serve(reply);
    let permit = allowed(&[&format!("http://{}", upstream.address)]);
    let request = Request { bounds, ..get(&format!("http://{}/", upstream.address)) };
    World::new().fetch(&permit, request)
}

fn bytes(body_bytes: u64) -> Bounds {
    Bounds { body_bytes, ..Bounds::default() }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn an_answer_is_cut_at_its_bound_and_says_so() {
    for (length, cut) in [(99, false), (100, false), (101, true), (100_000, true)] {
        let fetched = answered(move |_| ok("x".repeat(length)), bytes(100)).unwrap();
        assert_eq!((fetched.body.len(), fetched.truncated), (length.min(100), cut), "{length}");
    }
}

#[test]
fn what_streams_is_an_error_at_its_bound() {
    let upstream = Upstream::serve(|_| ok("x".repeat(1000)));
    let permit = allowed(&[&format!("http://{}", upstream.address)]);
    let world = World::new();
    let request = Request { bounds: bytes(100), ..get(&format!("http://{}/", upstream.address)) };
    let mut response = world.send(&permit, request).unwrap();
    let error = world.block_on(async {
        loop {
            match response.body.chunk().await {
                Ok(Some(_)) => {}
                other => return other.unwrap_err(),
            }
        }
    });
    assert_eq!(error.to_string(), "the answer has more than 100 bytes");
}

#[test]
fn nobody_is_asked_to_pack_and_what_is_packed_all_the_same_is_unpacked() {
    let zlib = |content: &[u8]| {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    };
    let content = b"hello ".repeat(1000);
    for (encoding, packed) in
        [("gzip", gzip(&content)), ("X-GZIP", gzip(&content)), ("deflate", zlib(&content))]
    {
        let fetched = answered(
            move |received| {
                assert_eq!(received.header("accept-encoding"), Some("identity"));
                with(200, &[("content-encoding", encoding)], &packed)
            },
            Bounds::default(),
        );
        assert_eq!(fetched.unwrap().body, content, "{encoding}");
    }
    for (encoding, message) in [
        ("br", "the answer is packed as `br`, which was not asked for"),
        ("gzip, gzip", "the answer is packed as `gzip, gzip`, which was not asked for"),
        ("gzip", "the answer is packed as `broken gzip`, which was not asked for"),
    ] {
        let answer = answered(move |_| with(200, &[("content-encoding", encoding)], "no"), Bounds::default());
        assert_eq!(answer.unwrap_err().to_string(), message);
    }
}

/// 64 MiB in 64 KiB: it is cut where the bound is, and not unpacked any further.
#[test]
fn a_bomb_is_as_large_as_its_bound() {
    let bomb = gzip(&vec![0; 64 << 20]);
    assert!(bomb.len() < 80 << 10);
    let fetched =
        answered(move |_| with(200, &[("content-encoding", "gzip")], &bomb), bytes(1 << 20)).unwrap();
    assert_eq!((fetched.body.len(), fetched.truncated), (1 << 20, true));
}

#[test]
fn an_answer_that_does_not_come_or_does_not_end_is_given_up() {
    let head = || b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n".to_vec();
    let ms = Duration::from_millis;
    for (reply, message) in [
        ((|| Reply::Silence) as fn() -> Reply, "there was no answer within 0.3 s"),
        (
            || Reply::Trickle(b"HTTP/1.1 200 OK\r\nx-slow: ".to_vec(), Duration::from_millis(20)),
            "there was no answer within 0.3 s",
        ),
    ] {
        assert_eq!(answered(move |_| reply(), short()).unwrap_err().to_string(), message);
    }
    let error = answered(move |_| Reply::Trickle(head(), ms(3_600_000)), short()).unwrap_err();
    assert_eq!(error.to_string(), "nothing more came for 0.3 s");
    // Each piece comes in time, and all of them would take for ever.
    let error = answered(move |_| Reply::Trickle(head(), ms(20)), short()).unwrap_err();
    assert_eq!(error.to_string(), "there was no answer within 0.9 s");
}

#[test]
fn what_is_no_http_is_an_error_to_read() {
    let large = || {
        let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
        (0..4000).for_each(|n| head.extend_from_slice(format!("x-{n}: {}\r\n", "y".repeat(60)).as_bytes()));
        head
    };
    for reply in [b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec(), large()] {
        let error = answered(move |_| Reply::Bytes(reply.clone()), short()).unwrap_err();
        assert!(error.to_string().contains("does not answer as it should"), "{error}");
    }
    let error = answered(|_| Reply::Close, short()).unwrap_err();
    assert!(error.to_string().ends_with("closed the connection before it answered"), "{error}");
    let cut = || Reply::Trickle(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n".to_vec(), Duration::ZERO);
    assert_eq!(text(&answered(move |_| cut(), short()).unwrap()), "xxx");
}

#[test]
fn an_answer_has_no_cookies_and_nothing_about_the_connection() {
    let headers = [
        ("set-cookie", "a=b"),
        ("keep-alive", "timeout=5"),
        ("x-own", "kept"),
        ("content-type", "text/plain"),
    ];
    let fetched = answered(move |_| with(200, &headers, "x"), Bounds::default()).unwrap();
    let mut names: Vec<_> = fetched.headers.keys().map(ToString::to_string).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "content-type", "x-own"]);
}

#[test]
fn headers_that_are_the_servers_to_set_are_left_out() {
    let upstream = Upstream::serve(|_| ok("x"));
    let permit = allowed(&[&format!("http://{}", upstream.address)]);
    let mut request = get(&format!("http://{}/", upstream.address));
    let left_out = [
        "authorization",
        "cookie",
        "host",
        "proxy-authorization",
        "x-api-key",
        "x-forwarded-for",
        "x-real-ip",
        "transfer-encoding",
        "connection",
        "accept-encoding",
        "x-goog-api-key",
        "private-token",
        "referer",
    ];
    for name in left_out.iter().chain(&["x-own", "accept", "content-type"]) {
        request.headers.insert(http::HeaderName::from_static(name), "given".parse().unwrap());
    }
    World::new().fetch(&permit, request).unwrap();
    let received = &upstream.received()[0];
    for name in left_out {
        assert_ne!(received.header(name), Some("given"), "{name}");
    }
    for name in ["x-own", "accept", "content-type"] {
        assert_eq!(received.header(name), Some("given"), "{name}");
    }
}

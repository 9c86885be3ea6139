//! Who may enter, from where, and what is open to everybody.

use std::{fs, net::IpAddr};

use serde_json::{Value, json};

use super::{answer, post, request};
use crate::{
    audit::records,
    support::{
        LAPTOP, Server, TWO_AGENTS,
        client::{http, stateless},
        eventually, eventually_async,
    },
};

#[tokio::test]
async fn without_a_valid_token_the_answer_is_401_and_says_what_to_send() {
    let server = Server::start(TWO_AGENTS);
    let bare = || http().post(server.url("/mcp")).json(&request("ping", json!({})));
    let malformed = "the header `Authorization` must be `Bearer <token>`, once";
    for (case, request, message) in [
        ("no token", bare(), "send `Authorization: Bearer <token>`"),
        ("a wrong token", bare().bearer_auth("wrong"), "the token is not valid"),
        ("almost the token", bare().bearer_auth(&LAPTOP[1..]), "the token is not valid"),
        ("another scheme", bare().basic_auth("laptop", Some(LAPTOP)), malformed),
        ("two tokens", bare().bearer_auth("wrong").bearer_auth(LAPTOP), malformed),
        (
            "a token in the URL",
            http().post(server.url(&format!("/mcp?token={LAPTOP}&access_token={LAPTOP}"))).json(&json!({})),
            "send `Authorization: Bearer <token>`",
        ),
        ("GET", http().get(server.url("/mcp")), "send `Authorization: Bearer <token>`"),
        ("DELETE", http().delete(server.url("/mcp")), "send `Authorization: Bearer <token>`"),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["www-authenticate"]),
            (401, &"Bearer".parse().unwrap()),
            "{case}"
        );
        assert_eq!(response.headers()["content-type"], "application/json", "{case}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body, json!({ "error": "unauthorized", "message": message }), "{case}");
    }
    let line = eventually("the log", || {
        server.logged(|line| line["target"] == "auth" && line["reason"] == "unknown_token")
    });
    assert_eq!(
        (&line["address"], &line["path"], &line["level"]),
        (&json!("127.0.0.1"), &json!("/mcp"), &json!("WARN"))
    );
    eventually("the last line", || {
        server.log().iter().filter(|line| line["target"] == "auth").nth(7).map(drop)
    });
    assert!(!format!("{:?}", server.log()).contains(&LAPTOP[1..]));
}

#[tokio::test]
async fn a_scheme_is_the_same_in_any_case() {
    let server = Server::start(TWO_AGENTS);
    for scheme in ["bearer", "BEARER"] {
        let ping = stateless(&server, "replaced", "tools/list", json!({})).build().unwrap();
        let (mut ping, http) = (ping, http());
        ping.headers_mut().insert("authorization", format!("{scheme} {LAPTOP}").parse().unwrap());
        assert_eq!(http.execute(ping).await.unwrap().status(), 200, "{scheme}");
    }
}

#[tokio::test]
async fn an_address_that_fails_on_and_on_waits_but_never_with_a_valid_token() {
    let server = Server::start(TWO_AGENTS);
    let bad = || http().post(server.url("/mcp")).bearer_auth("wrong").send();
    let failures = (0..24).map(|_| tokio::spawn(bad())).collect::<Vec<_>>();
    eventually_async("the address to have failed too often", async || {
        server.logged(|line| line["target"] == "auth" && line["delayed"] == true)
    })
    .await;
    // All but the first few wait now; whoever has a token does not.
    let good = stateless(&server, LAPTOP, "tools/list", json!({})).send().await.unwrap();
    assert_eq!(good.status(), 200);
    assert!(
        failures.iter().any(|failure| !failure.is_finished()),
        "a bad token was answered before a good one"
    );
    for failure in failures {
        assert_eq!(failure.await.unwrap().unwrap().status(), 401);
    }
    let lines = server.log().iter().filter(|line| line["target"] == "auth").count();
    assert_eq!(lines, 11, "the rest of a minute's failures is one line of the next");
}

#[tokio::test]
async fn oauth_and_unknown_paths_are_404_at_once_and_no_failures() {
    let server = Server::start(TWO_AGENTS);
    let no_oauth =
        "there is no OAuth here: send `Authorization: Bearer <token>`, with a token from the operator";
    let nothing = "there is nothing here; MCP is at `/mcp`";
    for (path, message) in [
        ("/.well-known/oauth-protected-resource", no_oauth),
        ("/.well-known/oauth-protected-resource/mcp", no_oauth),
        ("/.well-known/oauth-authorization-server", no_oauth),
        ("/.well-known/openid-configuration", no_oauth),
        ("/register", no_oauth),
        ("/authorize", no_oauth),
        ("/token", no_oauth),
        ("/", nothing),
        ("/mcp/", nothing),
        ("/metrics", nothing),
        ("/sse", nothing),
    ] {
        for request in [http().get(server.url(path)), http().post(server.url(path)).body("{}")] {
            let expected = (404, json!({ "error": "not_found", "message": message }));
            assert_eq!(answer(request.header("host", "evil.example")).await, expected, "{path}");
        }
    }
    assert_eq!(http().get(server.url("/healthz")).send().await.unwrap().text().await.unwrap(), "ok");
    assert_eq!(server.logged(|line| line["target"] == "auth"), None);
}

#[tokio::test]
async fn the_probes_need_neither_a_token_nor_a_right_host() {
    let server = Server::start(TWO_AGENTS);
    let get = |path: &str| {
        http().get(server.url(path)).header("host", "10.0.0.7:9").header("origin", "https://evil.example")
    };
    let health = get("/healthz").send().await.unwrap();
    assert_eq!((health.status().as_u16(), health.text().await.unwrap()), (200, "ok".to_owned()));
    let (status, ready) = answer(get("/readyz")).await;
    let sha256 = ready["config_sha256"].as_str().unwrap();
    assert_eq!(sha256.len(), 64);
    let expected = json!({
        "ready": true, "generation": 1, "config_sha256": sha256, "last_reload": { "result": "none", "problems": 0 },
    });
    assert_eq!((status, &ready), (200, &expected));
    let posted = http().post(server.url("/readyz")).send().await.unwrap();
    assert_eq!((posted.status().as_u16(), &posted.headers()["allow"]), (405, &"GET, HEAD".parse().unwrap()));
}

#[tokio::test]
async fn a_host_or_origin_must_be_allowed_and_the_answer_names_the_key() {
    let server = Server::start(TWO_AGENTS);
    let list = || stateless(&server, LAPTOP, "tools/list", json!({}));
    let host = |host: &str| {
        let message = format!("host `{host}` is not allowed: add it to `server.allowed_hosts`");
        (403, json!({ "error": "host_not_allowed", "message": message }))
    };
    let origin = |origin: &str| {
        let message = format!("origin `{origin}` is not allowed: add it to `server.allowed_origins`");
        (403, json!({ "error": "origin_not_allowed", "message": message }))
    };
    assert_eq!(answer(list().header("host", "evil.example:80")).await, host("evil.example"));
    assert_eq!(answer(list().header("origin", "https://evil.example")).await, origin("https://evil.example"));
    assert_eq!(answer(list().header("origin", "null")).await, origin("null"));
    for (header, value) in [
        ("host", "localhost"),
        ("host", "[::1]:1"),
        ("origin", "http://localhost:5173"),
        ("origin", "http://127.0.0.1"),
    ] {
        assert_eq!(answer(list().header(header, value)).await.0, 200, "{header}: {value}");
    }
    // Nobody without a token learns that a token is what is missing.
    let blind = http().post(server.url("/mcp")).header("host", "evil.example").send().await.unwrap();
    assert_eq!(blind.status(), 403);
}

#[tokio::test]
async fn hosts_and_origins_are_live() {
    let server = Server::start(TWO_AGENTS);
    let try_with = |header: &'static str, value: &'static str| {
        let request = stateless(&server, LAPTOP, "tools/list", json!({})).header(header, value);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(try_with("host", "mcp.lan").await, 403);
    let server_section = r#"server: { listen: "127.0.0.1:0", allowed_hosts: ["mcp.lan"], allowed_origins: ["https://app.lan"], public_url: "https://mcp.example.lan/mcp" }"#;
    fs::write(server.config(), TWO_AGENTS.replace(r#"server: { listen: "127.0.0.1:0" }"#, server_section))
        .unwrap();
    eventually_async("the host to be allowed", || async {
        (try_with("host", "mcp.lan").await == 200).then_some(())
    })
    .await;
    assert_eq!(try_with("host", "mcp.example.lan").await, 200);
    assert_eq!(try_with("host", "other.lan").await, 403);
    assert_eq!(try_with("origin", "https://app.lan").await, 200);
    assert_eq!(try_with("origin", "https://mcp.example.lan").await, 200);
    assert_eq!(try_with("origin", "https://app.lan:8443").await, 403);
}

#[tokio::test]
async fn the_address_that_a_connection_came_in_on_is_a_right_host() {
    let server = Server::start(&TWO_AGENTS.replace("127.0.0.1:0", "0.0.0.0:0"));
    let local: IpAddr = [127, 0, 0, 2].into();
    let port = server.address.port();
    let post = |host: &str| {
        let list = stateless(&server, LAPTOP, "tools/list", json!({})).build().unwrap();
        let headers = list.headers().clone();
        let body = list.body().unwrap().as_bytes().unwrap().to_vec();
        http().post(format!("http://{local}:{port}/mcp")).headers(headers).header("host", host).body(body)
    };
    assert_eq!(answer(post(&format!("{local}:{port}"))).await.0, 200);
    assert_eq!(answer(post("192.0.2.1")).await.0, 403);
    // The listener is open to others, so a page on this machine is a stranger.
    assert_eq!(answer(post("localhost").header("origin", "http://localhost:5173")).await.0, 403);
}

#[tokio::test]
async fn a_token_opens_no_door_that_a_body_must_open() {
    let server = Server::start(TWO_AGENTS);
    for method in ["PUT", "PATCH", "OPTIONS"] {
        let request = http().request(method.parse().unwrap(), server.url("/mcp")).bearer_auth(LAPTOP);
        let response = request.send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["allow"]),
            (405, &"POST, GET, DELETE".parse().unwrap()),
            "{method}"
        );
    }
    let untyped = post(&server, LAPTOP, "{}").build().unwrap();
    let (mut untyped, http) = (untyped, http());
    untyped.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    let response = http.execute(untyped).await.unwrap();
    let status = response.status();
    let expected = json!({ "error": "media_type", "message": "the content type must be `application/json`" });
    assert_eq!((status.as_u16(), response.json::<Value>().await.unwrap()), (415, expected));
}

#[tokio::test]
async fn behind_a_trusted_proxy_failures_count_for_the_address_that_it_names() {
    let with = |trusted: &str| {
        let server = format!("server: {{ listen: \"127.0.0.1:0\", trusted_proxies: [{trusted}] }}");
        Server::start(&TWO_AGENTS.replace("server: { listen: \"127.0.0.1:0\" }", &server))
    };
    let knock = async |server: &Server, address: &str| {
        let bad = http().post(server.url("/mcp")).bearer_auth("wrong").header("x-forwarded-for", address);
        let begun = std::time::Instant::now();
        assert_eq!(bad.send().await.unwrap().status(), 401);
        begun.elapsed()
    };
    let addresses = |server: &Server| {
        let lines = server.log().into_iter().filter(|line| line["target"] == "auth");
        lines.map(|line| line["address"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let server = with("\"127.0.0.1\"");
    for n in 1..=30 {
        knock(&server, &format!("198.51.100.1, 203.0.113.{n}")).await;
    }
    let expected: Vec<_> = (1..=30).map(|n| format!("203.0.113.{n}")).collect();
    eventually("thirty strangers", || (addresses(&server) == expected).then_some(()));
    // Each of them has failed once, so none of them waits; one that goes on does.
    let mut slowest = std::time::Duration::ZERO;
    for _ in 0..11 {
        slowest = slowest.max(knock(&server, "203.0.113.99").await);
    }
    assert!(slowest >= std::time::Duration::from_millis(250), "{slowest:?}");

    // Nobody else is believed, so that nobody gets rid of what is on him.
    let server = with("\"10.0.0.0/8\"");
    slowest = std::time::Duration::ZERO;
    for n in 1..=11 {
        slowest = slowest.max(knock(&server, &format!("203.0.113.{n}")).await);
    }
    assert!(slowest >= std::time::Duration::from_millis(250), "{slowest:?}");
    eventually("the first failures", || {
        let told = addresses(&server);
        (told.len() >= 10).then(|| assert!(told.iter().all(|address| address == "127.0.0.1"), "{told:?}"))
    });
}

#[tokio::test]
async fn a_call_is_on_record_with_the_address_that_a_trusted_proxy_names_and_with_no_other() {
    for (trusted, expected) in [("127.0.0.1", "203.0.113.7"), ("10.0.0.0/8", "127.0.0.1")] {
        let section = format!("server: {{ listen: \"127.0.0.1:0\", trusted_proxies: [\"{trusted}\"] }}");
        let server = Server::start(&TWO_AGENTS.replace("server: { listen: \"127.0.0.1:0\" }", &section));
        let sum = json!({ "name": "core.sum", "arguments": { "a": 2, "b": 3 } });
        let call = stateless(&server, LAPTOP, "tools/call", sum).header("x-forwarded-for", "203.0.113.7");
        assert_eq!(call.send().await.unwrap().status(), 200);
        let line = eventually("the call's line", || server.logged(|line| line["target"] == "call"));
        assert_eq!(line["address"], expected);
        let records = records(&server.config().with_file_name("state").join("audit"));
        let of_call: Vec<_> = records.iter().filter(|record| record["tool"] == "core.sum").collect();
        assert!(!of_call.is_empty() && of_call.iter().all(|it| it["address"] == expected), "{of_call:?}");
    }
}

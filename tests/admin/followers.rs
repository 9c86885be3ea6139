//! What follows the configuration: the listeners and the log's level.

use super::*;
use crate::{
    revocation::Held,
    support::{REVIEWER, eventually_async, testbench::Testbench},
};

/// An address that was free just now.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn moved(server: SocketAddr, admin: SocketAddr) -> String {
    config()
        .replace("server: { listen: \"127.0.0.1:0\" }", &format!("server: {{ listen: \"{server}\" }}"))
        .replace("admin: { listen: \"127.0.0.1:0\"", &format!("admin: {{ listen: \"{admin}\""))
}

#[tokio::test]
async fn both_doors_move_by_an_edit() {
    let mut door = Door::open();
    let (server, admin) = (free(), free());
    door.write(&moved(server, admin));
    // The answer comes by the connection that the order came in on.
    let (code, applied) = answer(door.post("/reload")).await;
    assert_eq!((code, &applied["result"]), (200, &json!("applied")), "{applied}");
    let old = (door.server.address, door.address);
    (door.server.address, door.address) = (server, admin);
    assert_eq!(door.status().await["listeners"], json!({ "server.listen": server, "admin.listen": admin }));
    eventually("the old doors to close", || {
        let gone = |address| std::net::TcpStream::connect(address).is_err();
        (gone(old.0) && gone(old.1)).then_some(())
    });
    let laptop = Client::connect(&door.server, LAPTOP, ERAS[0]).await;
    assert_eq!(laptop.text("core.sum", json!({ "a": 1, "b": 1 })).await, "2");
}

#[tokio::test]
async fn calls_in_flight_go_on_when_the_address_changes() {
    let bench = Testbench::new();
    let (before, rest) =
        bench.config("{}").split_once("agents:\n").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let admin = "admin: { listen: \"127.0.0.1:0\", token: \"${ADMIN_TOKEN}\" }\n";
    let config = format!("{before}{admin}agents:\n{rest}");
    let mut door = Door::open_with(&config, |_, _| {});
    let mut calls = Vec::new();
    for era in ERAS {
        calls.push(Held::begin(&door.server, &bench, REVIEWER, era).await);
    }
    assert_eq!(door.status().await["in_flight"], json!({ "reviewer": 2 }));
    for address in [free(), SocketAddr::new([0, 0, 0, 0].into(), door.server.address.port())] {
        let old = door.server.address;
        door.write(&config.replacen("127.0.0.1:0", &address.to_string(), 1));
        let (code, applied) = answer(door.post("/reload")).await;
        assert_eq!((code, &applied["result"]), (200, &json!("applied")), "{applied}");
        door.server.address = SocketAddr::new([127, 0, 0, 1].into(), address.port());
        if old.port() != address.port() {
            eventually("the old door to close", || std::net::TcpStream::connect(old).is_err().then_some(()));
        }
        let laptop = Client::connect(&door.server, LAPTOP, ERAS[1]).await;
        assert_eq!(laptop.text("core.sum", json!({ "a": 1, "b": 1 })).await, "2");
    }
    for call in calls {
        assert_eq!(call.let_go().await["result"]["content"][0]["text"], "1.0.1");
    }
    eventually_async("the calls to be over", || async {
        (door.status().await["in_flight"] == json!({})).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_address_that_is_taken_refuses_the_whole_edit() {
    let door = Door::open();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    door.write(&moved(free(), taken).replace(r#", "core.sum"]"#, "]"));
    for path in ["/reload?dry_run=1", "/reload"] {
        let (code, refused) = answer(door.post(path)).await;
        assert_eq!((code, &refused["result"], &refused["generation"]), (409, &json!("refused"), &json!(1)));
        let reason =
            format!("cannot listen on {taken} (`admin.listen`): Address already in use (os error 98)");
        assert!(refused["reason"].as_str().unwrap().starts_with(&reason), "{refused}");
    }
    let laptop = Client::connect(&door.server, LAPTOP, ERAS[1]).await;
    assert_eq!(laptop.tools().await, ["core.echo", "core.sum"]);
}

#[tokio::test]
async fn an_address_grows_on_its_port_by_an_edit() {
    let door = Door::open();
    let everywhere = SocketAddr::new([0, 0, 0, 0].into(), door.server.address.port());
    let laptop = Client::connect(&door.server, LAPTOP, ERAS[0]).await;
    door.write(&config().replacen("127.0.0.1:0", &everywhere.to_string(), 1));
    let (code, applied) = answer(door.post("/reload")).await;
    assert_eq!((code, &applied["result"]), (200, &json!("applied")), "{applied}");
    assert_eq!(door.status().await["listeners"]["server.listen"], json!(everywhere));
    assert_eq!(laptop.text("core.sum", json!({ "a": 1, "b": 1 })).await, "2");
}

#[tokio::test]
async fn the_log_s_level_follows_an_edit() {
    let door = Door::open();
    let in_force = |generation: u64| {
        move |line: &Value| line["message"] == "configuration in force" && line["generation"] == generation
    };
    for (level, generation) in [("error", 2), ("info", 3)] {
        door.write(&format!("{}log: {{ level: {level} }}\n", config()));
        assert_eq!(answer(door.post("/reload")).await.1["generation"], generation);
    }
    eventually("the line", || door.server.logged(in_force(3)));
    assert!(door.server.logged(in_force(1)).is_some());
    assert_eq!(door.server.logged(in_force(2)), None);
}

#[tokio::test]
async fn rust_log_counts_more_than_the_configuration_and_that_is_said_once() {
    let quiet = format!("{}log: {{ level: error }}\n", config());
    let door = Door::open_with(&quiet, |_, command| {
        command.env("RUST_LOG", "info");
    });
    door.write(&quiet.replace("error", "warn"));
    assert_eq!(answer(door.post("/reload")).await.1["generation"], 2);
    eventually("the second line", || door.server.logged(|line| line["generation"] == 2));
    let said = door.server.log().into_iter().filter(|line| {
        line["message"] == "RUST_LOG is set, so it says what is logged, and `log.level` does not count"
    });
    assert_eq!(said.count(), 1);
}

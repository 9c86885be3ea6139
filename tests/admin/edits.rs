//! Orders and edits of the files at the same time: none is lost.

use tokio_util::sync::CancellationToken;

use super::*;
use crate::reload::ready_when;

fn with_reviewer(token: &str) -> String {
    config().replace("${REVIEWER_TOKEN}", token)
}

#[tokio::test]
async fn an_edit_counts_also_after_files_that_did_not_stand_still() {
    let door = Door::open();
    // Another one whenever it is read.
    door.write(&with_reviewer("${file:/proc/sys/kernel/random/uuid}"));
    let (code, refused) = answer(door.post("/reload")).await;
    let reason = "its files do not stand still long enough to be read";
    assert_eq!((code, &refused["result"], &refused["reason"]), (409, &json!("refused"), &json!(reason)));
    fs::write(door.server.config(), config() + "# edited\n").unwrap();
    ready_when(&door.server, "the edit to be in force", |answer| answer["generation"] == 2).await;
}

#[tokio::test]
async fn files_that_go_on_changing_do_not_hold_up_edits_in_silence() {
    let door = Door::open();
    let restless = with_reviewer("${file:/proc/sys/kernel/random/uuid}");
    fs::write(door.server.config(), &restless).unwrap();
    ready_when(&door.server, "the refusal", |answer| answer["last_reload"]["result"] == "refused").await;
    let reason = "its files do not stand still long enough to be read";
    eventually("the log to say why", || door.server.logged(|line| line["reason"] == reason));
    fs::write(door.server.config(), config() + "# edited\n").unwrap();
    assert_eq!(answer(door.post("/reload")).await.1["result"], "applied");
    ready_when(&door.server, "the edit to be in force", |answer| {
        answer["last_reload"]["result"] == "applied"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_without_end_keep_no_edit_from_being_seen() {
    let door = Door::open();
    let ask = |stop: CancellationToken| {
        let dry_run = door.post("/reload?dry_run=1");
        async move {
            while !stop.is_cancelled() {
                answer(dry_run.try_clone().unwrap()).await;
            }
        }
    };
    let stop = CancellationToken::new();
    let asking: Vec<_> = (0..8).map(|_| tokio::spawn(ask(stop.clone()))).collect();
    fs::write(door.server.config(), config() + "# edited\n").unwrap();
    ready_when(&door.server, "the edit to be in force", |answer| answer["generation"] == 2).await;
    stop.cancel();
    for asking in asking {
        asking.await.unwrap();
    }
}

#[tokio::test]
async fn a_secret_of_what_was_rolled_back_brings_it_not_back() {
    let door = Door::open();
    let secret = door.server.config().with_file_name("secret");
    fs::write(&secret, "one-token-0123456789-0123456789-abcdefghi\n").unwrap();
    door.write(&with_reviewer("${file:secret}"));
    assert_eq!(answer(door.post("/reload")).await.1["result"], "applied");
    assert_eq!(answer(door.post("/rollback")).await.1["result"], "applied");
    fs::write(&secret, "two-token-0123456789-0123456789-abcdefghi\n").unwrap();
    let after = answer(door.post("/reload")).await.1;
    assert_eq!((&after["result"], &after["generation"]), (&json!("unchanged"), &json!(3)), "{after}");
    door.write(&(with_reviewer("${file:secret}") + "# edited"));
    assert_eq!(answer(door.post("/reload")).await.1["result"], "applied");
}

#[tokio::test]
async fn a_file_that_an_unread_edit_includes_ends_a_rollback_too() {
    let door = Door::open();
    let included = door.server.config().with_file_name("more.yaml");
    fs::write(&included, "agents: {}\n").unwrap();
    door.write(&(config() + "# edited"));
    assert_eq!(answer(door.post("/reload")).await.1["result"], "applied");
    // It may be cut, so nobody has read it when the order comes.
    door.write(&(config() + "include: [more.yaml]"));
    assert_eq!(answer(door.post("/rollback")).await.1["result"], "applied");
    assert_eq!(answer(door.post("/reload")).await.1["result"], "unchanged");
    fs::write(&included, "agents: {} # edited\n").unwrap();
    let after = answer(door.post("/reload")).await.1;
    assert_eq!(after["result"], "applied", "{after}");
}

/// The socket that listens at an address.
fn socket(address: SocketAddr) -> String {
    let (port, listens) = (format!(":{:04X}", address.port()), "0A");
    let all = fs::read_to_string("/proc/net/tcp").unwrap();
    let mut lines = all.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.find(|line| line[1].ends_with(&port) && line[3] == listens).unwrap()[9].to_owned()
}

#[tokio::test]
async fn a_dry_run_closes_no_listener() {
    let door = Door::open();
    let (address, before) = (door.server.address, socket(door.server.address));
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = |address: String| config().replacen("127.0.0.1:0", &address, 1);
    door.write(&listen(format!("0.0.0.0:{}", address.port())));
    assert_eq!(answer(door.post("/reload?dry_run=1")).await.1["result"], "applied");
    assert_eq!(socket(address), before);
    door.write(&listen(other.local_addr().unwrap().to_string()));
    assert_eq!(answer(door.post("/reload?dry_run=1")).await.1["result"], "refused");
    assert_eq!(socket(address), before);
}

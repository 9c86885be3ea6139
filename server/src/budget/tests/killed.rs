//! A process that is killed at any moment loses no charge.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    thread,
    time::SystemTime,
};

use super::*;

/// Where the child has its books.
const FOLDER: &str = "BUDGET_FOLDER";

/// How often it is killed: `cargo xtask soak` says more.
const ROUNDS: &str = "BUDGET_ROUNDS";

/// How many requests it has at the same time.
const TASKS: i64 = 8;
const WORST: i64 = 1000;

#[test]
fn a_process_that_is_killed_at_any_moment_loses_no_charge() {
    let rounds = env::var(ROUNDS).map_or(20, |rounds| rounds.parse().unwrap());
    let world = World { ledger: Ledger::closed("it is the child's"), ..World::new("1000000") };
    let (mut acknowledged, mut before) = (0, 0);
    for round in 0..rounds {
        acknowledged += spend_and_kill(&world);
        let ledger = Ledger::open(world.folder.path()).unwrap();
        let balance = ledger.balances(world.scopes("laptop")).unwrap().remove(0);
        let spent = balance.standing.spent.nanos();
        assert!(
            spent >= acknowledged,
            "round {round}: {spent} are in the books, and {acknowledged} were charged"
        );
        // What was on its way is there too, with all that was reserved for it.
        let unsaid = spent - acknowledged;
        assert!(unsaid <= before + TASKS * WORST, "round {round}: {unsaid} too much, after {before}");
        before = unsaid;
    }
    assert!(acknowledged > 0, "nothing was ever charged");
}

/// What a child has acknowledged when it is killed: the charges that it had settled,
/// and what it would have settled those at that it had reserved money for.
fn spend_and_kill(world: &World) -> i64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "budget::tests::killed::spends_until_it_is_killed", "--ignored", "--nocapture"])
        .env(FOLDER, world.folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let reading = thread::spawn(move || {
        let (mut charges, mut line) = (BTreeMap::new(), String::new());
        while output.read_line(&mut line).unwrap() > 0 {
            if let Some([id, amount]) = line.strip_suffix('\n').map(|line| words(line, "charge")) {
                charges.insert(id, amount.parse::<i64>().unwrap());
            }
            line.clear();
        }
        charges.into_values().sum::<i64>()
    });
    // Some are killed while they open the books.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    thread::sleep(Duration::from_millis(u64::from(now.subsec_nanos()) / 1000 % 150));
    child.kill().unwrap();
    child.wait().unwrap();
    reading.join().unwrap()
}

fn words(line: &str, first: &str) -> [String; 2] {
    let mut words = line.split(' ').map(str::to_owned);
    match (words.next(), words.next(), words.next()) {
        (Some(word), Some(id), Some(amount)) if word == first => [id, amount],
        _ => ["none".to_owned(), "0".to_owned()],
    }
}

#[test]
#[ignore = "runs until it is killed: see the test before"]
fn spends_until_it_is_killed() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let world = World { ledger: Ledger::open(Path::new(&folder)).unwrap(), ..World::new("1000000") };
    runtime.block_on(join_all((0..TASKS).map(|task| spend(&world, task))));
}

async fn spend(world: &World, task: i64) {
    loop {
        let ask = Ask { worst: NanoDollars::new(WORST), ..world.ask("laptop", "0") };
        let mut reservation = world.ledger.reserve(ask, WAIT).await.unwrap();
        reservation.called();
        let id = reservation.id().clone();
        // From here on it may be charged, and will be at least this.
        let cost = WORST / 2 + task;
        say(&id, cost);
        reservation.settle(NanoDollars::new(cost)).written().await.unwrap();
        say(&id, cost);
    }
}

/// In one piece, so that a line is there whole or not at all.
fn say(id: &ChargeId, amount: i64) {
    std::io::stdout().write_all(format!("charge {id} {amount}\n").as_bytes()).unwrap();
}

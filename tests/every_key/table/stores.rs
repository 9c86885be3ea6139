//! `files` and `databases`, and who is granted them.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::{
    every_key::{
        case::{Case, case},
        look::{Look, call},
    },
    support::{LAPTOP, Server, client::stateless},
};

use super::of_the_profile;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = files();
    cases.extend(databases());
    cases.extend(postgres());
    cases
}

/// Who is granted what, as [`super::grants`].
pub(super) fn grants(level: &str, whose: &str) -> Vec<Case> {
    let grant = |key: &str| {
        let case = case(format!("{level}.{key}"), json!(["*"]), json!(["other-*"]));
        let case = if level == "profiles.*" {
            of_the_profile(case)
                .with("agents.*.files", json!(["other-*"]))
                .with("agents.*.databases", json!(["other-*"]))
        } else {
            case
        };
        reading(case, &[key])
    };
    let query = json!({ "database": "notes", "sql": "SELECT 1 AS n" });
    vec![
        grant("files").shows(read("a"), "one", &format!("file_root_not_granted_to_{whose}")),
        grant("databases").shows(
            call("db.query", query),
            r#"{"columns":["n"],"rows":[[1]]}"#,
            &format!("database_not_granted_to_{whose}"),
        ),
    ]
}

/// With a root `docs` and a database `notes`, granted unless the case does it.
fn reading(mut case: Case, itself: &[&str]) -> Case {
    let capabilities = json!(["fs:read", "db:read"]);
    for holder in ["agents.*", "tenants.*"] {
        case = case.with(&format!("{holder}.capabilities"), capabilities.clone());
        for key in ["files", "databases"] {
            let place = format!("{holder}.{key}");
            let is_itself = itself.contains(&key) && case.key == place;
            if !is_itself && !case.has(&place) {
                case = case.with(&place, json!(["*"]));
            }
        }
    }
    for (place, value) in [("files.roots.docs.path", "./one"), ("databases.notes.sqlite", "./one.db")] {
        if case.key != place.replace("docs", "*").replace("notes", "*") && !case.has("databases.*.postgres") {
            case = case.with(place, json!(value));
        }
    }
    case.beside(|folder, _| {
        for (name, number) in [("one", 1), ("two", 2)] {
            std::fs::create_dir(folder.join(name)).unwrap();
            std::fs::write(folder.join(name).join("a"), name).unwrap();
            std::fs::write(folder.join(name).join(".hidden"), "hidden").unwrap();
            let connection = Connection::open(folder.join(format!("{name}.db"))).unwrap();
            connection.execute_batch(&format!("CREATE TABLE n AS SELECT {number} AS n")).unwrap();
        }
        std::fs::write(folder.join("one/b"), "x".repeat(3000)).unwrap();
    })
}

fn read(path: &str) -> Look {
    call("fs.read", json!({ "root": "docs", "path": path }))
}

fn files() -> Vec<Case> {
    let root = |key: &str, before, after| {
        let case = case(format!("files.roots.*.{key}"), before, after);
        reading(case, &[])
    };
    let roots = |description: &str| {
        format!(r#"{{"entries":[],"more":false,"roots":[{{"description":"{description}","name":"docs"}}]}}"#)
    };
    vec![
        root("path", json!("./one"), json!("./two")).shows(read("a"), "one", "two"),
        root("description", json!("One"), json!("Two")).shows(
            call("fs.list", json!({})),
            &roots("One"),
            &roots("Two"),
        ),
        root("hidden", json!(false), json!(true)).shows(read(".hidden"), "hidden_file", "hidden"),
        root("max_read_bytes", json!(1024), json!(2048)).shows(
            read("b"),
            &"x".repeat(1024),
            &"x".repeat(2048),
        ),
        // There are two, and in which order nobody says.
        root("max_entries", json!(2), json!(1))
            .shows(
                call("fs.search", json!({ "root": "docs", "name": "c" })),
                r#"{"files":0,"matches":[]}"#,
                r#"{"files":0,"matches":[],"stopped":"entries"}"#,
            )
            .beside(|folder, _| {
                std::fs::create_dir(folder.join("one")).unwrap();
                for name in ["a", "b"] {
                    std::fs::write(folder.join("one").join(name), name).unwrap();
                }
            }),
    ]
}

fn databases() -> Vec<Case> {
    let database = |key: &str, before, after| {
        let case = case(format!("databases.*.{key}"), before, after);
        reading(case, &[])
    };
    let query = |sql: &str| call("db.query", json!({ "database": "notes", "sql": sql }));
    let listed = |description: &str| {
        format!(
            r#"{{"databases":[{{"description":"{description}","dialect":"sqlite","name":"notes"}}],"tables":[]}}"#
        )
    };
    let rows = |rows: &str| format!(r#"{{"columns":["n"],"rows":{rows}"#);
    vec![
        database("sqlite", json!("./one.db"), json!("./two.db")).shows(
            query("SELECT n FROM n"),
            &(rows("[[1]]") + "}"),
            &(rows("[[2]]") + "}"),
        ),
        database("description", json!("One"), json!("Two")).shows(
            call("db.tables", json!({})),
            &listed("One"),
            &listed("Two"),
        ),
        database("max_rows", json!(1), json!(2)).shows(
            query("SELECT 1 AS n UNION ALL SELECT 2"),
            &(rows("[[1]]") + r#","stopped":"rows"}"#),
            &(rows("[[1],[2]]") + "}"),
        ),
        database("max_bytes", json!(100), json!(2)).shows(
            query("SELECT 1 AS n"),
            &(rows("[[1]]") + "}"),
            "answer_too_large",
        ),
        database("timeout_seconds", json!(1), json!(2)).shows(
            how_long(),
            "still running after 1 s",
            "still running after 2 s",
        ),
        database("max_connections", json!(1), json!(2)).with("databases.*.timeout_seconds", json!(2)).shows(
            beside_a_long_one(),
            "waits",
            "at once",
        ),
    ]
}

const FOREVER: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

fn ask(server: &Server, sql: &str) -> reqwest::RequestBuilder {
    let arguments = json!({ "database": "notes", "sql": sql });
    stateless(server, LAPTOP, "tools/call", json!({ "name": "db.query", "arguments": arguments }))
}

fn how_long() -> Look {
    Box::new(|server| {
        let request = ask(server, FOREVER);
        Box::pin(async move {
            let answer = request.send().await.unwrap().text().await.unwrap();
            let seconds = ["still running after 1 s", "still running after 2 s"];
            seconds.into_iter().find(|it| answer.contains(it)).unwrap_or_default().to_owned()
        })
    })
}

/// Whether a short query waits for a long one.
fn beside_a_long_one() -> Look {
    Box::new(|server| {
        let long = ask(server, FOREVER);
        let short: Vec<_> = (0..10).map(|_| ask(server, "SELECT 1")).collect();
        Box::pin(async move {
            let long = tokio::spawn(long.send());
            let mut slowest = Duration::ZERO;
            for request in short {
                let start = Instant::now();
                request.send().await.unwrap().bytes().await.unwrap();
                slowest = slowest.max(start.elapsed());
            }
            long.await.unwrap().unwrap().bytes().await.unwrap();
            if slowest > Duration::from_secs(1) { "waits" } else { "at once" }.to_owned()
        })
    })
}

/// What only a server has: a stand-in tells what it was told, in refusing.
fn postgres() -> Vec<Case> {
    let database = |key: &str, before, after| {
        let case = case(format!("databases.*.{key}"), before, after);
        let case = if key == "postgres" { case } else { case.with("databases.*.postgres", url("reader")) };
        reading(case, &[])
    };
    let off = json!("off");
    vec![
        database("postgres", url("one"), url("two")).shows(
            why_not(&["role one", "role two"]),
            "role one",
            "role two",
        ),
        database("password", json!("${LAPTOP_TOKEN}"), json!("${REVIEWER_TOKEN}"))
            .with("databases.*.postgres", url("asked"))
            .shows(why_not(&["password laptop", "password review"]), "password laptop", "password review"),
        database("tls", off, json!("verify")).shows(
            why_not(&["role reader", "does not support TLS"]),
            "role reader",
            "does not support TLS",
        ),
        database("ca", json!("./one.pem"), json!("./two.pem")).shows(
            why_not(&["one.pem", "two.pem"]),
            "one.pem",
            "two.pem",
        ),
    ]
}

fn url(role: &str) -> Value {
    json!(format!("postgres://{role}@127.0.0.1:{}/notes", stand_in()))
}

/// Which of these words the operator reads last about why there is no connection.
fn why_not(words: &'static [&'static str]) -> Look {
    Box::new(move |server| {
        let request = ask(server, "SELECT 1");
        Box::pin(async move {
            request.send().await.unwrap().bytes().await.unwrap();
            let lines = server.log();
            let last = lines.iter().rfind(|line| line["target"] == "database" && line["error"].is_string());
            let error = last.map(|line| line["error"].to_string()).unwrap_or_default();
            words.iter().find(|word| error.contains(**word)).unwrap_or(&"").to_string()
        })
    })
}

/// The port of what speaks so much of PostgreSQL's protocol that it can refuse.
fn stand_in() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                thread::spawn(|| refuse(stream));
            }
        });
        port
    })
}

fn refuse(mut stream: impl Read + Write) -> Option<()> {
    let mut first = message(&mut stream)?;
    // A request for TLS is eight bytes; it is not to be had.
    if first.len() == 4 {
        stream.write_all(b"N").ok()?;
        first = message(&mut stream)?;
    }
    let texts: Vec<_> = first.get(4..)?.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let at = texts.iter().position(|text| text == "user")?;
    let role = texts.get(at + 1)?;
    let mut said = format!("role {role}");
    if role == "asked" {
        stream.write_all(b"R\0\0\0\x08\0\0\0\x03").ok()?;
        stream.read_exact(&mut [0]).ok()?;
        let password = message(&mut stream)?;
        said = format!("password {}", String::from_utf8_lossy(password.get(..6)?));
    }
    let fields = format!("SFATAL\0VFATAL\0C28000\0M{said}\0\0");
    let length = u32::try_from(fields.len() + 4).ok()?;
    stream.write_all(b"E").ok()?;
    stream.write_all(&length.to_be_bytes()).ok()?;
    stream.write_all(fields.as_bytes()).ok()
}

/// What follows a length that counts itself.
fn message(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut message = vec![0; usize::try_from(u32::from_be_bytes(length)).ok()?.checked_sub(4)?];
    stream.read_exact(&mut message).ok()?;
    Some(message)
}

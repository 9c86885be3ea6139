mod client;
mod waiting;

use std::{
    io,
    sync::{Arc, Mutex, mpsc},
};

use plugin_contract::op::host;
use serde_json::{Value, json};
use server_core::limits::counters::Counters;

use super::Withdrawn;
use crate::plugin::testing::{ask, instance, invocation, permit, services, slot, work};

/// What a plugin hears when it asks during a call of its own.
fn asked(op: &'static str, input: &'static str) -> Result<Value, Value> {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let core = instance(&services(), move |host, call, _| {
        tell.lock().unwrap().send(ask(host, op, call, input.as_bytes())).unwrap();
        Ok(Vec::new())
    });
    let mut invocation = invocation(permit(core.clone()), slot(&Counters::default()).unwrap());
    invocation.inline = true;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(core.invoke(invocation)).unwrap();
    parsed(told.recv().unwrap())
}

fn parsed(answer: Result<Vec<u8>, Vec<u8>>) -> Result<Value, Value> {
    let json = |bytes: Vec<u8>| serde_json::from_slice(&bytes).unwrap();
    answer.map(json).map_err(json)
}

#[test]
fn a_plugin_learns_what_the_server_is() {
    assert_eq!(
        asked(host::ABOUT_SERVER, "null"),
        Ok(json!({
            "name": "mcp-universal-server",
            "version": "0.1.0",
            "generation": 1,
            "protocol_versions": ["2025-11-25"],
            "plugin_api": "1.0",
            "uptime_seconds": 0,
            "plugins": [{ "name": "core", "version": "1.2.0" }],
        }))
    );
}

#[test]
fn a_plugin_learns_what_the_calling_agent_may() {
    let about = asked(host::ABOUT_AGENT, "null").unwrap();
    assert_eq!(about["agent"], "default");
    assert_eq!(about["tools"][0]["name"], "core.echo");
}

#[test]
fn what_this_server_does_not_know_is_unsupported() {
    assert_eq!(
        asked("coffee/make", "null"),
        Err(
            json!({ "code": "unsupported", "message": "this server does not know the operation `coffee/make`" })
        )
    );
    assert_eq!(
        asked(host::LOG, "\"hello\""),
        Err(json!({
            "code": "invalid_input",
            "message": "no log line: invalid type: string \"hello\", expected struct LogLine at line 1 column 7",
        }))
    );
}

#[test]
fn only_a_call_in_flight_has_rights_and_only_for_its_own_plugin() {
    let services = services();
    let core = instance(&services, |_, _, _| Ok(Vec::new()));
    let call = services.calls().begin(work(permit(core))).unwrap();
    let token = call.token().to_vec();
    let own = services.for_plugin("core".parse().unwrap(), Withdrawn::default()).object();
    let others = services.for_plugin("weather".parse().unwrap(), Withdrawn::default()).object();
    let over = json!({ "code": "denied", "message": "there is no such call, or it is over already" });
    let foreign = json!({ "code": "denied", "message": "the call is another plugin's" });
    for op in [host::ABOUT_SERVER, host::ABOUT_AGENT] {
        assert!(ask(&own, op, &token, b"null").is_ok());
        assert_eq!(parsed(ask(&others, op, &token, b"null")), Err(foreign.clone()));
        for nobody in [&b""[..], b"token", &[0; 16]] {
            assert_eq!(parsed(ask(&own, op, nobody, b"null")), Err(over.clone()));
        }
    }
    assert_eq!(
        parsed(ask(&others, host::LOG, &token, br#"{"level": "info", "message": "it was me"}"#)),
        Err(foreign)
    );
    drop(call);
    assert_eq!(parsed(ask(&own, host::ABOUT_AGENT, &token, b"null")), Err(over));
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_log_line_bears_the_plugins_name_and_during_a_call_the_agents() {
    let log = Log::default();
    let sink = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .without_time()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(move || sink.clone())
        .finish();
    let services = services();
    let core = instance(&services, |_, _, _| Ok(Vec::new()));
    let call = services.calls().begin(work(permit(core))).unwrap();
    let host = services.for_plugin("core".parse().unwrap(), Withdrawn::default()).object();
    tracing::subscriber::with_default(subscriber, || {
        for (token, line) in [
            (call.token(), &br#"{"level": "warn", "message": "odd\nline"}"#[..]),
            (&b""[..], br#"{"level": "debug", "message": "in create"}"#),
        ] {
            assert_eq!(ask(&host, host::LOG, token, line), Ok(b"null".to_vec()));
        }
    });
    let lines = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        lines,
        [
            json!({
                "level": "WARN",
                "fields": { "plugin": "core", "agent": "default", "message": "odd\\nline" },
                "target": "plugin",
            }),
            json!({ "level": "DEBUG", "fields": { "plugin": "core", "message": "in create" }, "target": "plugin" }),
        ]
    );
}

#[test]
fn lines_that_are_too_many_are_lost_and_counted() {
    let log = Log::default();
    let sink = log.clone();
    let subscriber =
        tracing_subscriber::fmt().json().without_time().with_writer(move || sink.clone()).finish();
    let services = services();
    let host = services.for_plugin("core".parse().unwrap(), Withdrawn::default()).object();
    let line = br#"{"level": "info", "message": "again"}"#;
    let mut written: u64 = 0;
    tracing::subscriber::with_default(subscriber, || {
        // Until one has room again, after others had none.
        while !String::from_utf8_lossy(&log.0.lock().unwrap()).contains("lines are lost") {
            assert_eq!(ask(&host, host::LOG, b"", line), Ok(b"null".to_vec()));
            written += 1;
        }
    });
    let lines = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let lost = lines.iter().find_map(|line| line["fields"]["lost"].as_u64()).unwrap();
    assert_eq!(
        lines.len() as u64 + lost,
        written + 1,
        "each is there or counted, and the count is there too"
    );
}

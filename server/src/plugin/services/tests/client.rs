//! What plugins may tell clients, and ask of them.

use std::time::{Duration, Instant};

use plugin_contract::op::{Answers, Ask, ClientAbout, ClientLog, Offered, OpError, Progress};
use server_core::conversation::Conversation;

use super::*;
use crate::plugin::{deadline::Deadline, services::Work};

/// Keeps what it hears, and knows the answer to everything.
#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<String>>);

impl Recorder {
    fn note(&self, heard: impl ToString) {
        self.0.lock().unwrap().push(heard.to_string());
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Conversation for Recorder {
    fn client(&self) -> ClientAbout {
        ClientAbout { roots: true, ..ClientAbout::default() }
    }

    fn progress(&self, progress: Progress) {
        self.note(json!(progress));
    }

    fn log(&self, message: ClientLog) {
        self.note(message.data);
    }

    fn ask(&self, ask: Ask, _: Instant) -> Result<Answers, OpError> {
        let answers = ask.questions.into_keys().map(|key| (key, json!({ "roots": [] }))).collect();
        Ok(Answers { answers })
    }

    fn detach(&self, _: bool) -> Result<bool, OpError> {
        Ok(true)
    }

    fn resource_updated(&self, uri: &str) {
        self.note(uri);
    }

    fn offer_changed(&self, thing: &Offered) {
        self.note(format!("{thing:?}"));
    }
}

/// A call of `core.echo`, and a way to ask the host on its behalf.
struct Bench {
    heard: Arc<Recorder>,
    services: crate::plugin::HostServices,
    core: Arc<dyn server_core::registry::Instance>,
}

impl Bench {
    fn new() -> Self {
        let services = services();
        let core = instance(&services, |_, _, _| Ok(Vec::new()));
        Self { heard: Arc::default(), services, core }
    }

    fn asks(&self, change: impl FnOnce(&mut Work), op: &str, input: &Value) -> Result<Value, Value> {
        let mut work = work(permit(self.core.clone()));
        work.conversation = self.heard.clone();
        change(&mut work);
        let call = self.services.calls().begin(work).unwrap();
        let host = self.services.for_plugin("core".parse().unwrap(), Withdrawn::default()).object();
        parsed(ask(&host, op, call.token(), input.to_string().as_bytes()))
    }

    fn ask(&self, op: &str, input: &Value) -> Result<Value, Value> {
        self.asks(|_| {}, op, input)
    }
}

fn invalid(message: &str) -> Result<Value, Value> {
    Err(json!({ "code": "invalid_input", "message": message }))
}

#[test]
fn what_a_plugin_says_reaches_the_client_within_bounds() {
    let bench = Bench::new();
    let long = "ä".repeat(400);
    assert_eq!(bench.ask(host::PROGRESS, &json!({ "progress": 1.5, "message": long })), Ok(Value::Null));
    let heard: Value = serde_json::from_str(&bench.heard.heard()[0]).unwrap();
    assert_eq!((&heard["progress"], &heard["message"]), (&json!(1.5), &json!("ä".repeat(256))));

    for (data, heard) in
        [(json!("short"), "\"short\""), (json!("x".repeat(9000)), "\"a message too large to be passed on\"")]
    {
        let message = json!({ "level": "info", "data": data });
        assert_eq!(bench.ask(host::CLIENT_LOG, &message), Ok(Value::Null));
        assert_eq!(bench.heard.heard(), [heard]);
    }
}

#[test]
fn questions_have_bounds_and_a_thread_that_may_wait() {
    let bench = Bench::new();
    let roots = json!({ "method": "roots/list", "params": {} });
    let questions = |count: usize| {
        let all: serde_json::Map<_, _> = (0..count).map(|n| (n.to_string(), roots.clone())).collect();
        json!({ "questions": all })
    };
    assert_eq!(
        bench.ask(host::ASK, &questions(2)),
        Ok(json!({ "answers": { "0": { "roots": [] }, "1": { "roots": [] } } }))
    );
    for count in [0, 9] {
        assert_eq!(bench.ask(host::ASK, &questions(count)), invalid("ask 1 to 8 questions at once"));
    }
    let key = json!({ "questions": { "k".repeat(65): roots } });
    assert_eq!(bench.ask(host::ASK, &key), invalid("the key of a question has 1 to 64 bytes"));
    let sampling = json!({
        "method": "sampling/createMessage",
        "params": { "messages": [{ "role": "user", "content": { "type": "text", "text": "x".repeat(40_000) } }], "maxTokens": 1 },
    });
    let large = json!({ "questions": { "k": sampling } });
    assert_eq!(bench.ask(host::ASK, &large), invalid("the questions have more than 32768 bytes"));
    assert_eq!(
        bench.asks(|work| work.may_wait = false, host::ASK, &questions(1)),
        invalid("a tool that is `inline` cannot ask, since it must not wait: remove `.inline()`")
    );
}

#[test]
fn only_a_call_that_may_take_its_time_is_detached() {
    let bench = Bench::new();
    let required = json!({ "required": false });
    assert_eq!(bench.ask(host::DETACH, &required), Ok(json!(true)));
    assert_eq!(
        bench.asks(|work| work.may_wait = false, host::DETACH, &required),
        invalid("a tool that is `inline` is done at once: remove `.inline()`")
    );
}

#[test]
fn a_call_sees_that_it_is_in_vain() {
    let bench = Bench::new();
    let state = bench.ask(host::CALL_STATE, &Value::Null).unwrap();
    assert_eq!(state["cancelled"], false);
    assert!(state["remaining_ms"].as_u64().unwrap() > 3_000_000, "{state}");
    let abandoned = |work: &mut Work| work.abandoned.cancel();
    let over = |work: &mut Work| work.deadline = Deadline::after(Duration::ZERO);
    assert_eq!(bench.asks(abandoned, host::CALL_STATE, &Value::Null).unwrap()["cancelled"], true);
    assert_eq!(
        bench.asks(over, host::CALL_STATE, &Value::Null),
        Ok(json!({ "cancelled": true, "remaining_ms": 0 }))
    );
}

#[test]
fn a_plugin_has_news_of_its_own_things_only() {
    let bench = Bench::new();
    let no_resource = json!({ "code": "not_found", "message": "plugin `core` has no such resource" });
    assert_eq!(bench.ask(host::RESOURCE_UPDATED, &json!({ "uri": "about://server" })), Err(no_resource));
    let offer = |name: &str| json!({ "thing": { "tool": name }, "available": false });
    assert_eq!(bench.ask(host::OFFER, &offer("core.echo")), Ok(Value::Null));
    assert_eq!(bench.heard.heard(), ["Tool(\"core.echo\")"]);
    let message = "plugin `core` does not list that, so it can neither withdraw nor offer it";
    assert_eq!(
        bench.ask(host::OFFER, &offer("core.wipe")),
        Err(json!({ "code": "not_found", "message": message }))
    );
}

#[test]
fn a_plugin_that_withdraws_the_same_twice_tells_nobody_twice_and_cannot_go_on_for_ever() {
    let services = services();
    let core = instance(&services, |_, _, _| Ok(Vec::new()));
    let heard = Arc::new(Recorder::default());
    let mut work = work(permit(core));
    work.conversation = heard.clone();
    let call = services.calls().begin(work).unwrap();
    let withdrawn = Withdrawn::default();
    let own = services.for_plugin("core".parse().unwrap(), withdrawn.clone()).object();
    let offer = json!({ "thing": { "tool": "core.echo" }, "available": false }).to_string();
    let offers = || parsed(ask(&own, host::OFFER, call.token(), offer.as_bytes()));
    assert_eq!((offers(), offers()), (Ok(Value::Null), Ok(Value::Null)));
    assert_eq!(heard.heard().len(), 1);
    assert!(!withdrawn.offers(&Offered::Tool("core.echo".to_owned())));
    let too_much = json!({ "code": "denied", "message": "plugin `core` has too much news" });
    assert!((0..100).any(|_| offers() == Err(too_much.clone())));
}

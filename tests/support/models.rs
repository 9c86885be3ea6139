//! A provider of models on this machine, in each of the three interfaces.
//!
//! Its answers have the shapes of the public references, as the providers' own SDKs
//! have them in code:
//! - Responses: openai/openai-python of 2026-08-21, `types/responses/` (`response.py`,
//!   `response_usage.py` and a file for each event);
//! - Chat Completions: the same, `types/chat/chat_completion_chunk.py` and
//!   `types/completion_usage.py`;
//! - Messages: anthropics/anthropic-sdk-python of 2026-08-08, `types/raw_message_*.py`,
//!   `types/usage.py`, `types/shared/error_response.py`, and its own recorded stream,
//!   `tests/lib/streaming/fixtures/basic_response.txt`;
//! - errors: `error` of OpenAI's reference and of Anthropic's; in a stream, OpenAI's as
//!   `types/responses/response_error_event.py` has it, and as `_streaming.py` reads it.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, oneshot};

/// The provider. What a prompt says decides what it does.
pub(crate) struct Models {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
}

#[derive(Default)]
struct Shared {
    asked: Mutex<Vec<Asked>>,
    once: Mutex<BTreeSet<String>>,
    ended: AtomicUsize,
    gate: Gate,
}

/// Shut, until a test opens it for one answer after another.
struct Gate(Arc<Semaphore>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }
}

/// What was asked of it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Models {
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let serving = axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router);
                tokio::select! {
                    _ = serving => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, shared, stop: Some(stop) }
    }

    /// Every request so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Lets one answer go on that waits at the gate.
    pub(crate) fn open_gate(&self) {
        self.shared.gate.0.add_permits(1);
    }

    /// How many answers ended before they were whole.
    pub(crate) fn hung_up(&self) -> usize {
        self.shared.ended.load(Ordering::SeqCst)
    }
}

impl Drop for Models {
    fn drop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }
}

async fn answer(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let prompt = prompt(&body);
    shared.asked.lock().unwrap().push(Asked { path: uri.path().to_owned(), headers, body });
    let words: Vec<_> = prompt.split(' ').collect();
    let path = uri.path();
    match words.as_slice() {
        ["status", status] => refusal(path, status),
        ["says", ..] => complaint(prompt.trim_start_matches("says ")),
        ["once", status] if shared.once.lock().unwrap().insert(prompt.clone()) => refusal(path, status),
        ["hang"] => hang(shared.clone(), beginning(path)),
        ["mute"] => hang(shared.clone(), Vec::new()),
        ["gate"] => {
            let (gate, first) = (shared.gate.0.clone(), beginning(path));
            let rest = events(path, Some(usual()))[first.len()..].to_vec();
            let rest = stream::once(async move {
                gate.acquire().await.unwrap().forget();
                rest.concat()
            });
            let body = stream::iter(first).chain(rest).map(Ok::<_, Infallible>);
            ([("content-type", "text/event-stream")], Body::from_stream(body)).into_response()
        }
        ["cut"] => stream_of(beginning(path)),
        ["trouble", place] => stream_of([beginning(path), vec![trouble(path, place)]].concat()),
        ["silent"] => stream_of(events(path, None)),
        ["usage", input, cached, output] => {
            let number = |text: &str| serde_json::from_str(text).unwrap();
            stream_of(events(path, Some([number(input), number(cached), number(output)])))
        }
        _ => stream_of(events(path, Some(usual()))),
    }
}

/// What most answers take.
fn usual() -> [Value; 3] {
    [json!(1000), json!(200), json!(500)]
}

/// Up to the first piece of the text.
fn beginning(path: &str) -> Vec<String> {
    let mut events = events(path, Some(usual()));
    let first = events.iter().position(|event| event.contains("Hello")).unwrap_or_default();
    events.truncate(first + 1);
    events
}

fn prompt(body: &Value) -> String {
    let last = body["messages"].as_array().and_then(|messages| messages.last());
    let text = last.map_or(&body["input"], |message| &message["content"]);
    text.as_str().unwrap().to_owned()
}

fn refusal(path: &str, status: &str) -> Response {
    let status = StatusCode::from_bytes(status.as_bytes()).unwrap();
    let message = format!("no: {status}");
    let error = match path {
        "/v1/messages" => {
            json!({ "type": "error", "error": { "type": "api_error", "message": message }, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy" })
        }
        _ => {
            json!({ "error": { "message": message, "type": "server_error", "param": null, "code": null } })
        }
    };
    (status, [("content-type", "application/json"), ("retry-after", "0")], error.to_string()).into_response()
}

/// A provider that repeats what it was sent in what it says is wrong.
fn complaint(text: &str) -> Response {
    let error = json!({ "error": { "message": text, "type": text, "code": text } });
    (StatusCode::BAD_REQUEST, [("content-type", "application/json")], error.to_string()).into_response()
}

/// An error in the middle of a stream, with its message `nested` in `error` or, as only
/// Responses have it, `beside` the type.
fn trouble(path: &str, place: &str) -> String {
    let message = "The server had an error";
    let error = json!({ "type": "server_error", "code": null, "message": message, "param": null });
    match (path, place) {
        ("/v1/messages", _) => {
            named(&json!({ "type": "error", "error": { "type": "overloaded_error", "message": message } }))
        }
        ("/v1/responses", "beside") => named(
            &json!({ "type": "error", "code": "server_error", "message": message, "param": null, "sequence_number": 5 }),
        ),
        ("/v1/responses", _) => named(&json!({ "type": "error", "error": error, "sequence_number": 5 })),
        _ => data(&json!({ "error": error })),
    }
}

/// Counts when it is dropped.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

fn hang(shared: Arc<Shared>, events: Vec<String>) -> Response {
    let ending = Ending(shared);
    let first = stream::iter(events);
    let silence = stream::pending().map(move |event: String| {
        let _ = &ending;
        event
    });
    let body = first.chain(silence).map(Ok::<_, Infallible>);
    ([("content-type", "text/event-stream")], Body::from_stream(body)).into_response()
}

fn stream_of(events: Vec<String>) -> Response {
    let body = Body::from_stream(stream::iter(events).map(Ok::<_, Infallible>));
    ([("content-type", "text/event-stream")], body).into_response()
}

/// `Hello!`, and how many tokens of input, of cached ones among them, and of output
/// that took.
fn events(path: &str, usage: Option<[Value; 3]>) -> Vec<String> {
    match path {
        "/v1/chat/completions" => chat(usage),
        "/v1/responses" => responses(usage),
        "/v1/messages" => messages(usage),
        _ => Vec::new(),
    }
}

fn data(event: &Value) -> String {
    format!("data: {event}\n\n")
}

fn named(event: &Value) -> String {
    format!("event: {}\n{}", event["type"].as_str().unwrap(), data(event))
}

/// The sum, where it is one.
fn total(one: &Value, other: &Value) -> Value {
    json!(one.as_u64().unwrap_or_default().saturating_add(other.as_u64().unwrap_or_default()))
}

fn chat(usage: Option<[Value; 3]>) -> Vec<String> {
    let chunk = |choices: Value, usage: Value| {
        data(&json!({
            "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT", "object": "chat.completion.chunk",
            "created": 1_741_569_952, "model": "m", "service_tier": "default",
            "system_fingerprint": "fp_44709d6fcb", "choices": choices, "usage": usage, "obfuscation": "x4Bq",
        }))
    };
    let choice = |delta: Value, reason: Value| json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": reason }]);
    let start = json!({ "role": "assistant", "content": "", "refusal": null });
    let mut events = vec![
        chunk(choice(start, Value::Null), Value::Null),
        chunk(choice(json!({ "content": "Hello" }), Value::Null), Value::Null),
        chunk(choice(json!({ "content": "!" }), Value::Null), Value::Null),
        chunk(choice(json!({}), json!("stop")), Value::Null),
    ];
    events.extend(usage.map(|[input, cached, output]| {
        let usage = json!({
            "prompt_tokens": input, "completion_tokens": output, "total_tokens": total(&input, &output),
            "prompt_tokens_details": { "cached_tokens": cached, "cache_write_tokens": 0, "audio_tokens": 0 },
            "completion_tokens_details": {
                "reasoning_tokens": 0, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        });
        chunk(json!([]), usage)
    }));
    events.push("data: [DONE]\n\n".to_owned());
    events
}

fn responses(usage: Option<[Value; 3]>) -> Vec<String> {
    let usage = usage.map_or(Value::Null, |[input, cached, output]| {
        json!({
            "input_tokens": input, "input_tokens_details": { "cached_tokens": cached, "cache_write_tokens": 0 },
            "output_tokens": output, "output_tokens_details": { "reasoning_tokens": 0 },
            "total_tokens": total(&input, &output),
        })
    });
    let response = |status: &str, output: Value, usage: &Value| {
        json!({
            "id": "resp_67c9fdcecf488190bdd9a0409de3a1ec07b8b0ad4e5eb654", "object": "response",
            "created_at": 1_741_290_958, "status": status, "error": null, "incomplete_details": null,
            "instructions": null, "max_output_tokens": 1000, "model": "m", "output": output,
            "parallel_tool_calls": true, "previous_response_id": null, "reasoning": { "effort": null, "summary": null },
            "store": false, "temperature": 1.0, "text": { "format": { "type": "text" } }, "tool_choice": "auto",
            "tools": [], "top_p": 1.0, "truncation": "disabled", "usage": usage, "user": null, "metadata": {},
        })
    };
    let item = "msg_67c9fdcf37fc8190ba82116e33fb28c507b8b0ad4e5eb654";
    let part = |text: &str| json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] });
    let message = |status: &str, content: Value| json!({ "id": item, "type": "message", "status": status, "role": "assistant", "content": content });
    let delta = |text: &str| json!({ "type": "response.output_text.delta", "item_id": item, "output_index": 0, "content_index": 0, "delta": text, "logprobs": [] });
    let mut events = vec![
        json!({ "type": "response.created", "response": response("in_progress", json!([]), &Value::Null) }),
        json!({ "type": "response.in_progress", "response": response("in_progress", json!([]), &Value::Null) }),
        json!({ "type": "response.output_item.added", "output_index": 0, "item": message("in_progress", json!([])) }),
        json!({ "type": "response.content_part.added", "item_id": item, "output_index": 0, "content_index": 0, "part": part("") }),
        delta("Hello"),
        delta("!"),
        json!({ "type": "response.output_text.done", "item_id": item, "output_index": 0, "content_index": 0, "text": "Hello!", "logprobs": [] }),
        json!({ "type": "response.content_part.done", "item_id": item, "output_index": 0, "content_index": 0, "part": part("Hello!") }),
        json!({ "type": "response.output_item.done", "output_index": 0, "item": message("completed", json!([part("Hello!")])) }),
        json!({ "type": "response.completed", "response": response("completed", json!([message("completed", json!([part("Hello!")]))]), &usage) }),
    ];
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    events.iter().map(named).collect()
}

fn messages(usage: Option<[Value; 3]>) -> Vec<String> {
    let (start, end) = usage.map_or((Value::Null, Value::Null), |[input, cached, output]| {
        // Its input excludes what the cache knew.
        let uncached = match (input.as_u64(), cached.as_u64()) {
            (Some(input), Some(cached)) => json!(input.saturating_sub(cached)),
            _ => input,
        };
        let start = json!({
            "input_tokens": uncached, "cache_creation_input_tokens": 0, "cache_read_input_tokens": cached,
            "cache_creation": { "ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0 },
            "output_tokens": 1, "service_tier": "standard", "inference_geo": "global",
        });
        let end = json!({
            "input_tokens": uncached, "cache_creation_input_tokens": 0, "cache_read_input_tokens": cached,
            "output_tokens": output,
        });
        (start, end)
    });
    let delta = |text: &str| json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": text } });
    let events = [
        json!({ "type": "message_start", "message": {
            "id": "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY", "type": "message", "role": "assistant",
            "content": [], "model": "m", "stop_reason": null, "stop_sequence": null, "stop_details": null, "usage": start,
        } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        json!({ "type": "ping" }),
        delta("Hello"),
        delta("!"),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn", "stop_sequence": null, "stop_details": null }, "usage": end }),
        json!({ "type": "message_stop" }),
    ];
    events.iter().map(named).collect()
}

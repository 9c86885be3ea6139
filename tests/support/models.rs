//! A provider of models on this machine, in each of the three interfaces.
//!
//! Its answers have the shapes that the public references of the interfaces show:
//! OpenAI's for Responses and Chat Completions (platform.openai.com/docs/api-reference,
//! streaming events and `stream_options.include_usage`) and Anthropic's for Messages
//! (docs.claude.com/en/api/messages-streaming).

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
use tokio::sync::oneshot;

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
    match words.as_slice() {
        ["status", status] => refusal(status),
        ["says", ..] => complaint(prompt.trim_start_matches("says ")),
        ["once", status] if shared.once.lock().unwrap().insert(prompt.clone()) => refusal(status),
        ["hang"] => hang(shared.clone(), uri.path()),
        ["cut"] => stream_of(events(uri.path(), true).into_iter().take(2).collect()),
        ["silent"] => stream_of(events(uri.path(), false)),
        _ => stream_of(events(uri.path(), true)),
    }
}

fn prompt(body: &Value) -> String {
    let last = body["messages"].as_array().and_then(|messages| messages.last());
    let text = last.map_or(&body["input"], |message| &message["content"]);
    text.as_str().unwrap().to_owned()
}

fn refusal(status: &str) -> Response {
    let status = StatusCode::from_bytes(status.as_bytes()).unwrap();
    let error =
        json!({ "error": { "message": format!("no: {status}"), "type": "some_error", "code": null } });
    (status, [("content-type", "application/json"), ("retry-after", "0")], error.to_string()).into_response()
}

/// A provider that repeats what it was sent in what it says is wrong.
fn complaint(text: &str) -> Response {
    let error = json!({ "error": { "message": text, "type": text, "code": text } });
    (StatusCode::BAD_REQUEST, [("content-type", "application/json")], error.to_string()).into_response()
}

/// Counts when it is dropped.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

fn hang(shared: Arc<Shared>, path: &str) -> Response {
    let ending = Ending(shared);
    let first = stream::iter(events(path, true).into_iter().take(2));
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

/// `Hello!` for 1000 tokens of input, 200 of them cached, and 500 of output.
fn events(path: &str, tells_usage: bool) -> Vec<String> {
    let data = |event: Value| format!("data: {event}\n\n");
    let named = |event: Value| format!("event: {}\n{}", event["type"].as_str().unwrap(), data(event.clone()));
    match path {
        "/v1/chat/completions" => {
            let chunk = |choices: Value, usage: Value| {
                data(json!({
                    "id": "chatcmpl-123", "object": "chat.completion.chunk", "created": 1_694_268_190,
                    "model": "m", "system_fingerprint": "fp_44709d6fcb", "choices": choices, "usage": usage,
                }))
            };
            let choice = |delta: Value, reason: Value| json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": reason }]);
            let mut events = vec![
                chunk(choice(json!({ "role": "assistant", "content": "" }), Value::Null), Value::Null),
                chunk(choice(json!({ "content": "Hello" }), Value::Null), Value::Null),
                chunk(choice(json!({ "content": "!" }), Value::Null), Value::Null),
                chunk(choice(json!({}), json!("stop")), Value::Null),
            ];
            let usage = json!({
                "prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500,
                "prompt_tokens_details": { "cached_tokens": 200 },
            });
            events.extend(tells_usage.then(|| chunk(json!([]), usage)));
            events.push("data: [DONE]\n\n".to_owned());
            events
        }
        "/v1/responses" => {
            let usage = json!({
                "input_tokens": 1000, "input_tokens_details": { "cached_tokens": 200 },
                "output_tokens": 500, "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 1500,
            });
            let response = |status: &str, usage: Value| json!({ "id": "resp_67c9fdcecf48", "object": "response", "status": status, "model": "m", "usage": usage });
            let usage = if tells_usage { usage } else { Value::Null };
            vec![
                named(
                    json!({ "type": "response.created", "response": response("in_progress", Value::Null) }),
                ),
                named(
                    json!({ "type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "Hello" }),
                ),
                named(
                    json!({ "type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "!" }),
                ),
                named(json!({ "type": "response.completed", "response": response("completed", usage) })),
            ]
        }
        "/v1/messages" => {
            let usage = |usage: Value| if tells_usage { usage } else { Value::Null };
            let start = usage(json!({
                "input_tokens": 800, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 200, "output_tokens": 1,
            }));
            vec![
                named(json!({ "type": "message_start", "message": {
                    "id": "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY", "type": "message", "role": "assistant",
                    "content": [], "model": "m", "stop_reason": null, "stop_sequence": null, "usage": start,
                } })),
                named(
                    json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
                ),
                named(json!({ "type": "ping" })),
                named(
                    json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "Hello" } }),
                ),
                named(
                    json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "!" } }),
                ),
                named(json!({ "type": "content_block_stop", "index": 0 })),
                named(
                    json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn", "stop_sequence": null }, "usage": usage(json!({ "output_tokens": 500 })) }),
                ),
                named(json!({ "type": "message_stop" })),
            ]
        }
        _ => Vec::new(),
    }
}

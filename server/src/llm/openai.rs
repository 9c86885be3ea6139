//! OpenAI's Responses.
//!
//! As its API reference and OpenAI's Python SDK of 2026-08-21 have it:
//! `types/responses/response_create_params.py`, `response_stream_event.py`,
//! `response_error_event.py` and `response_usage.py`, and `_streaming.py`.

use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use server_core::llm::{
    price::Usage,
    provider::{Listener, Provider, ProviderError, Question, Reply},
};

use super::exchange::{Reading, Speech, exchange, malformed, readable, set, told};
use crate::egress::Connector;

/// Speaks to OpenAI.
pub(super) struct OpenAi(pub(super) Connector);

impl Provider for OpenAi {
    fn ask<'a>(
        &'a self,
        question: &'a Question<'a>,
        listener: &'a dyn Listener,
    ) -> BoxFuture<'a, Result<Reply, ProviderError>> {
        let speech = Speech {
            path: "responses",
            key: ("authorization", "Bearer "),
            headers: &[],
            body: body(question),
        };
        Box::pin(exchange(&self.0, question, listener, speech, Responses::default()))
    }
}

fn body(question: &Question<'_>) -> Value {
    let mut body = json!({
        "model": question.model,
        "input": question.prompt,
        "max_output_tokens": question.max_tokens,
        "stream": true,
        // What agents ask is kept by nobody who need not.
        "store": false,
    });
    set(&mut body, "instructions", question.system);
    set(&mut body, "temperature", question.temperature);
    body
}

/// The events that matter; there are many others.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Event {
    #[serde(rename = "response.output_text.delta", alias = "response.refusal.delta")]
    Text { delta: String },
    #[serde(rename = "response.completed")]
    Completed { response: Response },
    #[serde(rename = "response.incomplete")]
    Incomplete { response: Response },
    #[serde(rename = "response.failed")]
    Failed { response: Response },
    #[serde(rename = "error")]
    Error { message: Option<String>, error: Option<Said> },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default, deserialize_with = "told")]
    usage: Option<Used>,
    error: Option<Said>,
    incomplete_details: Option<Incomplete>,
}

#[derive(Deserialize)]
struct Said {
    message: Option<String>,
}

#[derive(Deserialize)]
struct Incomplete {
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Used {
    input_tokens: u64,
    output_tokens: u64,
    input_tokens_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

impl Used {
    /// Its input includes what the cache knew and what is put into it.
    fn usage(&self) -> Usage {
        let detail = |of: fn(&Details) -> Option<u64>| self.input_tokens_details.as_ref().and_then(of);
        let cached_input = detail(|it| it.cached_tokens).unwrap_or_default().min(self.input_tokens);
        let uncached = self.input_tokens - cached_input;
        let cache_write = detail(|it| it.cache_write_tokens).unwrap_or_default().min(uncached);
        Usage { input: uncached - cache_write, cached_input, cache_write, output: self.output_tokens }
    }
}

#[derive(Default)]
struct Responses {
    reply: Reply,
    is_done: bool,
}

impl Responses {
    fn end(&mut self, response: &Response, listener: &dyn Listener) {
        self.is_done = true;
        if let Some(used) = &response.usage {
            self.reply.usage = Some(used.usage());
            listener.used(used.usage());
        }
    }
}

impl Reading for Responses {
    fn event(&mut self, data: &str, listener: &dyn Listener) -> Result<(), ProviderError> {
        if data == "[DONE]" {
            return Ok(());
        }
        let broke = |message: Option<String>| {
            Err(ProviderError::CutOff(readable(message.as_deref().unwrap_or("no reason given"), None)))
        };
        match serde_json::from_str(data).map_err(|_| malformed("an event is none of Responses"))? {
            Event::Text { delta } => {
                self.reply.text.push_str(&delta);
                listener.text(&delta);
            }
            Event::Completed { response } => self.end(&response, listener),
            Event::Incomplete { response } => {
                let reason = response.incomplete_details.as_ref().and_then(|it| it.reason.as_deref());
                self.reply.is_cut = reason == Some("max_output_tokens");
                self.end(&response, listener);
            }
            Event::Failed { response } => {
                self.end(&response, listener);
                return broke(response.error.and_then(|error| error.message));
            }
            // The reference has the message beside the type, OpenAI's SDK looks inside
            // of `error` for it.
            Event::Error { message, error } => return broke(message.or_else(|| error?.message)),
            Event::Other => {}
        }
        Ok(())
    }

    fn reply(self) -> Option<Reply> {
        self.is_done.then_some(self.reply)
    }
}

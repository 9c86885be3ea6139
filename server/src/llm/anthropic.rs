//! Anthropic's Messages.
//!
//! As its API reference and Anthropic's Python SDK of 2026-08-08 have it:
//! `types/raw_message_stream_event.py`, `usage.py` and `message_delta_usage.py`.

use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use server_core::llm::{
    price::Usage,
    provider::{Listener, Provider, ProviderError, Question, Reply},
};

use super::exchange::{Reading, Speech, exchange, malformed, readable, set, told};
use crate::egress::Connector;

/// Speaks to Anthropic.
pub(super) struct Anthropic(pub(super) Connector);

impl Provider for Anthropic {
    fn ask<'a>(
        &'a self,
        question: &'a Question<'a>,
        listener: &'a dyn Listener,
    ) -> BoxFuture<'a, Result<Reply, ProviderError>> {
        let speech = Speech {
            path: "v1/messages",
            key: ("x-api-key", ""),
            headers: &[("anthropic-version", "2023-06-01")],
            body: body(question),
        };
        Box::pin(exchange(&self.0, question, listener, speech, Messages::default()))
    }
}

fn body(question: &Question<'_>) -> Value {
    let mut body = json!({
        "model": question.model,
        "max_tokens": question.max_tokens,
        "messages": [{ "role": "user", "content": question.prompt }],
        "stream": true,
    });
    set(&mut body, "system", question.system);
    set(&mut body, "temperature", question.temperature);
    body
}

/// The events that matter; there are others.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Message,
    },
    ContentBlockDelta {
        delta: Delta,
    },
    MessageDelta {
        delta: Stop,
        #[serde(default, deserialize_with = "told")]
        usage: Option<Used>,
    },
    MessageStop,
    Error {
        error: Said,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default, deserialize_with = "told")]
    usage: Option<Used>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Delta {
    TextDelta {
        text: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Stop {
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    message: Option<String>,
}

/// The last event has the sums, some of which are only in the first.
#[derive(Deserialize)]
struct Used {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

#[derive(Default)]
struct Messages {
    reply: Reply,
    used: Usage,
    is_done: bool,
}

impl Messages {
    /// Its input excludes what the cache knew and what is put into it.
    fn used(&mut self, used: &Used, listener: &dyn Listener) {
        let Usage { input, cached_input, cache_write, output } = &mut self.used;
        for (count, told) in [
            (input, used.input_tokens),
            (cached_input, used.cache_read_input_tokens),
            (cache_write, used.cache_creation_input_tokens),
            (output, used.output_tokens),
        ] {
            *count = told.unwrap_or(*count).max(*count);
        }
        listener.used(self.used);
    }
}

impl Reading for Messages {
    fn event(&mut self, data: &str, listener: &dyn Listener) -> Result<(), ProviderError> {
        match serde_json::from_str(data).map_err(|_| malformed("an event is none of Messages"))? {
            Event::MessageStart { message: Message { usage: Some(used) } } => self.used(&used, listener),
            Event::ContentBlockDelta { delta: Delta::TextDelta { text } } => {
                self.reply.text.push_str(&text);
                listener.text(&text);
            }
            Event::MessageDelta { delta, usage } => {
                self.reply.is_cut = matches!(
                    delta.stop_reason.as_deref(),
                    Some("max_tokens" | "model_context_window_exceeded")
                );
                if let Some(used) = usage {
                    self.used(&used, listener);
                    // The first event cannot know how long the answer will be.
                    self.reply.usage = used.output_tokens.map(|output| Usage { output, ..self.used });
                }
            }
            Event::MessageStop => self.is_done = true,
            Event::Error { error } => {
                let message = error.message.as_deref().unwrap_or("no reason given");
                return Err(ProviderError::CutOff(readable(message, None)));
            }
            Event::MessageStart { .. } | Event::ContentBlockDelta { .. } | Event::Other => {}
        }
        Ok(())
    }

    fn reply(self) -> Option<Reply> {
        self.is_done.then_some(self.reply)
    }
}

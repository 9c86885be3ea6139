//! OpenAI's Chat Completions, as Ollama, vLLM and llama.cpp speak it too.
//!
//! As OpenAI's Python SDK of 2026-08-21 has it: `types/chat/chat_completion_chunk.py`
//! and `types/completion_usage.py`. The limit is `max_tokens`, which OpenAI itself has
//! replaced, since the others know no other name.

use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use server_core::llm::{
    price::Usage,
    provider::{Listener, Provider, ProviderError, Question, Reply},
};

use super::exchange::{Reading, Speech, exchange, malformed, message, readable, set, told};
use crate::egress::Connector;

/// Speaks to servers of that interface.
pub(super) struct Local(pub(super) Connector);

impl Provider for Local {
    fn ask<'a>(
        &'a self,
        question: &'a Question<'a>,
        listener: &'a dyn Listener,
    ) -> BoxFuture<'a, Result<Reply, ProviderError>> {
        let speech = Speech {
            path: "chat/completions",
            key: ("authorization", "Bearer "),
            headers: &[],
            body: body(question),
        };
        Box::pin(exchange(&self.0, question, listener, speech, Chat::default()))
    }
}

fn body(question: &Question<'_>) -> Value {
    let system = question.system.map(|system| json!({ "role": "system", "content": system }));
    let messages: Vec<_> =
        system.into_iter().chain([json!({ "role": "user", "content": question.prompt })]).collect();
    let mut body = json!({
        "model": question.model,
        "messages": messages,
        "max_tokens": question.max_tokens,
        "stream": true,
        // Without it, a stream does not say what was used.
        "stream_options": { "include_usage": true },
    });
    set(&mut body, "temperature", question.temperature);
    body
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default, deserialize_with = "told")]
    usage: Option<Used>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    content: Option<String>,
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct Used {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    prompt_tokens_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

impl Used {
    /// Its input includes what the cache knew and what is put into it.
    fn usage(&self) -> Usage {
        let detail = |of: fn(&Details) -> Option<u64>| self.prompt_tokens_details.as_ref().and_then(of);
        let cached_input = detail(|it| it.cached_tokens).unwrap_or_default().min(self.prompt_tokens);
        let uncached = self.prompt_tokens - cached_input;
        let cache_write = detail(|it| it.cache_write_tokens).unwrap_or_default().min(uncached);
        Usage { input: uncached - cache_write, cached_input, cache_write, output: self.completion_tokens }
    }
}

#[derive(Default)]
struct Chat {
    reply: Reply,
    is_done: bool,
}

impl Reading for Chat {
    fn event(&mut self, data: &str, listener: &dyn Listener) -> Result<(), ProviderError> {
        if data == "[DONE]" {
            self.is_done = true;
            return Ok(());
        }
        let chunk: Chunk = serde_json::from_str(data).map_err(|_| malformed("an event is no chunk"))?;
        if let Some(error) = chunk.error {
            return Err(ProviderError::CutOff(readable(message(&error).unwrap_or("no reason given"), None)));
        }
        for choice in chunk.choices.iter().take(1) {
            let Delta { content, refusal } = &choice.delta;
            for text in [content, refusal].into_iter().flatten().filter(|text| !text.is_empty()) {
                self.reply.text.push_str(text);
                listener.text(text);
            }
            // Not every server says [DONE].
            self.is_done |= choice.finish_reason.is_some();
            self.reply.is_cut |= choice.finish_reason.as_deref() == Some("length");
        }
        if let Some(used) = chunk.usage {
            self.reply.usage = Some(used.usage());
            listener.used(used.usage());
        }
        Ok(())
    }

    fn reply(self) -> Option<Reply> {
        self.is_done.then_some(self.reply)
    }
}

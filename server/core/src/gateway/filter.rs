//! Takes secrets and personal data out of what a plugin says to a client, where
//! the operator wants that: results, and what it says meanwhile.

use std::{borrow::Cow, sync::Arc, time::Instant};

use plugin_contract::op::{
    Answers, Ask, ClientAbout, ClientLog, Content, Meta, Offered, OpError, Progress, Question,
    ResourceContent, ResourceLink, ToolResult,
};
use serde_json::Value;

use crate::{conversation::Conversation, redact::Redactor};

/// The conversation, filtered.
pub(super) fn conversation(
    conversation: Arc<dyn Conversation>,
    filter: Option<&Arc<Redactor>>,
) -> Arc<dyn Conversation> {
    match filter {
        Some(redactor) => Arc::new(Filtered { inner: conversation, redactor: redactor.clone() }),
        None => conversation,
    }
}

/// A tool's result. Texts that say what the structured result says still do so.
pub(super) fn result(
    redactor: &Redactor,
    result: &mut ToolResult,
    says: fn(&Content, &Value) -> bool,
) -> bool {
    let original = result.structured.clone();
    let mut any = meta(redactor, &mut result.meta);
    any |= result.structured.as_mut().is_some_and(|structured| redactor.value(structured));
    for content in &mut result.content {
        match (&original, &result.structured) {
            (Some(original), Some(structured)) if says(content, original) => {
                if original != structured
                    && let Content::Text { text, .. } = content
                {
                    *text = structured.to_string();
                }
                any |= meta(redactor, content.meta_mut());
            }
            _ => any |= self::content(redactor, content),
        }
    }
    any
}

pub(super) fn content(redactor: &Redactor, content: &mut Content) -> bool {
    let any = meta(redactor, content.meta_mut());
    let inner = match content {
        Content::Text { text: said, .. } => text(redactor, said),
        Content::Resource { resource, .. } => self::resource(redactor, resource) | uri(redactor, resource),
        Content::ResourceLink(link) => self::link(redactor, link),
        Content::Image { data, .. } | Content::Audio { data, .. } if redactor.knows_in(data) => {
            *content = Content::text(format!("[REDACTED:{}]", crate::redact::KNOWN_SECRET));
            true
        }
        _ => false,
    };
    any | inner
}

pub(super) fn resource(redactor: &Redactor, resource: &mut ResourceContent) -> bool {
    let any = meta(redactor, resource.meta_mut());
    match resource {
        ResourceContent::Text { text: said, .. } => text(redactor, said) | any,
        ResourceContent::Blob { blob, .. } => redactor.base64(blob) | any,
    }
}

pub(super) fn meta(redactor: &Redactor, meta: &mut Meta) -> bool {
    if meta.is_empty() {
        return false;
    }
    let mut value = Value::Object(std::mem::take(meta));
    let any = redactor.value(&mut value);
    if let Value::Object(fields) = value {
        *meta = fields;
    }
    any
}

pub(super) fn texts<'t>(redactor: &Redactor, texts: impl IntoIterator<Item = &'t mut String>) -> bool {
    texts.into_iter().fold(false, |any, said| text(redactor, said) | any)
}

fn text(redactor: &Redactor, text: &mut String) -> bool {
    let Cow::Owned(redacted) = redactor.text(text) else { return false };
    *text = redacted;
    true
}

fn uri(redactor: &Redactor, resource: &mut ResourceContent) -> bool {
    let (ResourceContent::Text { uri, .. } | ResourceContent::Blob { uri, .. }) = resource;
    text(redactor, uri)
}

fn link(redactor: &Redactor, link: &mut ResourceLink) -> bool {
    let ResourceLink { uri, name, title, description, .. } = link;
    texts(redactor, [uri, name].into_iter().chain(title).chain(description))
}

/// A conversation that passes on what is left.
#[derive(Debug)]
struct Filtered {
    inner: Arc<dyn Conversation>,
    redactor: Arc<Redactor>,
}

impl Filtered {
    fn question(&self, question: &mut Question) {
        let redactor = &self.redactor;
        match question {
            Question::Elicit(form) => {
                text(redactor, &mut form.message);
                form.requested_schema.values_mut().for_each(|value| strings(redactor, value));
            }
            Question::Sample(sampling) => {
                texts(redactor, sampling.system_prompt.as_mut());
                for message in &mut sampling.messages {
                    content(redactor, &mut message.content);
                }
            }
            _ => {}
        }
    }
}

/// In a schema, a field called `password` holds no password.
fn strings(redactor: &Redactor, value: &mut Value) {
    match value {
        Value::String(said) => {
            text(redactor, said);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| strings(redactor, item)),
        Value::Object(fields) => fields.values_mut().for_each(|field| strings(redactor, field)),
        _ => {}
    }
}

impl Conversation for Filtered {
    fn client(&self) -> ClientAbout {
        self.inner.client()
    }

    fn progress(&self, mut progress: Progress) {
        texts(&self.redactor, progress.message.as_mut());
        self.inner.progress(progress);
    }

    fn log(&self, mut message: ClientLog) {
        self.redactor.value(&mut message.data);
        self.inner.log(message);
    }

    fn ask(&self, mut ask: Ask, deadline: Instant) -> Result<Answers, OpError> {
        ask.questions.values_mut().for_each(|question| self.question(question));
        self.inner.ask(ask, deadline)
    }

    fn detach(&self, required: bool) -> Result<bool, OpError> {
        self.inner.detach(required)
    }

    fn resource_updated(&self, uri: &str) {
        self.inner.resource_updated(uri);
    }

    fn offer_changed(&self, thing: &Offered) {
        self.inner.offer_changed(thing);
    }
}

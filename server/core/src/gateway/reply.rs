//! What a plugin answered, before it goes any further.

use plugin_contract::op::{
    self, Completion, Content, Meta, PromptResult, ResourceContents, ToolResult, is_reserved,
};
use serde_json::Value;

use super::{filter, json::encoded_length};
use crate::{policy::Subject, redact::Redactor};

/// What a plugin answers.
pub(super) trait Reply {
    /// Whether it says that it failed.
    fn is_error(&self) -> bool {
        false
    }

    /// Takes out secrets and personal data, and says whether there were any.
    fn redact(&mut self, redactor: &Redactor) -> bool;

    /// Takes out what only the server may say, and adds what clients need.
    /// Answers its size where that differs from what the plugin sent, or what is
    /// wrong with it.
    fn settle(&mut self, subject: &Subject) -> Result<Option<u64>, Vec<String>>;
}

impl Reply for ToolResult {
    fn is_error(&self) -> bool {
        self.is_error
    }

    fn redact(&mut self, redactor: &Redactor) -> bool {
        filter::result(redactor, self, says)
    }

    fn settle(&mut self, subject: &Subject) -> Result<Option<u64>, Vec<String>> {
        clean(&mut self.meta);
        self.content.iter_mut().for_each(clean_content);
        if self.is_error {
            // Clients would check it against the schema of what it is not.
            self.structured = None;
            return Ok(None);
        }
        if let Subject::Tool(tool) = subject
            && let Some(schema) = &tool.output
        {
            let structured = self.structured.as_ref();
            let structured = structured.ok_or_else(|| vec!["the structured result is missing".to_owned()])?;
            let complaints = schema.complaints_about("the structured result", structured);
            if !complaints.is_empty() {
                return Err(complaints);
            }
        }
        let Some(structured) = &self.structured else { return Ok(None) };
        if !self.content.iter().any(|content| says(content, structured)) {
            self.content.push(Content::text(structured.to_string()));
        }
        // Counted as it goes out: a text has a backslash for every quote in it.
        Ok(Some(encoded_length(self)))
    }
}

/// Some clients show only the structured result, others only the content: both
/// must see the same.
fn says(content: &Content, structured: &Value) -> bool {
    matches!(content, Content::Text { text, .. }
        if serde_json::from_str::<Value>(text).is_ok_and(|value| value == *structured))
}

impl Reply for ResourceContents {
    fn redact(&mut self, redactor: &Redactor) -> bool {
        let contents = self.contents.iter_mut();
        contents.fold(filter::meta(redactor, &mut self.meta), |any, it| filter::resource(redactor, it) | any)
    }

    fn settle(&mut self, _: &Subject) -> Result<Option<u64>, Vec<String>> {
        clean(&mut self.meta);
        self.contents.iter_mut().for_each(|content| clean(content.meta_mut()));
        Ok(None)
    }
}

impl Reply for PromptResult {
    fn redact(&mut self, redactor: &Redactor) -> bool {
        let any = filter::meta(redactor, &mut self.meta) | filter::texts(redactor, self.description.as_mut());
        self.messages.iter_mut().fold(any, |any, it| filter::content(redactor, &mut it.content) | any)
    }

    fn settle(&mut self, _: &Subject) -> Result<Option<u64>, Vec<String>> {
        clean(&mut self.meta);
        self.messages.iter_mut().for_each(|message| clean_content(&mut message.content));
        Ok(None)
    }
}

impl Reply for Completion {
    fn redact(&mut self, redactor: &Redactor) -> bool {
        filter::texts(redactor, &mut self.values)
    }

    fn settle(&mut self, _: &Subject) -> Result<Option<u64>, Vec<String>> {
        Ok(None)
    }
}

fn clean_content(content: &mut Content) {
    clean(content.meta_mut());
    if let op::Content::Resource { resource, .. } = content {
        clean(resource.meta_mut());
    }
}

fn clean(meta: &mut Meta) {
    meta.retain(|key, _| !is_reserved(key));
}

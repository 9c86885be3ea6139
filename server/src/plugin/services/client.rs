//! What a plugin may tell the client of its call, and ask of it.

use plugin_contract::op::{Answers, Ask, CallState, ClientLog, Detach, ErrorCode, OpError, Progress};
use serde::Serialize;

use super::calls::Work;

/// How many questions a plugin may ask at once, and how large they may be
/// together, as JSON.
const MAX_QUESTIONS: usize = 8;
const MAX_QUESTION_BYTES: usize = 32 * 1024;

/// How long the key of a question may be.
const MAX_KEY: usize = 64;

/// How large a message for the client's log may be, and a report of progress.
const MAX_LOG_BYTES: usize = 8 * 1024;
const MAX_PROGRESS_MESSAGE: usize = 512;

/// How the call stands.
pub(super) fn state(work: &Work) -> CallState {
    let remaining_ms = u64::try_from(work.remaining().as_millis()).unwrap_or(u64::MAX);
    CallState { cancelled: work.is_abandoned(), remaining_ms }
}

/// Tells the client how far the call is.
pub(super) fn progress(work: &Work, mut progress: Progress) -> Result<(), OpError> {
    if !progress.progress.is_finite() || progress.total.is_some_and(|total| !total.is_finite()) {
        return Err(invalid("progress is a finite number"));
    }
    if let Some(message) = &mut progress.message {
        message.truncate(message.floor_char_boundary(MAX_PROGRESS_MESSAGE));
    }
    work.conversation.progress(progress);
    Ok(())
}

/// Writes to the client's log.
pub(super) fn log(work: &Work, mut message: ClientLog) {
    if size(&message.data) > MAX_LOG_BYTES {
        message.data = "a message too large to be passed on".into();
    }
    work.conversation.log(message);
}

/// Lets the call go on without its request.
pub(super) fn detach(work: &Work, detach: Detach) -> Result<bool, OpError> {
    if !work.may_wait {
        return Err(invalid("a tool that is `inline` is done at once: remove `.inline()`"));
    }
    work.conversation.detach(detach.required)
}

/// Asks the client.
pub(super) fn ask(work: &Work, ask: Ask) -> Result<Answers, OpError> {
    let questions = &ask.questions;
    if questions.is_empty() || questions.len() > MAX_QUESTIONS {
        return Err(invalid(&format!("ask 1 to {MAX_QUESTIONS} questions at once")));
    }
    if questions.keys().any(|key| key.is_empty() || key.len() > MAX_KEY) {
        return Err(invalid(&format!("the key of a question has 1 to {MAX_KEY} bytes")));
    }
    if size(questions) > MAX_QUESTION_BYTES {
        return Err(invalid(&format!("the questions have more than {MAX_QUESTION_BYTES} bytes")));
    }
    if !work.may_wait {
        return Err(invalid(
            "a tool that is `inline` cannot ask, since it must not wait: remove `.inline()`",
        ));
    }
    let (_asking, until) = work.deadline.ask();
    work.conversation.ask(ask, until)
}

fn invalid(message: &str) -> OpError {
    OpError::new(ErrorCode::InvalidInput, message)
}

fn size(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |bytes| bytes.len())
}

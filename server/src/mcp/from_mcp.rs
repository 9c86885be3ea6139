//! What clients send, as the core takes it.

use std::collections::BTreeMap;

use rmcp::model::{ErrorData, Extensions, JsonObject, PaginatedRequestParams};
use serde_json::Value;
use server_core::principal::Principal;

use super::{Caller, answer::shown};

/// The header that names a session.
const SESSION: &str = "mcp-session-id";

/// Who sent the request. The transport put it beside the request that is being
/// handled, so it is the one whose token this very request bore.
pub(super) fn caller(extensions: &Extensions) -> Result<&Caller, ErrorData> {
    extensions
        .get::<http::request::Parts>()
        .and_then(|parts| parts.extensions.get())
        .ok_or_else(|| ErrorData::internal_error("internal error", None))
}

/// The caller's principal.
pub(super) fn principal(extensions: &Extensions) -> Result<&Principal, ErrorData> {
    caller(extensions).map(|caller| &caller.principal)
}

/// The session that the request is in, in the revisions that have sessions.
pub(super) fn session(extensions: &Extensions) -> Option<&str> {
    extensions.get::<http::request::Parts>()?.headers.get(SESSION)?.to_str().ok()
}

/// Lists are answered whole, so no cursor was ever given out.
pub(super) fn first_page(request: Option<PaginatedRequestParams>) -> Result<(), ErrorData> {
    match request.and_then(|request| request.cursor) {
        None => Ok(()),
        Some(cursor) => Err(ErrorData::invalid_params(format!("unknown cursor: `{}`", shown(&cursor)), None)),
    }
}

/// A prompt's arguments, which MCP has as text only.
pub(super) fn prompt_arguments(arguments: Option<JsonObject>) -> Result<BTreeMap<String, String>, ErrorData> {
    let text = |(name, value): (String, Value)| match value {
        Value::String(text) => Ok((name, text)),
        _ => Err(ErrorData::invalid_params(format!("the arguments: `{}` is not text", shown(&name)), None)),
    };
    arguments.unwrap_or_default().into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cursor_that_was_never_given_out_is_named() {
        assert_eq!(first_page(None), Ok(()));
        assert_eq!(first_page(Some(PaginatedRequestParams::default())), Ok(()));
        for cursor in ["", "2"] {
            let page = PaginatedRequestParams::default().with_cursor(Some(cursor.to_owned()));
            let error = ErrorData::invalid_params(format!("unknown cursor: `{cursor}`"), None);
            assert_eq!(first_page(Some(page)), Err(error));
        }
    }

    #[test]
    fn a_prompt_takes_text_only() {
        let arguments = |value: Value| prompt_arguments(value.as_object().cloned());
        assert_eq!(arguments(Value::Null), Ok(BTreeMap::new()));
        assert_eq!(arguments(json!({ "a": "b" })), Ok(BTreeMap::from([("a".to_owned(), "b".to_owned())])));
        for value in [json!(1), json!(null), json!(["b"]), json!({})] {
            let error = ErrorData::invalid_params("the arguments: `a` is not text", None);
            assert_eq!(arguments(json!({ "a": value })), Err(error));
        }
    }

    #[test]
    fn a_request_without_a_principal_goes_nowhere() {
        assert_eq!(principal(&Extensions::new()), Err(ErrorData::internal_error("internal error", None)));
    }
}

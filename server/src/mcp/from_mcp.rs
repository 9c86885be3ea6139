//! What clients send, as the core takes it.

use std::{collections::BTreeMap, sync::Arc};

use plugin_contract::op::{ClientAbout, ClientLogLevel, Complete, Completes};
#[expect(deprecated, reason = "clients of the older revisions, and those that ask, still use it")]
use rmcp::model::LoggingLevel;
use rmcp::{
    RoleServer,
    model::{
        CompleteRequestParams, ConstString, ErrorData, Extensions, JsonObject, ProtocolVersion, Reference,
    },
    service::RequestContext,
};
use serde_json::Value;
use server_core::principal::Principal;

use super::{Caller, answer::shown};

/// The header that names a session.
const SESSION: &str = "mcp-session-id";

/// The id of the session that a request is about to open.
#[derive(Clone, Debug)]
pub struct OpenedSession(pub Arc<str>);

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

/// The session that the request is in, or opens, in the revisions that have
/// sessions.
pub(super) fn session(extensions: &Extensions) -> Option<&str> {
    let parts = extensions.get::<http::request::Parts>()?;
    match parts.extensions.get::<OpenedSession>() {
        Some(OpenedSession(session)) => Some(session),
        None => parts.headers.get(SESSION)?.to_str().ok(),
    }
}

/// Whether the request is of a revision without sessions.
pub(super) fn is_stateless(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

/// The session, for a method that sessions alone have.
pub(super) fn of_a_session<M: ConstString>(context: &RequestContext<RoleServer>) -> Result<&str, ErrorData> {
    session(&context.extensions)
        .filter(|_| !is_stateless(context))
        .ok_or_else(ErrorData::method_not_found::<M>)
}

/// What the client says that it can.
pub(super) fn client(context: &RequestContext<RoleServer>, log_level: Option<ClientLogLevel>) -> ClientAbout {
    let can = context.client_capabilities().unwrap_or_default();
    let tasks = can.supports_tasks() && is_stateless(context);
    let elicitation = can.elicitation.is_some_and(|can| can.form.is_some() || can.url.is_none());
    ClientAbout {
        elicitation,
        sampling: can.sampling.is_some(),
        roots: can.roots.is_some(),
        tasks,
        log_level,
    }
}

/// A level of a client's log.
#[expect(deprecated, reason = "clients of the older revisions, and those that ask, still use it")]
pub(super) fn log_level(level: LoggingLevel) -> Option<ClientLogLevel> {
    serde_json::to_value(level).and_then(serde_json::from_value).ok()
}

/// What is to be completed.
pub(super) fn completion(request: CompleteRequestParams) -> Result<Complete, ErrorData> {
    let of = match request.r#ref {
        Reference::Prompt(prompt) => Completes::Prompt(prompt.name.parse().map_err(|_| {
            ErrorData::invalid_params(format!("unknown prompt: `{}`", shown(&prompt.name)), None)
        })?),
        Reference::Resource(resource) => Completes::Template(resource.uri),
        _ => {
            return Err(ErrorData::invalid_params("only prompts and resource templates are completed", None));
        }
    };
    let decided = request.context.and_then(|context| context.arguments).unwrap_or_default();
    let (argument, value) = (request.argument.name, request.argument.value);
    Ok(Complete { of, argument, value, decided: decided.into_iter().collect() })
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

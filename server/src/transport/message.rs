//! What must be known of a message before rmcp reads it: whether it is one, of
//! what kind, and its id.

use rmcp::model::{ErrorCode, RequestId};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::{Value, error::Category};

/// A message's kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Wants an answer.
    Request {
        /// Told to the client with the answer.
        id: RequestId,
        /// Whether it opens a session.
        initialize: bool,
    },
    /// A notification, or the answer to a request of the server's.
    OneWay {
        /// The request that it cancels, if it is a notification of that.
        cancels: Option<RequestId>,
    },
}

/// Why a body is no message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// JSON-RPC's code for it.
    pub(crate) code: ErrorCode,
    /// For whoever wrote the client.
    pub(crate) message: String,
}

impl Message {
    /// The id, if it is a request.
    pub(super) fn id(&self) -> Option<&RequestId> {
        match self {
            Self::Request { id, .. } => Some(id),
            Self::OneWay { .. } => None,
        }
    }

    /// Reads no further than it must: params are passed over, however deep.
    pub(super) fn read(body: &[u8]) -> Result<Self, Malformed> {
        // Serde would take an array for a struct.
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(match serde_json::from_slice::<IgnoredAny>(body) {
                Err(error) => Malformed::json(&error),
                Ok(_) if body.trim_ascii_start().starts_with(b"[") => {
                    Malformed::request("batches are not taken: send one message per request")
                }
                Ok(_) => Malformed::request("a message is a JSON object"),
            });
        }
        let envelope: Envelope = serde_json::from_slice(body).map_err(|error| Malformed::of(&error))?;
        if envelope.jsonrpc != "2.0" {
            return Err(Malformed::request("`jsonrpc` must be \"2.0\""));
        }
        let (method, id) = match (envelope.method, envelope.id) {
            (Some(method), Some(id)) => (method, id),
            (Some(method), None) if method == "notifications/cancelled" => {
                return Ok(Self::OneWay { cancels: cancelled(body) });
            }
            _ => return Ok(Self::OneWay { cancels: None }),
        };
        let id = RequestId::deserialize(id)
            .map_err(|_| Malformed::request("`id` must be a string or an integer"))?;
        Ok(Self::Request { id, initialize: method == "initialize" })
    }
}

fn cancelled(body: &[u8]) -> Option<RequestId> {
    let cancelled: Cancelled = serde_json::from_slice(body).ok()?;
    RequestId::deserialize(cancelled.params.request_id).ok()
}

impl Malformed {
    /// What is wrong with a body that [`Message::read`] let pass and rmcp could
    /// not read: it looks where the former did not.
    pub(super) fn deep(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Err(error) => Self::json(&error),
            Ok(_) => Self::shape(),
        }
    }

    fn of(error: &serde_json::Error) -> Self {
        match error.classify() {
            // Would quote what was sent.
            Category::Data => Self::shape(),
            Category::Io | Category::Syntax | Category::Eof => Self::json(error),
        }
    }

    fn json(error: &serde_json::Error) -> Self {
        Self { code: ErrorCode::PARSE_ERROR, message: format!("the body is no JSON: {error}") }
    }

    fn shape() -> Self {
        Self::request("the body is no JSON-RPC request, notification or response")
    }

    fn request(message: &str) -> Self {
        Self { code: ErrorCode::INVALID_REQUEST, message: message.to_owned() }
    }
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    jsonrpc: String,
    #[serde(default)]
    method: Option<String>,
    #[serde(default, deserialize_with = "present")]
    id: Option<Value>,
}

#[derive(Deserialize)]
struct Cancelled {
    params: CancelledParams,
}

#[derive(Deserialize)]
struct CancelledParams {
    #[serde(rename = "requestId")]
    request_id: Value,
}

/// Keeps a `null` apart from an absent field.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: RequestId, initialize: bool) -> Result<Message, Malformed> {
        Ok(Message::Request { id, initialize })
    }

    fn one_way(cancels: Option<RequestId>) -> Message {
        Message::OneWay { cancels }
    }

    #[test]
    fn a_message_is_a_request_if_it_has_a_method_and_an_id() {
        let string = RequestId::String("a".into());
        for (body, expected) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, request(RequestId::Number(1), false)),
            (r#" {"method":"initialize","params":{},"id":"a","jsonrpc":"2.0"} "#, request(string, true)),
            (r#"{"jsonrpc":"2.0","id":1.0,"method":"tools\/list"}"#, request(RequestId::Number(1), false)),
            (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, Ok(one_way(None))),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Ok(one_way(None))),
            (r#"{"jsonrpc":"2.0","id":null,"error":{}}"#, Ok(one_way(None))),
            (
                r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a","reason":"?"}}"#,
                Ok(one_way(Some(RequestId::String("a".into())))),
            ),
            (r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#, Ok(one_way(None))),
        ] {
            assert_eq!(Message::read(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn what_is_no_message_is_answered_as_json_rpc_says() {
        let shape = "the body is no JSON-RPC request, notification or response";
        let batch = "batches are not taken: send one message per request";
        let id = "`id` must be a string or an integer";
        for (body, code, message) in [
            ("", -32700, "the body is no JSON: EOF while parsing a value at line 1 column 0"),
            ("{", -32700, "the body is no JSON: EOF while parsing an object at line 1 column 1"),
            ("{]", -32700, "the body is no JSON: key must be a string at line 1 column 2"),
            ("[{", -32700, "the body is no JSON: EOF while parsing an object at line 1 column 2"),
            ("tools/list", -32700, "the body is no JSON: expected ident at line 1 column 2"),
            (
                r#"{"jsonrpc":"2.0"} {}"#,
                -32700,
                "the body is no JSON: trailing characters at line 1 column 19",
            ),
            ("[]", -32600, batch),
            (r#" [{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600, batch),
            ("5", -32600, "a message is a JSON object"),
            ("\"text\"", -32600, "a message is a JSON object"),
            ("{}", -32600, "`jsonrpc` must be \"2.0\""),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600, "`jsonrpc` must be \"2.0\""),
            (r#"{"jsonrpc":2,"id":1,"method":"ping"}"#, -32600, shape),
            (r#"{"jsonrpc":"2.0","id":1,"method":["secret"]}"#, -32600, shape),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, -32600, shape),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600, id),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600, id),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600, id),
        ] {
            let malformed = Malformed { code: ErrorCode(code), message: message.to_owned() };
            assert_eq!(Message::read(body.as_bytes()), Err(malformed), "{body}");
        }
    }

    #[test]
    fn what_only_a_full_read_finds_is_found_by_it() {
        let deep = format!(
            r#"{{"jsonrpc":"2.0","method":"x","params":{}{}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert_eq!(Message::read(deep.as_bytes()), Ok(one_way(None)));
        for (body, code) in [
            (deep.as_str(), -32700),
            (r#"{"jsonrpc":"2.0","method":"x","params":1e999}"#, -32700),
            (r#"{"jsonrpc":"2.0","method":"x","params":"\ud800"}"#, -32700),
            (r#"{"jsonrpc":"2.0","result":1,"error":2}"#, -32600),
        ] {
            assert_eq!(Malformed::deep(body.as_bytes()).code, ErrorCode(code), "{body}");
        }
    }
}

//! The bundled plugin `http`: requests to the hosts that the calling agent may
//! reach. Where they may go is the operator's to say, and the host's to enforce.

use plugin_api::{HttpBody, HttpMethod, HttpRequest, HttpResponse, prelude::*};

/// The most that one answer may have, and what it has unless the caller asks for
/// more.
const MAX_BYTES: u64 = 1 << 20;
const USUAL_BYTES: u64 = 64 << 10;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fetch {
    /// An http or https URL, without user name and password.
    url: String,
    /// GET unless given.
    #[serde(default)]
    method: Method,
    /// Headers by name. Credentials are left out: name a secret.
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    /// What to send, with POST. Say what it is in the header `content-type`.
    #[serde(default)]
    body: Option<String>,
    /// The name of a secret of the server's, which it adds if you and the host may
    /// have it.
    #[serde(default)]
    secret: Option<String>,
    /// How many bytes of the answer you want, up to 1048576. 65536 unless given.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1_048_576))]
    max_bytes: Option<u64>,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Method {
    #[default]
    Get,
    Post,
}

/// The plugin's definition.
pub fn plugin() -> Plugin {
    Plugin::new("http", env!("CARGO_PKG_VERSION"))
        .title("HTTP")
        .description("Fetches from the hosts that the operator lets an agent reach.")
        .tool(
            Tool::new(
                "http.fetch",
                "Makes an HTTP request and answers the status, the content type and the body as \
                 text. Only the hosts that the operator allows can be reached; a refusal says which \
                 rule is missing.",
                fetch,
            )
            .title("Fetch a URL")
            .needs(Capability::NetworkOutbound)
            .read_only(false)
            .open_world(true),
        )
}

plugin_api::export!(plugin);

fn fetch(call: &Call, input: Fetch) -> Result<ToolResult, CallError> {
    let method = match input.method {
        Method::Get if input.body.is_some() => {
            return Err(CallError::invalid_input("a GET has no body: use `method: POST`, or leave it out"));
        }
        Method::Get => HttpMethod::Get,
        Method::Post => HttpMethod::Post,
    };
    let mut request = HttpRequest::new(method, input.url)
        .max_bytes(input.max_bytes.unwrap_or(USUAL_BYTES).clamp(1, MAX_BYTES));
    for (name, value) in input.headers {
        request = request.header(name, value);
    }
    if let Some(body) = input.body {
        request = request.text(body);
    }
    if let Some(secret) = input.secret {
        request = request.secret(secret);
    }
    let response = call.http(&request)?;
    let said = said(&response);
    Ok(if response.status() < 400 { ToolResult::new(said) } else { ToolResult::failed(said) })
}

/// What the model reads: a line about the answer, and the answer.
fn said(response: &HttpResponse) -> Vec<Content> {
    let kind = response.header("content-type").unwrap_or("no content type");
    let mut head = format!("HTTP {} from {} ({kind})", response.status(), response.url());
    if response.is_truncated() {
        head.push_str(&format!("; only the first {} bytes, there is more", response.bytes().len()));
    }
    match response.body() {
        HttpBody::Text(text) => vec![Content::text(head), Content::text(text.clone())],
        // An answer that was cut may end within a character.
        HttpBody::Base64(_) if response.is_truncated() && kind.starts_with("text/") => {
            let text = String::from_utf8_lossy(&response.bytes()).into_owned();
            vec![Content::text(head), Content::text(text)]
        }
        HttpBody::Base64(_) => {
            head.push_str(&format!("; {} bytes that are no text, left out", response.bytes().len()));
            vec![Content::text(head)]
        }
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::{ErrorCode, OpError, testing::Harness};
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: HttpBody, truncated: bool) -> HttpResponse {
        HttpResponse::new(status, "https://api.example.com/x")
            .with_header("content-type", "text/plain")
            .with_body(body, truncated)
    }

    fn texts(result: ToolResult) -> Vec<String> {
        let text = |content| match content {
            Content::Text { text, .. } => text,
            other => panic!("{other:?}"),
        };
        result.content.into_iter().map(text).collect()
    }

    #[test]
    fn an_answer_is_its_status_and_its_text() {
        for (status, body, truncated, is_error, said) in [
            (
                200,
                HttpBody::Text("hello".into()),
                false,
                false,
                &["HTTP 200 from https://api.example.com/x (text/plain)", "hello"][..],
            ),
            (
                404,
                HttpBody::Text("no".into()),
                false,
                true,
                &["HTTP 404 from https://api.example.com/x (text/plain)", "no"],
            ),
            (
                200,
                HttpBody::new(vec![b'a', 0xc3]),
                true,
                false,
                &[
                    "HTTP 200 from https://api.example.com/x (text/plain); only the first 2 bytes, there is more",
                    "a\u{fffd}",
                ],
            ),
            (
                200,
                HttpBody::new(vec![0xff; 3]),
                false,
                false,
                &["HTTP 200 from https://api.example.com/x (text/plain); 3 bytes that are no text, left out"],
            ),
        ] {
            let request = HttpRequest::get("https://api.example.com/x").max_bytes(65_536);
            let harness = Harness::new(plugin()).expect_http(request, Ok(answer(status, body, truncated)));
            let result =
                harness.call_tool("http.fetch", json!({ "url": "https://api.example.com/x" })).unwrap();
            assert_eq!(result.is_error, is_error);
            assert_eq!(texts(result), said);
        }
    }

    #[test]
    fn a_request_is_made_as_it_was_asked_for() {
        let request = HttpRequest::post("https://api.example.com/x")
            .header("content-type", "application/json")
            .text("{}")
            .secret("jira")
            .max_bytes(1 << 20);
        let created = answer(201, HttpBody::Text("created".into()), false);
        let harness = Harness::new(plugin()).expect_http(request, Ok(created));
        let arguments = json!({
            "url": "https://api.example.com/x",
            "method": "POST",
            "headers": { "content-type": "application/json" },
            "body": "{}",
            "secret": "jira",
            "max_bytes": 5_000_000,
        });
        assert_eq!(texts(harness.call_tool("http.fetch", arguments).unwrap())[1], "created");
    }

    #[test]
    fn a_refusal_is_passed_on_as_it_is() {
        let refused = OpError::new(ErrorCode::Denied, "agent `laptop` may not reach `x:443`");
        let request = HttpRequest::get("https://x/").max_bytes(65_536);
        let harness = Harness::new(plugin()).expect_http(request, Err(refused.clone()));
        assert_eq!(harness.call_tool("http.fetch", json!({ "url": "https://x/" })), Err(refused));
    }

    #[test]
    fn a_get_with_a_body_is_a_mistake() {
        let harness = Harness::new(plugin());
        let error = harness.call_tool("http.fetch", json!({ "url": "https://x/", "body": "x" })).unwrap_err();
        assert_eq!(error.message, "a GET has no body: use `method: POST`, or leave it out");
    }
}

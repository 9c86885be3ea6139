//! What the core answers, in MCP's terms. What a model can act on becomes a
//! tool result; the rest becomes a JSON-RPC error.

use plugin_contract::op::ToolResult;
use rmcp::model::{CallToolResult, ContentBlock, ErrorCode, ErrorData, JsonObject, MetaObject};
use serde_json::{Map, Value, json};
use server_core::{
    gateway::{Answer, Denial},
    policy::Reason,
};

use super::to_mcp;

/// Where a refusal's reasons stand, in `_meta` of a result or `data` of an error.
pub const DENIAL: &str = "mcp-universal-server/denial";

/// The error code of a refusal that is no tool result. Applications choose
/// theirs outside the range that JSON-RPC reserves, -32768 to -32000.
pub const REFUSED: ErrorCode = ErrorCode(-31001);

/// What was asked for, where it was no tool.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked<'a> {
    /// A resource, by URI.
    Resource(&'a str),
    /// A prompt.
    Prompt(&'a str),
    /// A list.
    List,
    /// What an argument might be.
    Completion(&'a str),
}

/// The answer to the call of a tool.
pub(super) fn tool(answer: Answer<ToolResult>, name: &str) -> Result<CallToolResult, ErrorData> {
    match answer {
        Answer::Done(result) => Ok(to_mcp::tool_result(result)),
        Answer::Refused(denial) => Ok(refused(&denial)),
        Answer::Unknown => Err(ErrorData::invalid_params(format!("unknown tool: `{}`", shown(name)), None)),
        Answer::Unanswered(message) | Answer::Failed(message) | Answer::Broken(message) => {
            Ok(CallToolResult::error(vec![ContentBlock::text(message)]))
        }
    }
}

/// The answer to any other request.
pub(super) fn other<T>(answer: Answer<T>, asked: Asked<'_>) -> Result<T, ErrorData> {
    Err(match (answer, asked) {
        (Answer::Done(done), _) => return Ok(done),
        (Answer::Refused(denial), _) if of_arguments(&denial) => {
            ErrorData::invalid_params(lines(&denial), Some(data(&denial)))
        }
        (Answer::Refused(denial), _) => ErrorData::new(REFUSED, lines(&denial), Some(data(&denial))),
        (Answer::Unknown, Asked::Resource(uri)) => {
            let uri = shown(uri);
            ErrorData::resource_not_found(format!("unknown resource: `{uri}`"), Some(json!({ "uri": uri })))
        }
        (Answer::Unknown, Asked::Prompt(name)) => {
            ErrorData::invalid_params(format!("unknown prompt: `{}`", shown(name)), None)
        }
        (Answer::Unknown, Asked::Completion(of)) => {
            ErrorData::invalid_params(format!("unknown: `{}`", shown(of)), None)
        }
        (Answer::Unknown, Asked::List) => ErrorData::internal_error("there is no such list", None),
        (Answer::Unanswered(message) | Answer::Failed(message) | Answer::Broken(message), _) => {
            ErrorData::internal_error(message, None)
        }
    })
}

/// A caller may send anything as a name, and gets back no more than this of it.
pub(super) fn shown(name: &str) -> &str {
    name.char_indices().nth(128).and_then(|(end, _)| name.get(..end)).unwrap_or(name)
}

fn of_arguments(denial: &Denial) -> bool {
    denial.reasons.iter().all(|reason| matches!(reason, Reason::InvalidArguments { .. }))
}

/// No structured content: clients check it against the tool's output schema.
fn refused(denial: &Denial) -> CallToolResult {
    let mut meta = MetaObject::new();
    meta.insert(DENIAL.to_owned(), value(denial));
    CallToolResult::error(vec![ContentBlock::text(lines(denial))]).with_meta(Some(meta))
}

fn data(denial: &Denial) -> Value {
    Value::Object(JsonObject::from_iter([(DENIAL.to_owned(), value(denial))]))
}

/// A line for each reason, with what to do behind the last that it is good for.
fn lines(denial: &Denial) -> String {
    let mut reasons = denial.reasons.iter().peekable();
    let mut lines = Vec::new();
    while let Some(reason) = reasons.next() {
        let help = reason.help();
        let again = reasons.peek().is_some_and(|next| next.help() == help);
        lines.push(if again { reason.to_string() } else { format!("{reason} ({help})") });
    }
    lines.join("\n")
}

fn value(denial: &Denial) -> Value {
    let reasons: Vec<_> = denial.reasons.iter().map(reason).collect();
    json!({ "generation": denial.generation, "reasons": reasons })
}

fn reason(reason: &Reason) -> Value {
    let mut object = Map::from_iter([
        ("code".to_owned(), reason.code().into()),
        ("message".to_owned(), reason.to_string().into()),
        ("help".to_owned(), reason.help().into()),
    ]);
    if let Some(ms) = reason.retry_after_ms() {
        object.insert("retry_after_ms".to_owned(), ms.into());
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use plugin_contract::op::Content;
    use server_core::{id::Generation, limits::Level, policy::Thing};

    use super::*;

    const ALL: [Asked<'static>; 3] = [Asked::Resource("demo://x"), Asked::Prompt("review"), Asked::List];

    fn not_granted() -> Reason {
        Reason::NotGrantedToAgent {
            agent: "laptop".parse().unwrap(),
            thing: Thing::Tool,
            name: "core.wipe".to_owned(),
        }
    }

    fn limited() -> Reason {
        Reason::RateLimited {
            agent: "laptop".parse().unwrap(),
            level: Level::Agent("laptop".parse().unwrap()),
            rate: "60/min".parse().unwrap(),
            retry_after_ms: 1500,
        }
    }

    fn complaint() -> Reason {
        Reason::InvalidArguments {
            complaint: "the arguments: `diff` is missing".to_owned(),
            name: "review".to_owned(),
        }
    }

    fn denial(reasons: Vec<Reason>) -> Denial {
        Denial { generation: Generation(7), reasons }
    }

    fn json(value: impl serde::Serialize) -> Value {
        serde_json::to_value(value).unwrap()
    }

    #[test]
    fn what_is_done_stays_what_it_is() {
        for asked in ALL {
            assert_eq!(other(Answer::Done(5), asked), Ok(5));
        }
        let result = ToolResult::new(vec![Content::text("done")]);
        assert_eq!(
            json(tool(Answer::Done(result), "core.echo").unwrap()),
            json!({ "resultType": "complete", "isError": false, "content": [{ "type": "text", "text": "done" }] })
        );
    }

    #[test]
    fn a_refused_tool_is_a_result_with_every_reason_for_model_and_program() {
        let answer = Answer::Refused(denial(vec![not_granted(), limited()]));
        assert_eq!(
            json(tool(answer, "core.wipe").unwrap()),
            json!({
                "resultType": "complete",
                "isError": true,
                "content": [{
                    "type": "text",
                    "text": "agent `laptop` is not granted tool `core.wipe` (add `core.wipe` to `agents.laptop.tools`)\n\
                             agent `laptop` may make 60/min calls; try again in 1.5 s (wait, or raise `agents.laptop.limits.rate_limit`)",
                }],
                "_meta": { "mcp-universal-server/denial": {
                    "generation": 7,
                    "reasons": [
                        {
                            "code": "tool_not_granted_to_agent",
                            "message": "agent `laptop` is not granted tool `core.wipe`",
                            "help": "add `core.wipe` to `agents.laptop.tools`",
                        },
                        {
                            "code": "rate_limited",
                            "message": "agent `laptop` may make 60/min calls; try again in 1.5 s",
                            "help": "wait, or raise `agents.laptop.limits.rate_limit`",
                            "retry_after_ms": 1500,
                        },
                    ],
                } },
            })
        );
    }

    #[test]
    fn any_other_refusal_is_an_error_with_the_same_reasons() {
        let [resource, prompt, list] = ALL;
        for (reasons, asked, code) in [
            (vec![limited()], resource, -31001),
            (vec![limited()], prompt, -31001),
            (vec![limited()], list, -31001),
            (vec![complaint()], prompt, -32602),
            (vec![complaint(), limited()], prompt, -31001),
            (vec![complaint()], resource, -32602),
        ] {
            let denial = denial(reasons);
            assert_eq!(
                json(other(Answer::<()>::Refused(denial.clone()), asked).unwrap_err()),
                json!({
                    "code": code,
                    "message": lines(&denial),
                    "data": { "mcp-universal-server/denial": value(&denial) },
                })
            );
        }
    }

    #[test]
    fn what_is_unknown_is_named() {
        let [resource, prompt, list] = ALL;
        for (error, expected) in [
            (
                tool(Answer::Unknown, "core.wipe").unwrap_err(),
                json!({ "code": -32602, "message": "unknown tool: `core.wipe`" }),
            ),
            (
                other(Answer::<()>::Unknown, resource).unwrap_err(),
                json!({ "code": -32002, "message": "unknown resource: `demo://x`", "data": { "uri": "demo://x" } }),
            ),
            (
                other(Answer::<()>::Unknown, prompt).unwrap_err(),
                json!({ "code": -32602, "message": "unknown prompt: `review`" }),
            ),
            (
                other(Answer::<()>::Unknown, list).unwrap_err(),
                json!({ "code": -32603, "message": "there is no such list" }),
            ),
        ] {
            assert_eq!(json(error), expected);
        }
    }

    #[test]
    fn a_name_without_end_is_cut() {
        let message = tool(Answer::Unknown, &"ä".repeat(1000)).unwrap_err().message;
        assert_eq!(message, format!("unknown tool: `{}`", "ä".repeat(128)));
    }

    #[test]
    fn a_failure_reaches_the_model_where_there_is_one() {
        assert_eq!(
            json(tool(Answer::Failed("plugin `demo` stopped".to_owned()), "core.echo").unwrap()),
            json!({
                "resultType": "complete",
                "isError": true,
                "content": [{ "type": "text", "text": "plugin `demo` stopped" }],
            })
        );
        for asked in ALL {
            assert_eq!(
                json(other(Answer::<()>::Failed("plugin `demo` stopped".to_owned()), asked).unwrap_err()),
                json!({ "code": -32603, "message": "plugin `demo` stopped" })
            );
        }
    }
}

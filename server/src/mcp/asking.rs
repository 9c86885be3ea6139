//! Questions that a plugin has for the client of a call: how they look in MCP,
//! which answers are answers, and what a client carries from one round to the
//! next in the revision without sessions.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use plugin_contract::op::{Elicited, Question, Roots, Sampled};
use rmcp::model::{
    ClientCapabilities, ElicitationCapability, ErrorData, InputRequest, InputResponses, RequestStateCodec,
    RootsCapabilities, SamplingCapability, SealOptions, ServerRequest,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use server_core::{arguments::ArgumentSchema, principal::Principal};

/// How long a client may take from a question to its answer.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// How often one request may ask.
const MAX_ROUNDS: u8 = 10;

/// How large the answers to one request may be together, as JSON.
const MAX_ANSWERS: usize = 64 * 1024;

/// The question in MCP's terms, or why it is none.
pub(super) fn request(question: &Question) -> Result<InputRequest, String> {
    if let Question::Elicit(form) = question {
        ArgumentSchema::new(&form.requested_schema).map_err(|error| format!("the form's schema: {error}"))?;
    }
    serde_json::to_value(question).and_then(serde_json::from_value).map_err(|_| {
        "it is not what MCP lets a server ask: a form has a flat object for its schema".to_owned()
    })
}

/// The same, to be sent in a session.
pub(super) fn message(question: &Question) -> Result<ServerRequest, String> {
    Ok(match request(question)? {
        InputRequest::CreateMessage(request) => ServerRequest::CreateMessageRequest(request),
        InputRequest::Elicitation(request) => ServerRequest::ElicitRequest(request),
        InputRequest::ListRoots(request) => ServerRequest::ListRootsRequest(request),
        _ => return Err("it is not what MCP lets a server ask".to_owned()),
    })
}

/// Whether that is an answer to the question, or why not.
pub(super) fn check(question: &Question, answer: &Value) -> Result<(), String> {
    let shape = |shape: &str| format!("it must be {shape}");
    match question {
        Question::Elicit(form) => {
            let answer = Elicited::<Value>::deserialize(answer).map_err(|_| {
                shape("an `action`, which is `accept`, `decline` or `cancel`, and `content` with `accept`")
            })?;
            if let Elicited::Accept { content } = answer {
                let schema =
                    ArgumentSchema::new(&form.requested_schema).map_err(|error| error.to_string())?;
                let complaints = schema.complaints_about("the answer", &content);
                if !complaints.is_empty() {
                    return Err(complaints.join("; "));
                }
            }
        }
        Question::Sample(_) => {
            drop(Sampled::deserialize(answer).map_err(|_| shape("`role`, `content` and `model`"))?);
        }
        Question::Roots {} => {
            drop(Roots::deserialize(answer).map_err(|_| shape("`roots`, each with a `uri`"))?);
        }
        _ => return Err("it is no question".to_owned()),
    }
    Ok(())
}

/// Whether a request may have that many answers, or why not.
pub(super) fn weigh(answers: &BTreeMap<String, Value>) -> Result<(), String> {
    let size = serde_json::to_vec(answers).map_or(usize::MAX, |bytes| bytes.len());
    if size > MAX_ANSWERS {
        return Err(format!("the answers have {size} bytes, more than {MAX_ANSWERS}"));
    }
    Ok(())
}

/// What a client would have to declare so that it could be asked that.
pub(super) fn capabilities<'q>(
    questions: impl IntoIterator<Item = &'q Question>,
    tasks: bool,
) -> ClientCapabilities {
    let mut capabilities = if tasks {
        ClientCapabilities::builder().enable_tasks().build()
    } else {
        ClientCapabilities::default()
    };
    for question in questions {
        match question {
            Question::Elicit(_) => capabilities.elicitation = Some(ElicitationCapability::default()),
            Question::Sample(_) => capabilities.sampling = Some(SamplingCapability::default()),
            Question::Roots {} => capabilities.roots = Some(RootsCapabilities::default()),
            _ => {}
        }
    }
    capabilities
}

/// What a client knows so far about one request, and what it is good for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Round {
    /// How often the request asked before.
    number: u8,
    /// What it was answered.
    pub(super) answers: BTreeMap<String, Value>,
}

/// What a client carries, and until when it is good.
#[derive(Serialize, Deserialize)]
struct Carried {
    round: Round,
    until: SystemTime,
}

/// Seals what clients carry, so that they cannot change it, nor use it for
/// another agent, another request or another day. The key is as old as the
/// process.
#[derive(Debug)]
pub(super) struct Seal(RequestStateCodec);

/// What a state is bound to: the agent and its request.
#[derive(Debug)]
pub(super) struct Context(Vec<u8>);

impl Context {
    pub(super) fn new(
        principal: &Principal,
        method: &str,
        name: &str,
        arguments: &impl Serialize,
    ) -> Result<Self, ErrorData> {
        let who = (principal.agent.as_str(), principal.tenant.as_str());
        serde_json::to_vec(&(who, method, name, arguments))
            .map(Self)
            .map_err(|_| ErrorData::internal_error("internal error", None))
    }
}

impl Seal {
    /// One with a key of its own.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self(RequestStateCodec::new_unchecked(key)))
    }

    /// What the client is to bring along with its answers.
    pub(super) fn close(&self, round: &Round, context: &Context) -> Result<String, ErrorData> {
        self.close_at(round, context, SystemTime::now())
    }

    fn close_at(&self, round: &Round, context: &Context, now: SystemTime) -> Result<String, ErrorData> {
        let options = SealOptions::new().associated_data(&context.0);
        let round = Round { number: round.number + 1, answers: round.answers.clone() };
        let carried = Carried { round, until: now + PATIENCE };
        self.0
            .seal_json_with(&carried, &options)
            .map_err(|_| ErrorData::internal_error("internal error", None))
    }

    /// The round that the client's request begins. Answers without a state are
    /// good: whoever gives them is asked nothing twice.
    pub(super) fn open(
        &self,
        state: Option<&str>,
        responses: Option<InputResponses>,
        context: &Context,
    ) -> Result<Round, ErrorData> {
        self.open_at(state, responses, context, SystemTime::now())
    }

    fn open_at(
        &self,
        state: Option<&str>,
        responses: Option<InputResponses>,
        context: &Context,
        now: SystemTime,
    ) -> Result<Round, ErrorData> {
        let refuse = |why: &str| {
            let message = format!("`requestState` cannot be used, {why}: make the request anew, without it");
            ErrorData::invalid_params(message, None)
        };
        let mut round = match state {
            None => Round::default(),
            Some(state) => {
                let opened = self.0.open_json_with::<Carried>(state, &context.0);
                let carried = opened.map_err(|_| refuse("it was not given out for this request"))?;
                if now > carried.until {
                    return Err(refuse("it is too old"));
                }
                carried.round
            }
        };
        if round.number > MAX_ROUNDS {
            return Err(refuse("the request has asked too often"));
        }
        round.answers.extend(responses.unwrap_or_default());
        weigh(&round.answers).map_err(|message| ErrorData::invalid_params(message, None))?;
        Ok(round)
    }
}

#[cfg(test)]
mod tests {
    use plugin_contract::op::{Elicitation, PromptMessage, Sampling};
    use serde_json::json;

    use super::*;

    fn form(schema: Value) -> Question {
        Question::Elicit(Elicitation::form("Well?", schema.as_object().unwrap().clone()))
    }

    fn name() -> Question {
        form(
            json!({ "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] }),
        )
    }

    fn principal(agent: &str) -> Principal {
        Principal { agent: agent.parse().unwrap(), tenant: "research".parse().unwrap() }
    }

    fn context(agent: &str, name: &str, arguments: Value) -> Context {
        Context::new(&principal(agent), "tools/call", name, &arguments).unwrap()
    }

    #[test]
    fn a_question_is_one_that_mcp_knows() {
        let sampling =
            Sampling { messages: vec![PromptMessage::user("Hello")], max_tokens: 9, ..Sampling::default() };
        for question in [name(), Question::Sample(sampling), Question::Roots {}] {
            let sent = serde_json::to_value(request(&question).unwrap()).unwrap();
            assert_eq!(sent["method"], serde_json::to_value(&question).unwrap()["method"]);
        }
        let nested =
            json!({ "type": "object", "properties": { "a": { "type": "object", "properties": {} } } });
        for schema in [json!({ "type": "string" }), nested] {
            assert!(request(&form(schema.clone())).is_err(), "{schema}");
        }
    }

    #[test]
    fn an_answer_fits_its_question() {
        let accept = |content: Value| json!({ "action": "accept", "content": content });
        let sampled =
            json!({ "role": "assistant", "content": { "type": "text", "text": "hi" }, "model": "m" });
        let roots = json!({ "roots": [{ "uri": "file:///a" }] });
        let sample = Question::Sample(Sampling::default());
        for (question, answer, fits) in [
            (name(), accept(json!({ "name": "Ada" })), true),
            (name(), json!({ "action": "decline" }), true),
            (name(), json!({ "action": "cancel" }), true),
            (name(), accept(json!({ "name": 5 })), false),
            (name(), accept(json!({})), false),
            (name(), json!({ "action": "accept" }), false),
            (name(), json!(5), false),
            (sample.clone(), sampled.clone(), true),
            (sample, roots.clone(), false),
            (Question::Roots {}, roots, true),
            (Question::Roots {}, sampled, false),
        ] {
            assert_eq!(check(&question, &answer).is_ok(), fits, "{question:?} {answer}");
        }
    }

    #[test]
    fn a_state_brings_the_answers_back_and_takes_new_ones() {
        let seal = Seal::new().unwrap();
        let bound = context("laptop", "demo.ask", json!({ "a": 1 }));
        let responses = |key: &str| Some(InputResponses::from([(key.to_owned(), json!(key))]));
        let first = seal.open(None, responses("one"), &bound).unwrap();
        let state = seal.close(&first, &bound).unwrap();
        let second = seal.open(Some(&state), responses("two"), &bound).unwrap();
        assert_eq!(second.answers.keys().collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(second.number, 1);
    }

    #[test]
    fn a_state_is_good_for_one_agent_one_request_and_one_process() {
        let seal = Seal::new().unwrap();
        let state = seal.close(&Round::default(), &context("laptop", "demo.ask", json!({ "a": 1 }))).unwrap();
        for (seal, bound) in [
            (&seal, context("reviewer", "demo.ask", json!({ "a": 1 }))),
            (&seal, context("laptop", "demo.other", json!({ "a": 1 }))),
            (&seal, context("laptop", "demo.ask", json!({ "a": 2 }))),
            (&Seal::new().unwrap(), context("laptop", "demo.ask", json!({ "a": 1 }))),
        ] {
            let error = seal.open(Some(&state), None, &bound).unwrap_err();
            assert_eq!(error.code, rmcp::model::ErrorCode::INVALID_PARAMS);
        }
    }

    #[test]
    fn a_state_is_good_for_fifteen_minutes() {
        let seal = Seal::new().unwrap();
        let bound = context("laptop", "demo.ask", json!({}));
        let begun = SystemTime::now();
        let state = seal.close_at(&Round::default(), &bound, begun).unwrap();
        let open = |after| seal.open_at(Some(&state), None, &bound, begun + after);
        for after in [Duration::ZERO, PATIENCE - Duration::from_millis(1), PATIENCE] {
            assert_eq!(open(after).unwrap().number, 1, "{after:?}");
        }
        for after in [PATIENCE + Duration::from_millis(1), PATIENCE * 100] {
            assert_eq!(
                open(after).unwrap_err().message,
                "`requestState` cannot be used, it is too old: make the request anew, without it"
            );
        }
        // Another round has its own time.
        let round = open(PATIENCE).unwrap();
        let next = seal.close_at(&round, &bound, begun + PATIENCE).unwrap();
        assert_eq!(seal.open_at(Some(&next), None, &bound, begun + PATIENCE * 2).unwrap().number, 2);
    }

    #[test]
    fn a_request_asks_ten_times_and_no_more() {
        let seal = Seal::new().unwrap();
        let bound = context("laptop", "demo.ask", json!({}));
        let mut round = Round::default();
        for _ in 0..10 {
            let state = seal.close(&round, &bound).unwrap();
            round = seal.open(Some(&state), None, &bound).unwrap();
        }
        let state = seal.close(&round, &bound).unwrap();
        let error = seal.open(Some(&state), None, &bound).unwrap_err();
        assert!(error.message.contains("asked too often"), "{}", error.message);
    }
}

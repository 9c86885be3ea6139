//! The host, as a test scripts it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use plugin_contract::op::{
    AgentAbout, Answers, Ask, CallState, ClientAbout, Database, Detach, ErrorCode, LogLine, OpError, Query,
    Rows, ServerAbout, Updated, host,
};
use serde::Serialize;
use serde_json::Value;

use super::{Said, files::FakeFiles, read, write};
use crate::{HttpRequest, HttpResponse, LlmAnswer, LlmQuery, call::Services};

/// Answers a plugin's requests.
#[derive(Default)]
pub(super) struct ScriptedHost(Mutex<Script>);

pub(super) struct Script {
    pub(super) server: Option<ServerAbout>,
    pub(super) agent: Option<AgentAbout>,
    pub(super) client: ClientAbout,
    pub(super) answers: BTreeMap<String, Value>,
    /// How often it is looked in vain whether a call is cancelled.
    pub(super) cancelled_after: Option<u32>,
    pub(super) remaining: Duration,
    pub(super) served: BTreeMap<String, Result<Value, OpError>>,
    pub(super) asked: Vec<(String, Value)>,
    pub(super) log: Vec<LogLine>,
    pub(super) said: Vec<Said>,
    pub(super) http: Exchange<HttpRequest, HttpResponse>,
    pub(super) llm: Exchange<LlmQuery, LlmAnswer>,
    pub(super) files: FakeFiles,
    pub(super) databases: BTreeMap<String, Respond<Query, Rows>>,
}

/// Answers whatever comes.
pub(super) type Respond<Q, A> = Box<dyn Fn(&Q) -> Result<A, OpError> + Send + Sync>;

/// What is asked of somebody far away, and answered.
pub(super) struct Exchange<Q, A> {
    respond: Option<Respond<Q, A>>,
    /// What must come, and in which order.
    expected: Option<VecDeque<(Q, Result<A, OpError>)>>,
    complaints: Vec<String>,
}

impl Default for Script {
    fn default() -> Self {
        let (server, agent, client, answers, cancelled_after) = Default::default();
        let (served, asked, log, said, http) = Default::default();
        let (llm, files, databases) = Default::default();
        let remaining = Duration::from_secs(30);
        Self {
            server,
            agent,
            client,
            answers,
            cancelled_after,
            remaining,
            served,
            asked,
            log,
            said,
            http,
            llm,
            files,
            databases,
        }
    }
}

impl<Q, A> Default for Exchange<Q, A> {
    fn default() -> Self {
        Self { respond: None, expected: None, complaints: Vec::new() }
    }
}

impl<Q: PartialEq + Serialize, A: Clone> Exchange<Q, A> {
    pub(super) fn answer_with(&mut self, respond: impl Fn(&Q) -> Result<A, OpError> + Send + Sync + 'static) {
        self.respond = Some(Box::new(respond));
    }

    pub(super) fn expect(&mut self, question: Q, answer: Result<A, OpError>) {
        self.expected.get_or_insert_default().push_back((question, answer));
    }

    fn answer(&mut self, op: &str, question: &Q) -> Result<A, OpError> {
        let Some(expected) = &mut self.expected else {
            return match &self.respond {
                Some(respond) => respond(question),
                None => Err(missing(op)),
            };
        };
        let complaint = match expected.front() {
            Some((wanted, answer)) if wanted == question => {
                let answer = answer.clone();
                expected.pop_front();
                return answer;
            }
            Some((wanted, _)) => format!(
                "the plugin asked `{op}` for\n  {}\nand the test expects\n  {}",
                shown(question),
                shown(wanted)
            ),
            None => format!(
                "the plugin asked `{op}` for\n  {}\nand the test expects nothing more",
                shown(question)
            ),
        };
        self.complaints.push(complaint.clone());
        Err(OpError::new(ErrorCode::Failed, complaint))
    }

    fn complaints(&mut self, op: &str) -> Vec<String> {
        let missed = self.expected.take().into_iter().flatten();
        let missed = missed.map(|(wanted, _)| {
            format!(
                "the test expects that the plugin asks `{op}` for\n  {}\nwhich it did not",
                shown(&wanted)
            )
        });
        let mut complaints = std::mem::take(&mut self.complaints);
        // What came instead explains what did not come.
        if complaints.is_empty() {
            complaints.extend(missed);
        }
        complaints
    }
}

impl ScriptedHost {
    pub(super) fn with<T>(&self, read: impl FnOnce(&mut Script) -> T) -> T {
        read(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Services for ScriptedHost {
    fn invoke(&self, op: &str, _: &[u8], input: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
        self.with(|script| script.answer(op, input)).map_err(|error| write(&error))
    }
}

impl Script {
    /// What did not go as the test expects.
    pub(super) fn complaints(&mut self) -> Vec<String> {
        [self.http.complaints(host::HTTP), self.llm.complaints(host::LLM_QUERY)].concat()
    }

    fn answer(&mut self, op: &str, input: &[u8]) -> Result<Vec<u8>, OpError> {
        match op {
            host::LOG => self.log.push(read(input)),
            host::PROGRESS => self.said.push(Said::Progress(read(input))),
            host::CLIENT_LOG => self.said.push(Said::Log(read(input))),
            host::RESOURCE_UPDATED => self.said.push(Said::Updated(read::<Updated>(input).uri)),
            host::OFFER => self.said.push(Said::Offer(read(input))),
            host::ABOUT_SERVER => return self.server.as_ref().map(write).ok_or_else(|| missing(op)),
            host::ABOUT_AGENT => return self.agent.as_ref().map(write).ok_or_else(|| missing(op)),
            host::ABOUT_CLIENT => return Ok(write(&self.client)),
            host::CALL_STATE => return Ok(write(&self.look())),
            host::DETACH => return self.detach(read(input)).map(|detached| write(&detached)),
            host::ASK => return self.answers(read(input)).map(|answers| write(&answers)),
            _ => {
                self.asked.push((op.to_owned(), read(input)));
                return self.world(op, input);
            }
        }
        Ok(write(&()))
    }

    /// What reaches beyond the call and its client.
    fn world(&mut self, op: &str, input: &[u8]) -> Result<Vec<u8>, OpError> {
        if let Some(answer) = self.served.get(op) {
            return answer.clone().map(|answer| write(&answer));
        }
        match op {
            host::HTTP => self.http.answer(op, &HttpRequest(read(input))).map(|it| write(&it)),
            host::LLM_QUERY => self.llm.answer(op, &read(input)).map(|it| write(&it)),
            host::FILE_ROOTS => Ok(write(&self.files.roots())),
            host::LIST_FILES => self.files.list(&read(input)).map(|it| write(&it)),
            host::READ_FILE => self.files.read(&read(input)).map(|it| write(&it)),
            host::SEARCH_FILES => self.files.search(&read(input)).map(|it| write(&it)),
            host::DATABASES => Ok(write(&self.databases())),
            host::QUERY => self.query(&read(input)).map(|it| write(&it)),
            _ => Err(missing(op)),
        }
    }

    fn look(&mut self) -> CallState {
        let cancelled = match &mut self.cancelled_after {
            Some(0) => true,
            Some(looks) => {
                *looks -= 1;
                false
            }
            None => false,
        };
        let remaining_ms = u64::try_from(self.remaining.as_millis()).unwrap_or(u64::MAX);
        CallState { cancelled, remaining_ms }
    }

    fn databases(&self) -> Vec<Database> {
        let database =
            |name: &String| Database { name: name.clone(), dialect: "sqlite".to_owned(), description: None };
        self.databases.keys().map(database).collect()
    }

    fn query(&self, query: &Query) -> Result<Rows, OpError> {
        match self.databases.get(&query.database) {
            Some(answer) => answer(query),
            None if self.databases.is_empty() => Err(missing(host::QUERY)),
            None => Err(OpError::new(
                ErrorCode::Denied,
                format!("the test's harness has no database `{}`", query.database),
            )),
        }
    }

    fn detach(&self, detach: Detach) -> Result<bool, OpError> {
        if detach.required && !self.client.tasks {
            let message = "the client does not offer tasks, which this needs";
            return Err(OpError::new(ErrorCode::ClientCannot, message));
        }
        Ok(self.client.tasks)
    }

    fn answers(&self, ask: Ask) -> Result<Answers, OpError> {
        let mut answers = BTreeMap::new();
        for (key, question) in ask.questions {
            if !question.suits(&self.client) {
                let message =
                    format!("the client does not offer `{}`, which this needs", question.capability());
                return Err(OpError::new(ErrorCode::ClientCannot, message));
            }
            let answer = self.answers.get(&key).cloned().ok_or_else(|| {
                OpError::new(ErrorCode::NoAnswer, format!("the test's harness has no answer to `{key}`"))
            })?;
            answers.insert(key, answer);
        }
        Ok(Answers { answers })
    }
}

/// What a test forgot, and how to say it.
pub(super) fn missing(op: &str) -> OpError {
    let how = match op {
        host::ABOUT_SERVER => "`Harness::server`",
        host::ABOUT_AGENT => "`Harness::agent`",
        host::HTTP => "`Harness::http` or `Harness::expect_http`",
        host::LLM_QUERY => "`Harness::llm` or `Harness::expect_llm`",
        host::LIST_FILES | host::READ_FILE | host::SEARCH_FILES => "`Harness::file`",
        host::QUERY => "`Harness::database`",
        _ => "`Harness::serve`",
    };
    OpError::new(
        ErrorCode::Failed,
        format!("the test's harness has no answer to `{op}`: give it one with {how}"),
    )
}

fn shown(value: &impl Serialize) -> String {
    String::from_utf8_lossy(&write(value)).into_owned()
}

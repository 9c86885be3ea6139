//! `POST /explain`: why an agent may call a tool, or not.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use serde_json::{Map, Value};
use server_core::{
    config::{self, Places},
    explain::Explanation,
    gateway::{NoExplanation, Question},
};
use tokio::{task, time::timeout};

use super::{Shared, problem::Problem};

/// How large a question may be: as large as a call, and its frame.
const BODY: usize = (4 << 20) + 4096;

/// How long one may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    agent: String,
    tool: String,
    arguments: Option<Map<String, Value>>,
}

pub(super) async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let question = match question(request.into_body()).await {
        Ok(question) => question,
        Err(problem) => return problem.into_response(),
    };
    // The texts of the configuration are read again, and may be large.
    let explained = task::spawn_blocking(move || shared.explain(&question)).await;
    match explained {
        Ok(Ok(explanation)) => respond(&explanation),
        Ok(Err(none)) => {
            let error = match none {
                NoExplanation::Agent { .. } => "no_such_agent",
                NoExplanation::Tool { .. } => "no_such_tool",
            };
            Problem::nothing(error, none.to_string()).into_response()
        }
        Err(_panicked) => Problem::INTERNAL.into_response(),
    }
}

fn respond(explanation: &Explanation) -> Response {
    let Ok(body) = serde_json::to_string(explanation) else { return Problem::INTERNAL.into_response() };
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

impl Shared {
    fn explain(&self, question: &Question) -> Result<Explanation, NoExplanation> {
        let sources = &self.sources;
        let snapshot = sources.live.load();
        // Another configuration may come into force at any time, and its texts say
        // nothing of this one.
        let written = sources.reloads.sources();
        let is_it = config::digest(&written) == snapshot.config_sha256;
        let places = if is_it { Places::of(&written) } else { None };
        sources.gateway.explain(&snapshot, question, places.as_ref())
    }
}

async fn question(body: Body) -> Result<Question, Problem> {
    let read = timeout(PATIENCE, Limited::new(body, BODY).collect()).await;
    let Ok(Ok(body)) = read else {
        return Err(Problem::question(format!(
            "the question is larger than {BODY} bytes, or did not arrive"
        )));
    };
    let Asked { agent, tool, arguments } = serde_json::from_slice(&body.to_bytes()).map_err(|error| {
        let form = r#"{"agent": "…", "tool": "…", "arguments": {…}}"#;
        Problem::question(format!("the body must be {form}, the arguments being optional: {error}"))
    })?;
    Ok(Question { agent, tool, arguments })
}

//! `explain`.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use server_core::{
    audit::{Admission, AuditSink, AuditStatus, AuditUnavailable},
    config::Places,
    explain::{Arguments as Judged, Explanation},
    gateway::{CallLog, CallRecord, Gateway, Question},
    redact::Redaction,
    snapshot::{Content, Live},
};

use crate::{
    cli::{
        Failure,
        admin::{Door, DoorArguments},
        config_path, stand_in,
    },
    plugin::{Installation, claims::claims},
};

mod page;

/// Say whether an agent may call a tool, and why
#[derive(Debug, Args)]
#[command(after_help = "\
The running server is asked, through its admin listener. Where there is none, and with --offline,
the answer is that of the configuration file: plugins are then taken at their word, and limits that
agents have used up are not known.

Exit codes: 0 the call would get to its plugin; 1 it would not, or there is no such agent or tool;
64 wrong usage; 78 the configuration cannot be used.

Examples:
  mcp-universal-server explain --agent laptop --tool core.sum
  mcp-universal-server explain --agent laptop --tool core.sum --args '{\"a\": 2, \"b\": 3}'
  mcp-universal-server explain --offline --config new.yaml --agent laptop --tool core.sum --json")]
pub(super) struct Arguments {
    /// The agent that would call
    #[arg(long, value_name = "NAME")]
    agent: String,
    /// The tool it would call
    #[arg(long, value_name = "NAME")]
    tool: String,
    /// The call's arguments, a JSON object; `@FILE` reads them from a file, `@-` from stdin
    #[arg(long, value_name = "JSON")]
    args: Option<String>,
    /// Ask the configuration file, not the server
    #[arg(long, conflicts_with = "url")]
    offline: bool,
    #[command(flatten)]
    door: DoorArguments,
}

pub(super) fn run(
    arguments: &Arguments,
    config: Option<PathBuf>,
    redaction: &Redaction,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let question = Question {
        agent: arguments.agent.clone(),
        tool: arguments.tool.clone(),
        arguments: arguments.args.as_deref().map(object).transpose()?,
    };
    let answer = if arguments.offline { None } else { ask(&arguments.door, config.clone(), &question)? };
    let explanation = match answer {
        Some(explanation) => explanation,
        None => of_file(&config_path(config), &question, redaction)?,
    };
    if arguments.door.json {
        let json = serde_json::to_string_pretty(&explanation).map_err(Failure::failed)?;
        writeln!(out, "{json}").map_err(Failure::failed)?;
    } else {
        page::write(&explanation, out).map_err(Failure::failed)?;
    }
    if explanation.allowed { Ok(()) } else { Err(Failure::Failed(String::new())) }
}

/// What a running server says. `None`: there is none to ask.
fn ask(
    arguments: &DoorArguments,
    config: Option<PathBuf>,
    question: &Question,
) -> Result<Option<Explanation>, Failure> {
    let asked_here = arguments.names_server();
    let answered = Door::find(arguments, config).and_then(|door| {
        let Question { agent, tool, arguments } = question;
        let mut body = json!({ "agent": agent, "tool": tool });
        if let (Some(arguments), Some(body)) = (arguments, body.as_object_mut()) {
            body.insert("arguments".to_owned(), Value::Object(arguments.clone()));
        }
        door.put(Method::POST, "/explain", &body)
    });
    let answer = match answered {
        Ok(answer) => answer,
        Err(failure) if asked_here => return Err(failure),
        Err(failure) => {
            let why = failure.to_string();
            let why = why.lines().next().unwrap_or_default();
            let _ = writeln!(io::stderr(), "note: no server is asked, only the configuration file: {why}");
            return Ok(None);
        }
    };
    if answer.status == StatusCode::NOT_FOUND {
        #[derive(Deserialize)]
        struct Nothing {
            error: String,
            message: String,
        }
        let nothing = serde_json::from_str(&answer.body).ok();
        if let Some(Nothing { message, .. }) = nothing.filter(|it: &Nothing| it.error.starts_with("no_such"))
        {
            return Err(Failure::Failed(message));
        }
    }
    answer.read().map(Some)
}

/// What the same engine says of a configuration that is in force nowhere.
fn of_file(path: &Path, question: &Question, redaction: &Redaction) -> Result<Explanation, Failure> {
    // No token is needed to say what its bearer may do.
    let compiled = stand_in::compiled(path, redaction)?;
    let claims = claims(&compiled.settings.plugins, &Installation::of_this_process());
    for unread in &claims.unread {
        let _ = writeln!(io::stderr(), "note: {unread}; tools in it are not known");
    }
    let places = Places::of(&compiled.sources);
    let registry = claims.registry(&compiled.settings.plugins);
    let content = Content { config_sha256: compiled.sha256, settings: compiled.settings, registry };
    let live = Arc::new(Live::new(content));
    let gateway = Gateway::new(live.clone(), Arc::new(NoCalls), Arc::new(NoCalls));
    let explained = gateway.explain(&live.load(), question, places.as_ref());
    let explanation = explained.map_err(Failure::failed)?;
    Ok(Explanation { generation: None, ..explanation })
}

/// Nothing is called, so nothing is recorded.
struct NoCalls;

impl CallLog for NoCalls {
    fn record(&self, _record: &CallRecord) {}
}

impl AuditSink for NoCalls {
    fn decided(&self, _call: &CallRecord, _arguments: &[u8]) -> Admission {
        Admission::Unavailable
    }

    fn ended(&self, _call: &CallRecord, _arguments: &[u8]) {}

    fn available(&self) -> Result<(), AuditUnavailable> {
        Ok(())
    }

    fn status(&self) -> AuditStatus {
        AuditStatus::default()
    }
}

fn object(text: &str) -> Result<Map<String, Value>, Failure> {
    let unreadable = |name: &str, error: io::Error| Failure::Failed(format!("cannot read {name}: {error}"));
    let text = match text.strip_prefix('@') {
        None => text.to_owned(),
        Some("-") => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).map_err(|error| unreadable("stdin", error))?;
            text
        }
        Some(path) => fs::read_to_string(Path::new(path)).map_err(|error| unreadable(path, error))?,
    };
    serde_json::from_str(&text).map_err(|error| {
        Failure::Usage(format!(
            "the arguments must be a JSON object, as in '{{\"text\": \"hello\"}}': {error}"
        ))
    })
}

/// In words, what was made of the arguments.
fn judged(judged: Judged) -> &'static str {
    match judged {
        Judged::NotGiven => "not judged: give them with --args",
        Judged::Fit => "fit the tool's schema",
        Judged::DoNotFit => "do not fit the tool's schema",
    }
}

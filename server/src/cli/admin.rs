//! The running server's admin listener, as the commands find it.

use std::{env, path::PathBuf, time::Duration};

use clap::Args;
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;
use server_core::{
    config::{self, AdminEndpoint, NoSecret},
    secret::Secret,
};

use crate::{
    cli::{Failure, config_path, endpoint, healthcheck::innermost},
    config_files::ConfigFiles,
};

/// How long an answer may take: plugins may be loaded meanwhile.
const PATIENCE: Duration = Duration::from_secs(150);

/// The variable that holds the token where the configuration does not lead to it.
const TOKEN: &str = "MCP_ADMIN_TOKEN";

/// Where the server is, and how its answer is to look.
#[derive(Debug, Args)]
pub(super) struct DoorArguments {
    /// The server [default: `admin.listen` of the configuration]
    #[arg(long)]
    url: Option<String>,
    /// Print the server's answer as it is, one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

impl DoorArguments {
    /// Whether it was said which server.
    pub(super) fn names_server(&self) -> bool {
        self.url.is_some()
    }
}

/// A running server's admin listener.
pub(super) struct Door {
    url: Url,
    token: Secret,
}

/// What was answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: String,
}

impl Door {
    /// The one that the arguments and the configuration lead to. A server goes on
    /// with the configuration before, so one with problems leads there too.
    pub(super) fn find(arguments: &DoorArguments, config: Option<PathBuf>) -> Result<Self, Failure> {
        let path = config_path(config);
        let admin = endpoint::read(&path).admin;
        let token = token(&admin, &ConfigFiles::new(path))?;
        let url = match &arguments.url {
            Some(url) => url.clone(),
            None if admin.listen.port() == 0 => {
                let why = "`admin.listen` has port 0, so only the server knows its port: name it with --url, as its log line `admin listening` does";
                return Err(Failure::Usage(why.to_owned()));
            }
            None => format!("http://{}", endpoint::local(admin.listen)),
        };
        let url = Url::parse(&url).map_err(|error| Failure::Usage(format!("`{url}` is no URL: {error}")))?;
        Ok(Self { url, token })
    }

    /// Asks for a path with a query.
    pub(super) fn ask(&self, method: Method, path: &str, query: &[(&str, &str)]) -> Result<Answer, Failure> {
        let mut url = self.url.clone();
        url.set_path(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(|client| client.request(method, url))
    }

    /// Puts a question that is larger than fits into a query.
    pub(super) fn put(&self, method: Method, path: &str, question: &Value) -> Result<Answer, Failure> {
        let mut url = self.url.clone();
        url.set_path(path);
        self.send(|client| client.request(method, url).json(question))
    }

    fn send(&self, request: impl FnOnce(&Client) -> RequestBuilder) -> Result<Answer, Failure> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
        runtime.block_on(async {
            let client = Client::builder().no_proxy().timeout(PATIENCE).build().map_err(Failure::failed)?;
            let request = request(&client).bearer_auth(self.token.expose());
            let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
            let status = answer.status();
            let body = answer.text().await.map_err(|error| self.unreachable(&error))?;
            Ok(Answer { status, body })
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let why = if error.is_timeout() { "no answer in time".to_owned() } else { innermost(error) };
        Failure::Failed(format!(
            "{}: {why}\n  help: is the server running, and does its log say `admin listening`?",
            self.url.as_str().trim_end_matches('/')
        ))
    }
}

impl Answer {
    /// The body, if it is what was asked for; or why the door did not open.
    pub(super) fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Failure> {
        if self.status == StatusCode::UNAUTHORIZED {
            let why = format!(
                "the server does not take this token: it is not the admin token that the server runs with\n  \
                 help: set {TOKEN} to the right one, or correct what `admin.token` refers to"
            );
            return Err(Failure::Failed(why));
        }
        serde_json::from_str(&self.body).map_err(|_| {
            #[derive(Deserialize)]
            struct Said {
                message: String,
            }
            let said = serde_json::from_str(&self.body).map(|Said { message }| message);
            Failure::Failed(format!(
                "the server answered {}: {}",
                self.status,
                said.unwrap_or(self.body.clone())
            ))
        })
    }
}

fn token(admin: &AdminEndpoint, files: &ConfigFiles) -> Result<Secret, Failure> {
    if let Ok(token) = env::var(TOKEN) {
        return Ok(Secret::new(token));
    }
    let path = files.path().display();
    let no_token = |why: String, help: String| {
        Failure::Configuration(format!(
            "{why}\n  help: {help}, or set {TOKEN} to the admin token of the running server"
        ))
    };
    let Some(reference) = &admin.token else {
        return Err(no_token(
            format!("{path} has no `admin.token`, so its server has no admin listener"),
            "add `admin: { token: \"${ADMIN_TOKEN}\" }`".to_owned(),
        ));
    };
    let environment = match files.read() {
        Ok((_, environment)) => environment,
        Err(error) => return Err(no_token(error.to_string(), "correct it".to_owned())),
    };
    let folder = files.path().parent().unwrap_or_else(|| std::path::Path::new(""));
    config::secret(reference, folder, &environment).map_err(|error| {
        let help = match &error {
            NoSecret::Unset(name) => {
                format!("set it here, or add a line `{name}=…` to the file `.env` beside {path}")
            }
            NoSecret::Digest => "give the token itself".to_owned(),
            NoSecret::NoReference | NoSecret::Unreadable { .. } => "correct it".to_owned(),
        };
        no_token(format!("`admin.token` in {path} gives no token to send: {error}"), help)
    })
}

//! A client that answers what it is asked, and tells a test what it hears.

#![expect(deprecated, reason = "the older revisions have sampling, roots and logging")]

use std::time::Duration;

use rmcp::{
    ClientHandler, ErrorData, RoleClient,
    model::{
        ClientCapabilities, ClientConfig, CreateMessageRequestParams, CreateMessageResult,
        ElicitRequestParams, ElicitResult, ElicitationAction, Implementation, ListRootsResult,
        LoggingMessageNotificationParam, ProgressNotificationParam, ProtocolVersion,
        ResourceUpdatedNotificationParam, Root, SamplingMessage,
    },
    service::{ClientLifecycleMode, ClientServiceExt, NotificationContext, RequestContext, RunningService},
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use serde_json::{Map, Value, json};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use super::{
    PATIENCE, Server,
    client::{Era, http},
};

/// What a client hears without asking.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    Progress(f64, Option<f64>, Option<String>),
    Log(Value),
    Updated(String),
    Tools,
    Prompts,
}

/// The client's own side.
#[derive(Clone)]
pub(crate) struct Talkative {
    tells: mpsc::UnboundedSender<Heard>,
    /// How long the person before it thinks about a form.
    thinks: Duration,
}

/// A connected one.
pub(crate) struct Talker {
    pub(crate) client: RunningService<RoleClient, Talkative>,
    heard: mpsc::UnboundedReceiver<Heard>,
}

impl Talker {
    pub(crate) async fn connect(server: &Server, token: &str, era: Era) -> Self {
        Self::connect_to_one_who_thinks(server, token, era, Duration::ZERO).await
    }

    /// The same, with a person before it who takes so long for a form.
    pub(crate) async fn connect_to_one_who_thinks(
        server: &Server,
        token: &str,
        era: Era,
        thinks: Duration,
    ) -> Self {
        let config = StreamableHttpClientTransportConfig::with_uri(server.url("/mcp")).auth_header(token);
        let transport = StreamableHttpClientTransport::with_client(http(), config);
        let lifecycle = match era {
            Era::Session => ClientLifecycleMode::Initialize,
            Era::Stateless => {
                ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
            }
        };
        let (sender, heard) = mpsc::unbounded_channel();
        let client =
            Talkative { tells: sender, thinks }.serve_with_lifecycle(transport, lifecycle).await.unwrap();
        Self { client, heard }
    }

    /// What it hears next.
    pub(crate) async fn hears(&mut self) -> Heard {
        timeout(PATIENCE, self.heard.recv()).await.expect("waited in vain to hear something").unwrap()
    }
}

impl ClientHandler for Talkative {
    fn get_info(&self) -> ClientConfig {
        let capabilities =
            ClientCapabilities::builder().enable_elicitation().enable_roots().enable_sampling().build();
        ClientConfig::new(capabilities, Implementation::new("talkative", "1"))
    }

    /// Fills every field of a form in, with what its name suggests.
    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { requested_schema, .. } = request else {
            panic!("a form");
        };
        sleep(self.thinks).await;
        let schema = serde_json::to_value(requested_schema).unwrap();
        let fields = schema["properties"].as_object().unwrap();
        let content: Map<String, Value> = fields
            .keys()
            .map(|name| {
                let value = match name.as_str() {
                    "ok" => json!(true),
                    "color" => json!("blue"),
                    _ => json!("Ada"),
                };
                (name.clone(), value)
            })
            .collect();
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content.into()))
    }

    async fn create_message(
        &self,
        _: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        Ok(CreateMessageResult::new(SamplingMessage::assistant_text("Paris"), "a-model".to_owned()))
    }

    async fn list_roots(&self, _: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        Ok(ListRootsResult::new(vec![Root::new("file:///home/ada")]))
    }

    async fn on_progress(&self, it: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        let _ = self.tells.send(Heard::Progress(it.progress, it.total, it.message));
    }

    async fn on_logging_message(
        &self,
        it: LoggingMessageNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let _ = self.tells.send(Heard::Log(it.data));
    }

    async fn on_resource_updated(
        &self,
        it: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let _ = self.tells.send(Heard::Updated(it.uri));
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        let _ = self.tells.send(Heard::Tools);
    }

    async fn on_prompt_list_changed(&self, _: NotificationContext<RoleClient>) {
        let _ = self.tells.send(Heard::Prompts);
    }
}

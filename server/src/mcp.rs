//! MCP, spoken through rmcp: requests become the gateway's questions, its
//! answers become MCP. Nothing is decided here.

use std::{borrow::Cow, panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use rmcp::{
    RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestMethod, CompleteRequestParams,
        CompleteResult, CustomRequest, CustomResult, DiscoverResult, ErrorCode, ErrorData,
        GetPromptRequestParams, GetPromptResponse, Implementation, InitializeRequestParams, InitializeResult,
        ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, MetaObject,
        PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse,
        ServerCapabilities, ServerConfig, SubscriptionFilter,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};
use serde_json::Value;
use server_core::{
    gateway::{Answer, Gateway},
    principal::Principal,
};
use tokio_util::sync::CancellationToken;
use tracing::error;

mod answer;
mod audience;
mod from_mcp;
mod to_mcp;

use answer::Asked;
pub use answer::{DENIAL, REFUSED};
pub use audience::Audience;
pub use server_core::principal::Caller;

/// The revisions of MCP that are spoken, oldest first.
pub const REVISIONS: [ProtocolVersion; 3] =
    [ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28];

/// The methods that are served. rmcp hands over a request of theirs as one of
/// an unknown method where it cannot read its params.
const METHODS: [&str; 11] = [
    "initialize",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "server/discover",
    "subscriptions/listen",
    "tools/call",
    "tools/list",
];

/// Where results of 2026-07-28 name the server.
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// What a request hears that did not finish before the server stopped.
pub const STOPPING: &str = "the server is stopping: try again soon";

/// Answers MCP requests. A clone is the same one.
#[derive(Clone)]
pub struct Handler(Arc<Shared>);

struct Shared {
    gateway: Arc<Gateway>,
    audience: Arc<Audience>,
    cut: CancellationToken,
    config: ServerConfig,
    identity: Value,
}

impl Handler {
    /// One that asks `gateway`, and lets clients into `audience`. Requests still
    /// under way when `cut` is cancelled are answered with an error.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>, audience: Arc<Audience>, cut: CancellationToken) -> Self {
        let (name, version) = ("mcp-universal-server", env!("CARGO_PKG_VERSION"));
        let capabilities = ServerCapabilities::builder()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_tools()
            .enable_tool_list_changed()
            .build();
        let config = ServerConfig::new(capabilities)
            .with_protocol_version(ProtocolVersion::V_2025_11_25)
            .with_server_info(Implementation::new(name, version));
        let identity = serde_json::json!({ "name": name, "version": version });
        Self(Arc::new(Shared { gateway, audience, cut, config, identity }))
    }

    fn gateway(&self) -> &Gateway {
        &self.0.gateway
    }

    /// Names the server in a result's `_meta`, where the revision asks for it.
    fn sign(&self, context: &RequestContext<RoleServer>, meta: &mut Option<MetaObject>) {
        if context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28) {
            meta.get_or_insert_default().insert(SERVER_INFO.to_owned(), self.0.identity.clone());
        }
    }

    /// For the model that reads them. They promise only what the agent may use.
    fn instructions(&self, principal: &Principal) -> String {
        let resource = matches!(self.gateway().resources(principal), Answer::Done(resources)
            if resources.iter().any(|resource| resource.spec.uri.as_str() == "about://policies"));
        let prompt = matches!(self.gateway().prompts(principal), Answer::Done(prompts)
            if prompts.iter().any(|prompt| prompt.spec.name.as_str() == "tool_usage"));
        let Principal { agent, tenant } = principal;
        let who = format!("This server knows you as agent `{agent}` of tenant `{tenant}`.");
        let where_to_look = match (resource, prompt) {
            (true, true) => {
                " The resource about://policies and the prompt `tool_usage` say what you may do here."
            }
            (true, false) => " The resource about://policies says what you may do here.",
            (false, true) => " The prompt `tool_usage` says what you may do here.",
            (false, false) => "",
        };
        format!("{who}{where_to_look} A refused call says why, and what would allow it.")
    }

    /// Runs a handler so that it always answers: rmcp never would if it panicked.
    /// A client that cancels, or hangs up where that means the same, ends it.
    async fn guarded<T>(
        &self,
        method: &'static str,
        context: &RequestContext<RoleServer>,
        work: impl Future<Output = Result<T, ErrorData>>,
    ) -> Result<T, ErrorData> {
        let work = AssertUnwindSafe(work).catch_unwind();
        tokio::select! {
            biased;
            outcome = work => outcome.unwrap_or_else(|_panic| {
                // What it said may quote arguments, so it is not logged.
                error!(target: "mcp", method, "a request's handler panicked");
                Err(ErrorData::internal_error("internal error", None))
            }),
            () = context.ct.cancelled() => Err(ErrorData::internal_error("the request was cancelled", None)),
            () = self.0.cut.cancelled() => Err(ErrorData::internal_error(STOPPING, None)),
        }
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        self.0.config.clone()
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(&REVISIONS)
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        self.guarded("initialize", &context, async {
            let principal = from_mcp::principal(&context.extensions)?;
            Ok(self.negotiate_initialize(&request)?.with_instructions(self.instructions(principal)))
        })
        .await
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        if let (Ok(caller), Some(session)) =
            (from_mcp::caller(&context.extensions), from_mcp::session(&context.extensions))
        {
            self.0.audience.join_session(session, caller, context.peer.clone());
        }
    }

    async fn discover(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        self.guarded("server/discover", &context, async {
            let principal = from_mcp::principal(&context.extensions)?;
            let config = self.get_info().with_instructions(self.instructions(principal));
            // Says itself that it is private and never fresh.
            Ok(DiscoverResult::from_server_info(REVISIONS.to_vec(), config))
        })
        .await
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.guarded("tools/list", &context, async {
            from_mcp::first_page(request)?;
            let answer = self.gateway().tools(from_mcp::principal(&context.extensions)?);
            let tools =
                answer::other(answer, Asked::List)?.iter().map(|tool| to_mcp::tool(&tool.spec)).collect();
            let mut result =
                ListToolsResult::with_all_items(tools).with_ttl_ms(0).with_cache_scope(CacheScope::Private);
            self.sign(&context, &mut result.meta);
            Ok(result)
        })
        .await
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.guarded("tools/call", &context, async {
            let caller = from_mcp::caller(&context.extensions)?;
            let arguments = request.arguments.unwrap_or_default();
            let answer = self.gateway().call_tool(caller, &request.name, arguments).await;
            let mut result = answer::tool(answer, &request.name)?;
            self.sign(&context, &mut result.meta);
            Ok(result.into())
        })
        .await
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.guarded("resources/list", &context, async {
            from_mcp::first_page(request)?;
            let answer = self.gateway().resources(from_mcp::principal(&context.extensions)?);
            let resources =
                answer::other(answer, Asked::List)?.iter().map(|it| to_mcp::resource(&it.spec)).collect();
            let mut result = ListResourcesResult::with_all_items(resources)
                .with_ttl_ms(0)
                .with_cache_scope(CacheScope::Private);
            self.sign(&context, &mut result.meta);
            Ok(result)
        })
        .await
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        self.guarded("resources/templates/list", &context, async {
            from_mcp::first_page(request)?;
            let answer = self.gateway().templates(from_mcp::principal(&context.extensions)?);
            let templates =
                answer::other(answer, Asked::List)?.iter().map(|it| to_mcp::template(&it.spec)).collect();
            let mut result = ListResourceTemplatesResult::with_all_items(templates)
                .with_ttl_ms(0)
                .with_cache_scope(CacheScope::Private);
            self.sign(&context, &mut result.meta);
            Ok(result)
        })
        .await
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.guarded("resources/read", &context, async {
            let caller = from_mcp::caller(&context.extensions)?;
            let answer = self.gateway().read_resource(caller, &request.uri).await;
            let contents = answer::other(answer, Asked::Resource(&request.uri))?;
            let mut result =
                to_mcp::resource_contents(contents).with_ttl_ms(0).with_cache_scope(CacheScope::Private);
            self.sign(&context, &mut result.meta);
            Ok(result.into())
        })
        .await
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        self.guarded("prompts/list", &context, async {
            from_mcp::first_page(request)?;
            let answer = self.gateway().prompts(from_mcp::principal(&context.extensions)?);
            let prompts = answer::other(answer, Asked::List)?
                .iter()
                .map(|prompt| to_mcp::prompt(&prompt.spec))
                .collect();
            let mut result = ListPromptsResult::with_all_items(prompts)
                .with_ttl_ms(0)
                .with_cache_scope(CacheScope::Private);
            self.sign(&context, &mut result.meta);
            Ok(result)
        })
        .await
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        self.guarded("prompts/get", &context, async {
            let caller = from_mcp::caller(&context.extensions)?;
            let arguments = from_mcp::prompt_arguments(request.arguments)?;
            let answer = self.gateway().get_prompt(caller, &request.name, arguments).await;
            let mut result = to_mcp::prompt_result(answer::other(answer, Asked::Prompt(&request.name))?);
            self.sign(&context, &mut result.meta);
            Ok(result.into())
        })
        .await
    }

    fn accepted_subscription_filter(&self, _requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(
            SubscriptionFilter::builder()
                .tools_list_changed()
                .resources_list_changed()
                .prompts_list_changed()
                .build(),
        )
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let request = context.request_context();
        let caller = from_mcp::caller(&request.extensions)?;
        let membership = self.0.audience.join_stream(caller, context.sink().clone());
        tokio::select! {
            () = context.cancelled() => {}
            () = membership.ended() => {}
        }
        Ok(())
    }

    /// Not offered, so not known; rmcp would answer it with nothing.
    async fn complete(
        &self,
        _request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Err(ErrorData::method_not_found::<CompleteRequestMethod>())
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = request.method;
        if METHODS.contains(&method.as_str()) {
            return Err(ErrorData::invalid_params(format!("the params of `{method}` cannot be read"), None));
        }
        let method = answer::shown(&method);
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("unknown method: `{method}`"), None))
    }
}

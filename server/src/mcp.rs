//! MCP, spoken through rmcp: requests become the gateway's questions, its
//! answers become MCP. Nothing is decided here.

use std::{borrow::Cow, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use plugin_contract::op::Completes;
use rmcp::{
    RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult,
        CustomRequest, CustomResult, DiscoverResult, ErrorCode, ErrorData, GetPromptRequestParams,
        GetPromptResponse, Implementation, InitializeRequestParams, InitializeResult, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, MetaObject,
        PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse,
        ServerCapabilities, ServerConfig, SetLevelRequestMethod, SetLevelRequestParams,
        SubscribeRequestMethod, SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestMethod,
        UnsubscribeRequestParams,
    },
    service::{RequestContext, SubscriptionContext},
};
use serde_json::Value;
use server_core::{
    gateway::{Answer, Gateway},
    principal::Principal,
};
use tokio_util::sync::CancellationToken;
use tracing::error;

mod answer;
mod asking;
mod audience;
mod caller;
mod exchange;
mod from_mcp;
mod instructions;
mod pages;
mod progress;
mod talk;
mod to_mcp;

use answer::Asked;
pub use answer::{DENIAL, REFUSED};
pub use audience::Audience;
pub use caller::{Caller, OpenedSession};
use exchange::{Came, Exchange};

/// The revisions of MCP that are spoken, oldest first.
pub const REVISIONS: [ProtocolVersion; 3] =
    [ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28];

/// The methods that are served. rmcp hands over a request of theirs as one of
/// an unknown method where it cannot read its params.
const METHODS: [&str; 15] = [
    "completion/complete",
    "initialize",
    "logging/setLevel",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "subscriptions/listen",
    "tools/call",
    "tools/list",
];

/// Those of them that sessions alone have.
const OF_SESSIONS: [&str; 5] =
    ["initialize", "logging/setLevel", "ping", "resources/subscribe", "resources/unsubscribe"];

/// Where results of 2026-07-28 name the server.
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// How long a plugin may say nothing before the server tells the client that its
/// call still runs. Clients give up a call after minutes, and one whose answer
/// has not begun after one.
pub const PACE: Duration = Duration::from_secs(10);

/// What a request hears that did not finish before the server stopped.
pub const STOPPING: &str = "the server is stopping: try again soon";

/// Answers MCP requests. A clone is the same one.
#[derive(Clone)]
pub struct Handler(Arc<Shared>);

struct Shared {
    gateway: Arc<Gateway>,
    audience: Arc<Audience>,
    exchange: Exchange,
    cut: CancellationToken,
    config: ServerConfig,
    identity: Value,
}

impl Handler {
    /// One that asks `gateway`, and lets clients into `audience`. Requests still
    /// under way when `cut` is cancelled are answered with an error. Where a plugin
    /// is silent for `pace`, usually [`PACE`], the server reports progress.
    #[must_use]
    pub fn new(
        gateway: Arc<Gateway>,
        audience: Arc<Audience>,
        cut: CancellationToken,
        pace: Duration,
    ) -> Self {
        let (name, version) = ("mcp-universal-server", env!("CARGO_PKG_VERSION"));
        #[expect(deprecated, reason = "clients of the older revisions, and those that ask, still take logs")]
        let capabilities = ServerCapabilities::builder()
            .enable_completions()
            .enable_logging()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_resources_subscribe()
            .enable_tools()
            .enable_tool_list_changed()
            .build();
        let config = ServerConfig::new(capabilities)
            .with_protocol_version(ProtocolVersion::V_2025_11_25)
            .with_server_info(Implementation::new(name, version));
        let identity = serde_json::json!({ "name": name, "version": version });
        let exchange = Exchange::new(audience.clone(), pace);
        Self(Arc::new(Shared { gateway, audience, exchange, cut, config, identity }))
    }

    fn gateway(&self) -> &Gateway {
        &self.0.gateway
    }

    /// Names the server in a result's `_meta`, where the revision asks for it.
    fn sign(&self, context: &RequestContext<RoleServer>, meta: &mut Option<MetaObject>) {
        if from_mcp::is_stateless(context) {
            meta.get_or_insert_default().insert(SERVER_INFO.to_owned(), self.0.identity.clone());
        }
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
            let caller = from_mcp::caller(&context.extensions)?;
            // From now on, so that no change is lost between this and what the
            // client lists first.
            if let Some(session) = from_mcp::session(&context.extensions) {
                self.0.audience.join_session(session, caller, context.peer.clone());
            }
            let instructions = instructions::of(self.gateway(), &caller.principal);
            Ok(self.negotiate_initialize(&request)?.with_instructions(instructions))
        })
        .await
    }

    async fn discover(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        self.guarded("server/discover", &context, async {
            let principal = from_mcp::principal(&context.extensions)?;
            let config = self.get_info().with_instructions(instructions::of(self.gateway(), principal));
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
            let answer = self.gateway().tools(from_mcp::principal(&context.extensions)?);
            let page = pages::page(answer::other(answer, Asked::List)?, request, |it| it.spec.name.as_str())?;
            let items = page.items.iter().map(|it| to_mcp::tool(&it.spec)).collect();
            let mut result =
                ListToolsResult::with_all_items(items).with_ttl_ms(0).with_cache_scope(CacheScope::Private);
            result.next_cursor = page.next;
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
            let principal = from_mcp::principal(&context.extensions)?;
            let arguments = request.arguments.unwrap_or_default();
            let asked = exchange::Asked {
                method: "tools/call",
                name: &request.name,
                arguments: &arguments.clone(),
                state: request.request_state.as_deref(),
                responses: request.input_responses,
            };
            let call = |talk| self.gateway().call_tool(principal, &request.name, arguments, talk);
            Ok(match self.0.exchange.run(&context, principal, asked, call).await? {
                Came::Answered(answer) => {
                    let mut result = answer::tool(answer, &request.name)?;
                    self.sign(&context, &mut result.meta);
                    result.into()
                }
                Came::Asks(mut result) => {
                    self.sign(&context, &mut result.meta);
                    result.into()
                }
            })
        })
        .await
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.guarded("resources/list", &context, async {
            let answer = self.gateway().resources(from_mcp::principal(&context.extensions)?);
            let page = pages::page(answer::other(answer, Asked::List)?, request, |it| it.spec.uri.as_str())?;
            let items = page.items.iter().map(|it| to_mcp::resource(&it.spec)).collect();
            let mut result = ListResourcesResult::with_all_items(items)
                .with_ttl_ms(0)
                .with_cache_scope(CacheScope::Private);
            result.next_cursor = page.next;
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
            let answer = self.gateway().templates(from_mcp::principal(&context.extensions)?);
            let page = pages::page(answer::other(answer, Asked::List)?, request, |it| {
                it.spec.uri_template.as_str()
            })?;
            let items = page.items.iter().map(|it| to_mcp::template(&it.spec)).collect();
            let mut result = ListResourceTemplatesResult::with_all_items(items)
                .with_ttl_ms(0)
                .with_cache_scope(CacheScope::Private);
            result.next_cursor = page.next;
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
            let principal = from_mcp::principal(&context.extensions)?;
            let asked = exchange::Asked {
                method: "resources/read",
                name: &request.uri,
                arguments: &(),
                state: request.request_state.as_deref(),
                responses: request.input_responses,
            };
            let call = |talk| self.gateway().read_resource(principal, &request.uri, talk);
            Ok(match self.0.exchange.run(&context, principal, asked, call).await? {
                Came::Answered(answer) => {
                    let contents = answer::other(answer, Asked::Resource(&request.uri))?;
                    let mut result = to_mcp::resource_contents(contents)
                        .with_ttl_ms(0)
                        .with_cache_scope(CacheScope::Private);
                    self.sign(&context, &mut result.meta);
                    result.into()
                }
                Came::Asks(mut result) => {
                    self.sign(&context, &mut result.meta);
                    result.into()
                }
            })
        })
        .await
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        self.guarded("prompts/list", &context, async {
            let answer = self.gateway().prompts(from_mcp::principal(&context.extensions)?);
            let page = pages::page(answer::other(answer, Asked::List)?, request, |it| it.spec.name.as_str())?;
            let items = page.items.iter().map(|it| to_mcp::prompt(&it.spec)).collect();
            let mut result =
                ListPromptsResult::with_all_items(items).with_ttl_ms(0).with_cache_scope(CacheScope::Private);
            result.next_cursor = page.next;
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
            let principal = from_mcp::principal(&context.extensions)?;
            let arguments = from_mcp::prompt_arguments(request.arguments)?;
            let asked = exchange::Asked {
                method: "prompts/get",
                name: &request.name,
                arguments: &arguments.clone(),
                state: request.request_state.as_deref(),
                responses: request.input_responses,
            };
            let call = |talk| self.gateway().get_prompt(principal, &request.name, arguments, talk);
            Ok(match self.0.exchange.run(&context, principal, asked, call).await? {
                Came::Answered(answer) => {
                    let prompt = answer::other(answer, Asked::Prompt(&request.name))?;
                    let mut result = to_mcp::prompt_result(prompt);
                    self.sign(&context, &mut result.meta);
                    result.into()
                }
                Came::Asks(mut result) => {
                    self.sign(&context, &mut result.meta);
                    result.into()
                }
            })
        })
        .await
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        self.guarded("completion/complete", &context, async {
            let principal = from_mcp::principal(&context.extensions)?;
            let request = from_mcp::completion(request)?;
            let of = match &request.of {
                Completes::Prompt(name) => name.to_string(),
                Completes::Template(template) => template.clone(),
            };
            let answer = self.gateway().complete(principal, request).await;
            let mut result = to_mcp::completion(answer::other(answer, Asked::Completion(&of))?);
            self.sign(&context, &mut result.meta);
            Ok(result)
        })
        .await
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let session = from_mcp::of_a_session::<SetLevelRequestMethod>(&context)?;
        if let Some(level) = from_mcp::log_level(request.level) {
            self.0.audience.set_log_level(session, level);
        }
        Ok(())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.guarded("resources/subscribe", &context, async {
            let session = from_mcp::of_a_session::<SubscribeRequestMethod>(&context)?;
            let principal = from_mcp::principal(&context.extensions)?;
            let answer = self.gateway().watch_resource(principal, &request.uri);
            answer::other(answer, Asked::Resource(&request.uri))?;
            if self.0.audience.subscribe(session, &request.uri) {
                return Ok(());
            }
            let message =
                format!("a session subscribes to {} resources at most", audience::MAX_SUBSCRIPTIONS);
            Err(ErrorData::new(REFUSED, message, None))
        })
        .await
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let session = from_mcp::of_a_session::<UnsubscribeRequestMethod>(&context)?;
        self.0.audience.unsubscribe(session, &request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        // Whether the agent may read them is asked when there is news of them.
        let resources = requested.resource_subscriptions.iter().flatten().take(audience::MAX_SUBSCRIPTIONS);
        Some(
            SubscriptionFilter::builder()
                .resource_subscriptions(resources)
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

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = request.method;
        let gone = from_mcp::is_stateless(&context) && OF_SESSIONS.contains(&method.as_str());
        if METHODS.contains(&method.as_str()) && !gone {
            return Err(ErrorData::invalid_params(format!("the params of `{method}` cannot be read"), None));
        }
        let method = answer::shown(&method);
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("unknown method: `{method}`"), None))
    }
}

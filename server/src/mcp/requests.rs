//! Each request of MCP: what of the gateway it asks, and how that is answered.

use std::borrow::Cow;

use plugin_contract::op::Completes;
#[expect(deprecated, reason = "clients of the older revisions still set a level")]
use rmcp::model::SetLevelRequestParams;
use rmcp::{
    RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams,
        CompleteResult, CustomRequest, CustomResult, DiscoverResult, ErrorCode, ErrorData,
        GetPromptRequestParams, GetPromptResponse, GetTaskParams, GetTaskResult, InitializeRequestParams,
        InitializeResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
        ListToolsResult, PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams,
        ReadResourceResponse, ServerConfig, SetLevelRequestMethod, SubscribeRequestMethod,
        SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestMethod, UnsubscribeRequestParams,
        UpdateTaskParams,
    },
    service::{RequestContext, SubscriptionContext},
};
use server_core::registry::MAX_URI;

use super::{
    Handler, REFUSED, REVISIONS,
    answer::{self, Asked},
    asking::Context,
    audience,
    exchange::{Brought, Came},
    from_mcp, instructions, mirrored, pages, to_mcp,
};

/// The methods that are served. rmcp hands over a request of theirs as one of
/// an unknown method where it cannot read its params.
const METHODS: [&str; 18] = [
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
    "tasks/cancel",
    "tasks/get",
    "tasks/update",
    "tools/call",
    "tools/list",
];

/// Those of them that sessions alone have.
const OF_SESSIONS: [&str; 5] =
    ["initialize", "logging/setLevel", "ping", "resources/subscribe", "resources/unsubscribe"];

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        self.0.config.clone()
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(&REVISIONS)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        mirrored::tool(self.gateway(), name)
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
            let mut result = self.negotiate_initialize(&request)?.with_instructions(instructions);
            // Tasks are for the revision without sessions.
            result.capabilities.extensions = None;
            Ok(result)
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
            let page = pages::page("tools", answer::other(answer, Asked::List)?, request, |it| {
                it.spec.name.as_str()
            })?;
            let items = page.items.iter().map(|it| to_mcp::tool(&it.spec)).collect();
            let mut result =
                ListToolsResult::with_all_items(items).with_ttl_ms(0).with_cache_scope(CacheScope::Private);
            result.next_cursor = page.next;
            Ok(self.signed(&context, result))
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
            let brought = Brought {
                bound: Context::new(&caller.principal, "tools/call", &request.name, &arguments)?,
                state: request.request_state.as_deref(),
                responses: request.input_responses,
            };
            // A task may outlive the request, so the call borrows nothing of it.
            let (gateway, who, name) = (self.0.gateway.clone(), caller.clone(), request.name.clone());
            let call = |talk| async move { gateway.call_tool(&who, &name, arguments, talk).await };
            let exchange = &self.0.exchange;
            Ok(match exchange.run_tool(&context, brought, &caller.principal, &request.name, call).await? {
                Came::Answered(answer) => self.signed(&context, answer::tool(answer, &request.name)?).into(),
                Came::Asks(result) => self.signed(&context, result).into(),
                Came::Detached(result) => self.signed(&context, result).into(),
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
            let page = pages::page("resources", answer::other(answer, Asked::List)?, request, |it| {
                it.spec.uri.as_str()
            })?;
            let items = page.items.iter().map(|it| to_mcp::resource(&it.spec)).collect();
            let mut result = ListResourcesResult::with_all_items(items)
                .with_ttl_ms(0)
                .with_cache_scope(CacheScope::Private);
            result.next_cursor = page.next;
            Ok(self.signed(&context, result))
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
            let page = pages::page("templates", answer::other(answer, Asked::List)?, request, |it| {
                it.spec.uri_template.as_str()
            })?;
            let items = page.items.iter().map(|it| to_mcp::template(&it.spec)).collect();
            let mut result = ListResourceTemplatesResult::with_all_items(items)
                .with_ttl_ms(0)
                .with_cache_scope(CacheScope::Private);
            result.next_cursor = page.next;
            Ok(self.signed(&context, result))
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
            let brought = Brought {
                bound: Context::new(&caller.principal, "resources/read", &request.uri, &())?,
                state: request.request_state.as_deref(),
                responses: request.input_responses,
            };
            let call = |talk| self.gateway().read_resource(caller, &request.uri, talk);
            Ok(match self.0.exchange.run(&context, brought, call).await? {
                Came::Answered(answer) => {
                    let contents = answer::other(answer, Asked::Resource(&request.uri))?;
                    let result = to_mcp::resource_contents(contents)
                        .with_ttl_ms(0)
                        .with_cache_scope(CacheScope::Private);
                    self.signed(&context, result).into()
                }
                Came::Asks(result) => self.signed(&context, result).into(),
                Came::Detached(never) => match never {},
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
            let page = pages::page("prompts", answer::other(answer, Asked::List)?, request, |it| {
                it.spec.name.as_str()
            })?;
            let items = page.items.iter().map(|it| to_mcp::prompt(&it.spec)).collect();
            let mut result =
                ListPromptsResult::with_all_items(items).with_ttl_ms(0).with_cache_scope(CacheScope::Private);
            result.next_cursor = page.next;
            Ok(self.signed(&context, result))
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
            let brought = Brought {
                bound: Context::new(&caller.principal, "prompts/get", &request.name, &arguments)?,
                state: request.request_state.as_deref(),
                responses: request.input_responses,
            };
            let call = |talk| self.gateway().get_prompt(caller, &request.name, arguments, talk);
            Ok(match self.0.exchange.run(&context, brought, call).await? {
                Came::Answered(answer) => {
                    let prompt = answer::other(answer, Asked::Prompt(&request.name))?;
                    self.signed(&context, to_mcp::prompt_result(prompt)).into()
                }
                Came::Asks(result) => self.signed(&context, result).into(),
                Came::Detached(never) => match never {},
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
            let caller = from_mcp::caller(&context.extensions)?;
            let request = from_mcp::completion(request)?;
            let of = match &request.of {
                Completes::Prompt(name) => name.to_string(),
                Completes::Template(template) => template.clone(),
            };
            let answer = self.gateway().complete(caller, request).await;
            let result = to_mcp::completion(answer::other(answer, Asked::Completion(&of))?);
            Ok(self.signed(&context, result))
        })
        .await
    }

    #[expect(deprecated, reason = "clients of the older revisions still set it")]
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
            let caller = from_mcp::caller(&context.extensions)?;
            let answer = self.gateway().watch_resource(caller, &request.uri);
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

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let principal = self.counted(&context)?;
        let task = self.0.exchange.tasks().get(principal, &request.task_id)?;
        Ok(self.signed(&context, GetTaskResult::new(task)))
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let principal = self.counted(&context)?;
        self.0.exchange.tasks().update(principal, &request.task_id, request.input_responses)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let principal = self.counted(&context)?;
        self.0.exchange.tasks().cancel(principal, &request.task_id)
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        // Whether the agent may read them is asked when there is news of them.
        let resources = requested.resource_subscriptions.iter().flatten();
        let resources = resources.filter(|uri| uri.len() <= MAX_URI).take(audience::MAX_SUBSCRIPTIONS);
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

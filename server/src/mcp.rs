//! MCP, spoken through rmcp: requests become the gateway's questions, its
//! answers become MCP. Nothing is decided here.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use rmcp::{
    RoleServer,
    model::{ErrorData, Implementation, ProtocolVersion, ServerCapabilities, ServerConfig},
    service::RequestContext,
};
use serde_json::Value;
use server_core::{gateway::Gateway, principal::Principal};
use tokio_util::sync::CancellationToken;
use tracing::error;

mod answer;
mod asking;
mod audience;
mod exchange;
mod from_mcp;
mod instructions;
mod line;
mod mirrored;
mod pages;
mod progress;
mod requests;
mod signed;
mod talk;
mod tasks;
mod to_mcp;

use answer::Asked;
pub use answer::{DENIAL, REFUSED};
pub use audience::Audience;
use exchange::Exchange;
pub use from_mcp::OpenedSession;
pub use mirrored::on_behalf_of;
pub use server_core::principal::Caller;
use signed::Signed;

/// The revisions of MCP that are spoken, oldest first.
pub const REVISIONS: [ProtocolVersion; 3] =
    [ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28];

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

/// What a request of the older revisions hears that is in no session.
const NO_SESSION: &str =
    "this revision has sessions: send `initialize`, and its `Mcp-Session-Id` from then on";

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
            .enable_tasks()
            .enable_tools()
            .enable_tool_list_changed()
            .build();
        let config = ServerConfig::new(capabilities)
            .with_protocol_version(ProtocolVersion::V_2025_11_25)
            .with_server_info(Implementation::new(name, version));
        let identity = serde_json::json!({ "name": name, "version": version });
        let exchange = Exchange::new(audience.clone(), cut.clone(), pace);
        Self(Arc::new(Shared { gateway, audience, exchange, cut, config, identity }))
    }

    fn gateway(&self) -> &Gateway {
        &self.0.gateway
    }

    /// Who sent a request that the gateway does not see, and may send it.
    fn counted<'c>(&self, context: &'c RequestContext<RoleServer>) -> Result<&'c Principal, ErrorData> {
        let principal = from_mcp::principal(&context.extensions)?;
        answer::other(self.gateway().count(principal), Asked::List)?;
        Ok(principal)
    }

    /// Names the server in a result, where the revision asks for it.
    fn signed<R: Signed>(&self, context: &RequestContext<RoleServer>, mut result: R) -> R {
        if from_mcp::is_stateless(context) {
            result.meta().get_or_insert_default().insert(SERVER_INFO.to_owned(), self.0.identity.clone());
        }
        result
    }

    /// Runs a handler so that it always answers: rmcp never would if it panicked.
    /// A client that cancels, or hangs up where that means the same, ends it.
    fn guarded<T>(
        &self,
        method: &'static str,
        context: &RequestContext<RoleServer>,
        work: impl Future<Output = Result<T, ErrorData>>,
    ) -> impl Future<Output = Result<T, ErrorData>> {
        // Boxed at once: rmcp's own future is as large as the largest handler's, and
        // is moved several times.
        let work = AssertUnwindSafe(Box::pin(work)).catch_unwind();
        async move {
            // rmcp serves a request of the older revisions also where it is in no
            // session, in which nobody could answer a question or cancel it.
            if !from_mcp::is_stateless(context) && from_mcp::session(&context.extensions).is_none() {
                return Err(ErrorData::invalid_request(NO_SESSION, None));
            }
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
}

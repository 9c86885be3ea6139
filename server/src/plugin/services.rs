//! What plugins may ask of the server. Who asks, and with which rights, the server
//! knows from its own record of the calls in flight; a plugin only says which of
//! them it asks for.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use plugin_abi::{
    Host, HostObject,
    abi_stable::{
        sabi_trait::TD_Opaque,
        std_types::{RArc, RResult, RSlice, RStr, RVec},
    },
};
use plugin_contract::{
    ApiVersion,
    Capability::{self, DbRead, FsRead},
    PluginName,
    op::{self, ErrorCode, Offer, OpError, ServerAbout, Updated},
};
use serde::{Serialize, de::DeserializeOwned};

use server_core::{
    about,
    policy::{self, Permit},
};

use crate::{allowance::Allowance, database::Databases, egress::Connector, llm::Models};

mod calls;
mod client;
mod database;
mod files;
mod http;
mod llm;
mod log;
mod offers;
mod quarantine;

pub(crate) use calls::{Calls, InFlight, Work};
pub(crate) use log::MAX_MESSAGE;
use log::PluginLog;
pub(crate) use offers::Withdrawn;
pub use quarantine::Quarantine;
use quarantine::Witness;

/// How many offers and news about resources a plugin may have at once, and how
/// fast that grows back: everyone who may see them is told.
const NEWS: (u32, Duration) = (20, Duration::from_millis(500));

/// Whether an operation of the host is done at once, so that it may be done
/// wherever it is asked. Everything else may wait, and needs a thread that may.
pub(crate) fn never_blocks(op: &str) -> bool {
    matches!(
        op,
        op::host::LOG
            | op::host::ABOUT_SERVER
            | op::host::ABOUT_AGENT
            | op::host::ABOUT_CLIENT
            | op::host::CALL_STATE
            | op::host::PROGRESS
            | op::host::CLIENT_LOG
            | op::host::RESOURCE_UPDATED
            | op::host::OFFER
    )
}

/// The host's services, for all plugins.
#[derive(Clone, Debug)]
pub struct HostServices(Arc<Shared>);

/// What the server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// MCP revisions it speaks, newest first.
    pub protocol_versions: Vec<String>,
}

#[derive(Debug)]
struct Shared {
    server: ServerFacts,
    started: Instant,
    databases: Arc<Databases>,
    calls: Arc<Calls>,
    /// `None` where no call ever comes, as in a trial.
    connector: Option<Connector>,
    /// Where their books are, only the configuration says.
    models: OnceLock<Models>,
    /// Who hears of quarantines.
    witness: OnceLock<Witness>,
}

impl HostServices {
    /// Services of a server that starts now. No request goes out through them.
    #[must_use]
    pub fn new(server: ServerFacts) -> Self {
        Self::with(server, None)
    }

    /// The same, with a way out.
    #[must_use]
    pub fn reaching_out(server: ServerFacts, connector: Connector) -> Self {
        Self::with(server, Some(connector))
    }

    fn with(server: ServerFacts, connector: Option<Connector>) -> Self {
        let (started, databases, calls) = (Instant::now(), Arc::default(), Arc::default());
        let (models, witness) = Default::default();
        Self(Arc::new(Shared { server, started, databases, calls, connector, models, witness }))
    }

    /// The way to models. Once, and before any call.
    pub fn connect(&self, models: Models) {
        // A second one would keep books of its own, which there are not.
        let _ = self.0.models.set(models);
    }

    /// Who is told when a plugin is put in quarantine. Once.
    pub fn report_quarantines(&self, tell: Box<dyn Fn(&Quarantine) + Send + Sync>) {
        let _ = self.0.witness.set(Witness(tell));
    }

    /// What one plugin gets. It knows whose it is, and notes there what the plugin
    /// withdraws.
    pub(crate) fn for_plugin(&self, plugin: PluginName, withdrawn: Withdrawn) -> PluginServices {
        PluginServices::new(plugin, self.0.clone(), withdrawn)
    }

    /// The databases that plugins query, which follow the configuration.
    #[must_use]
    pub fn databases(&self) -> Arc<Databases> {
        self.0.databases.clone()
    }

    /// The calls in flight.
    pub(crate) fn calls(&self) -> &Arc<Calls> {
        &self.0.calls
    }
}

/// The services, as one plugin may have them.
#[derive(Clone, Debug)]
pub(crate) struct PluginServices {
    plugin: PluginName,
    shared: Arc<Shared>,
    withdrawn: Withdrawn,
    log: Arc<PluginLog>,
    news: Arc<Allowance>,
}

impl Host for PluginServices {
    fn invoke(
        &self,
        op: RStr<'_>,
        call: RSlice<'_, u8>,
        input: RSlice<'_, u8>,
    ) -> RResult<RVec<u8>, RVec<u8>> {
        self.serve(&op, &call, &input).map(RVec::from).map_err(RVec::from).into()
    }
}

impl PluginServices {
    fn new(plugin: PluginName, shared: Arc<Shared>, withdrawn: Withdrawn) -> Self {
        let (burst, interval) = NEWS;
        let (log, news) = (Arc::default(), Arc::new(Allowance::new(burst, interval)));
        Self { plugin, shared, withdrawn, log, news }
    }

    /// The object that the plugin gets in this process.
    pub(crate) fn object(self) -> HostObject {
        HostObject::from_ptr(RArc::new(self), TD_Opaque)
    }

    /// Whose they are.
    pub(crate) fn plugin(&self) -> &PluginName {
        &self.plugin
    }

    /// The calls in flight, of all plugins.
    pub(crate) fn calls(&self) -> &Arc<Calls> {
        &self.shared.calls
    }

    /// Writes down that the plugin is left alone for a while.
    pub(crate) fn quarantined(&self, quarantine: &Quarantine) {
        if let Some(Witness(tell)) = self.shared.witness.get() {
            tell(quarantine);
        }
    }

    /// Logs a line that the plugin's process printed. False if it is lost, because
    /// there are too many.
    pub(crate) fn printed(&self, line: &str) -> bool {
        self.log.printed(&self.plugin, line)
    }

    /// What the plugin has withdrawn.
    pub(crate) fn withdrawn(&self) -> &Withdrawn {
        &self.withdrawn
    }

    /// Does what the plugin asks, on behalf of the call that `call` names; the
    /// error is an [`OpError`]'s JSON. Never panics: that would end the server.
    pub(crate) fn serve(&self, op: &str, call: &[u8], input: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
        let answer = AssertUnwindSafe(|| self.answer(op, call, input));
        catch_unwind(answer)
            .unwrap_or_else(|_| Err(OpError::new(ErrorCode::Failed, format!("the server failed at `{op}`"))))
            .map_err(|error| serde_json::to_vec(&error).unwrap_or_default())
    }

    fn answer(&self, op: &str, call: &[u8], input: &[u8]) -> Result<Vec<u8>, OpError> {
        match op {
            op::host::LOG => {
                let work = self.work(call)?;
                let line = decode("log line", input)?;
                self.log.write(&self.plugin, work.as_deref().map(|work| &*work.permit), &line);
                encode(&())
            }
            op::host::ABOUT_SERVER => encode(&self.server(&self.caller(call)?.permit)),
            op::host::ABOUT_AGENT => {
                let permit = &self.caller(call)?.permit;
                match about::agent(permit.snapshot(), permit.principal()) {
                    Some(about) => encode(&llm::with_budgets(
                        about,
                        permit,
                        self.shared.models.get().map(Models::ledger),
                    )),
                    None => Err(OpError::new(ErrorCode::Denied, "the agent was removed")),
                }
            }
            op::host::ABOUT_CLIENT => encode(&self.caller(call)?.conversation.client()),
            // Also of one that was revoked: its code is to learn that it may stop.
            op::host::CALL_STATE => encode(&client::state(&*self.own(call)?.ok_or_else(over)?)),
            op::host::DETACH => {
                encode(&client::detach(&*self.caller(call)?, decode("way to go on", input)?)?)
            }
            op::host::PROGRESS => {
                encode(&client::progress(&*self.caller(call)?, decode("progress", input)?)?)
            }
            op::host::CLIENT_LOG => encode(&client::log(&*self.caller(call)?, decode("log message", input)?)),
            op::host::ASK => encode(&client::ask(&*self.caller(call)?, decode("set of questions", input)?)?),
            op::host::RESOURCE_UPDATED => {
                let work = self.caller(call)?;
                encode(&self.updated(&work, &decode("news of a resource", input)?)?)
            }
            op::host::OFFER => {
                let work = self.caller(call)?;
                encode(&self.offer(&work, &decode("offer", input)?)?)
            }
            op::host::FILE_ROOTS => encode(&files::roots(&*self.capable(call, FsRead)?)),
            op::host::LIST_FILES => {
                encode(&files::list(&*self.capable(call, FsRead)?, &decode("list of files", input)?)?)
            }
            op::host::READ_FILE => {
                encode(&files::read(&*self.capable(call, FsRead)?, &decode("part of a file", input)?)?)
            }
            op::host::SEARCH_FILES => {
                encode(&files::search(&*self.capable(call, FsRead)?, &decode("search", input)?)?)
            }
            op::host::DATABASES => encode(&database::list(&*self.capable(call, DbRead)?)),
            op::host::LIST_TABLES => {
                let work = self.capable(call, DbRead)?;
                encode(&database::tables(&self.shared.databases, &work, &decode("list of tables", input)?)?)
            }
            op::host::QUERY => {
                let work = self.capable(call, DbRead)?;
                encode(&database::query(&self.shared.databases, &work, &decode("query", input)?)?)
            }
            op::host::HTTP => {
                let work = self.capable(call, Capability::NetworkOutbound)?;
                let connector = self.shared.connector.as_ref().ok_or_else(over)?;
                encode(&http::request(&work, connector, decode("request", input)?)?)
            }
            op::host::LLM_QUERY => {
                let work = self.capable(call, Capability::LlmQuery)?;
                let models = self.shared.models.get().ok_or_else(over)?;
                encode(&llm::query(&work, models, &decode("question", input)?)?)
            }
            _ => Err(OpError::new(
                ErrorCode::Unsupported,
                format!("this server does not know the operation `{}`", op.escape_debug()),
            )),
        }
    }

    /// The call that is named, if it is in flight and has its rights.
    fn work(&self, call: &[u8]) -> Result<Option<Arc<Work>>, OpError> {
        match self.own(call)? {
            Some(work) if work.permit.is_revoked() => {
                Err(OpError::new(ErrorCode::Denied, "the call was revoked"))
            }
            work => Ok(work),
        }
    }

    /// The call that is named, if it is in flight.
    fn own(&self, call: &[u8]) -> Result<Option<Arc<Work>>, OpError> {
        match self.shared.calls.find(call) {
            Some(work) if work.permit.plugin().manifest.name != self.plugin => {
                Err(OpError::new(ErrorCode::Denied, "the call is another plugin's"))
            }
            work => Ok(work),
        }
    }

    /// The same, where nothing can be done for nobody.
    fn caller(&self, call: &[u8]) -> Result<Arc<Work>, OpError> {
        self.work(call)?.ok_or_else(over)
    }

    /// The same, if it may use what `capability` stands for.
    fn capable(&self, call: &[u8], capability: Capability) -> Result<Arc<Work>, OpError> {
        let work = self.caller(call)?;
        policy::uses(&work.permit, capability).map_err(|reasons| work.notes.refuse(reasons))?;
        Ok(work)
    }

    /// Has everyone told who subscribed to a resource of the plugin's.
    fn updated(&self, work: &Work, updated: &Updated) -> Result<(), OpError> {
        let registry = &work.permit.snapshot().registry;
        if registry.resource_plugin(&updated.uri).is_none_or(|owner| owner.manifest.name != self.plugin) {
            let message = format!("plugin `{}` has no such resource", self.plugin);
            return Err(OpError::new(ErrorCode::NotFound, message));
        }
        self.news()?;
        work.conversation.resource_updated(&updated.uri);
        Ok(())
    }

    fn offer(&self, work: &Work, offer: &Offer) -> Result<(), OpError> {
        self.news()?;
        if self.withdrawn.set(&work.permit.plugin().manifest, offer)? {
            work.conversation.offer_changed(&offer.thing);
        }
        Ok(())
    }

    fn news(&self) -> Result<(), OpError> {
        let message = format!("plugin `{}` has too much news", self.plugin);
        if self.news.take() { Ok(()) } else { Err(OpError::new(ErrorCode::Denied, message)) }
    }

    fn server(&self, permit: &Permit) -> ServerAbout {
        let ServerFacts { name, version, protocol_versions } = self.shared.server.clone();
        let snapshot = permit.snapshot();
        ServerAbout {
            name,
            version,
            generation: snapshot.generation.0,
            protocol_versions,
            plugin_api: ApiVersion::CURRENT.to_string(),
            uptime_seconds: self.shared.started.elapsed().as_secs(),
            plugins: about::plugins(snapshot, permit.principal()),
        }
    }
}

fn over() -> OpError {
    OpError::new(ErrorCode::Denied, "there is no such call, or it is over already")
}

fn decode<T: DeserializeOwned>(what: &str, input: &[u8]) -> Result<T, OpError> {
    serde_json::from_slice(input)
        .map_err(|error| OpError::new(ErrorCode::InvalidInput, format!("no {what}: {error}")))
}

fn encode(answer: &impl Serialize) -> Result<Vec<u8>, OpError> {
    serde_json::to_vec(answer).map_err(|error| OpError::new(ErrorCode::Failed, error.to_string()))
}

#[cfg(test)]
mod tests;

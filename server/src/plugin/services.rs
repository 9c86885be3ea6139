//! What plugins may ask of the server. Who asks, and with which rights, the server
//! knows from its own record of the calls in flight; a plugin only says which of
//! them it asks for.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use plugin_abi::{
    Host, HostObject,
    abi_stable::{
        sabi_trait::TD_Opaque,
        std_types::{RArc, RResult, RSlice, RStr, RVec},
    },
};
use plugin_contract::{
    ApiVersion, PluginName,
    op::{self, ErrorCode, OpError, ServerAbout},
};
use serde::Serialize;
use server_core::{about, policy::Permit};

mod calls;
mod log;

pub(crate) use calls::Calls;

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
    calls: Arc<Calls>,
}

impl HostServices {
    /// Services of a server that starts now.
    #[must_use]
    pub fn new(server: ServerFacts) -> Self {
        let (started, calls) = (Instant::now(), Arc::default());
        Self(Arc::new(Shared { server, started, calls }))
    }

    /// The object that one plugin gets. It knows whose it is.
    pub(crate) fn for_plugin(&self, plugin: PluginName) -> HostObject {
        let services = PluginServices { plugin, shared: self.0.clone() };
        HostObject::from_ptr(RArc::new(services), TD_Opaque)
    }

    /// The calls in flight.
    pub(crate) fn calls(&self) -> &Arc<Calls> {
        &self.0.calls
    }
}

#[derive(Clone)]
struct PluginServices {
    plugin: PluginName,
    shared: Arc<Shared>,
}

impl Host for PluginServices {
    fn invoke(
        &self,
        op: RStr<'_>,
        call: RSlice<'_, u8>,
        input: RSlice<'_, u8>,
    ) -> RResult<RVec<u8>, RVec<u8>> {
        // A panic must not cross the ABI: it would end the server.
        let answer = AssertUnwindSafe(|| self.answer(&op, &call, &input));
        let answer = catch_unwind(answer)
            .unwrap_or_else(|_| Err(OpError::new(ErrorCode::Failed, format!("the server failed at `{op}`"))));
        match answer {
            Ok(answer) => RResult::ROk(answer.into()),
            Err(error) => RResult::RErr(serde_json::to_vec(&error).unwrap_or_default().into()),
        }
    }
}

impl PluginServices {
    fn answer(&self, op: &str, call: &[u8], input: &[u8]) -> Result<Vec<u8>, OpError> {
        match op {
            op::host::LOG => {
                let permit = self.permit(call)?;
                let line = serde_json::from_slice(input).map_err(|error| {
                    OpError::new(ErrorCode::InvalidInput, format!("no log line: {error}"))
                })?;
                log::write(&self.plugin, permit.as_deref(), &line);
                encode(&())
            }
            op::host::ABOUT_SERVER => {
                let permit = self.caller(call)?;
                encode(&self.server(&permit))
            }
            op::host::ABOUT_AGENT => {
                let permit = self.caller(call)?;
                match about::agent(permit.snapshot(), permit.principal()) {
                    Some(about) => encode(&about),
                    None => Err(OpError::new(ErrorCode::Denied, "the agent was removed")),
                }
            }
            _ => Err(OpError::new(
                ErrorCode::Unsupported,
                format!("this server does not know the operation `{}`", op.escape_debug()),
            )),
        }
    }

    /// The rights of the call that is named, if it is in flight.
    fn permit(&self, call: &[u8]) -> Result<Option<Arc<Permit>>, OpError> {
        match self.shared.calls.permit(call) {
            Some(permit) if permit.is_revoked() => {
                Err(OpError::new(ErrorCode::Denied, "the call was revoked"))
            }
            Some(permit) if permit.plugin().manifest.name != self.plugin => {
                Err(OpError::new(ErrorCode::Denied, "the call is another plugin's"))
            }
            permit => Ok(permit),
        }
    }

    /// The same, where nothing can be done for nobody.
    fn caller(&self, call: &[u8]) -> Result<Arc<Permit>, OpError> {
        self.permit(call)?
            .ok_or_else(|| OpError::new(ErrorCode::Denied, "there is no such call, or it is over already"))
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

fn encode(answer: &impl Serialize) -> Result<Vec<u8>, OpError> {
    serde_json::to_vec(answer).map_err(|error| OpError::new(ErrorCode::Failed, error.to_string()))
}

#[cfg(test)]
mod tests;

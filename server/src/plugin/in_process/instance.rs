//! A plugin that runs on the server's own threads.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use plugin_abi::{PluginObject, abi_stable::std_types::RResult};
use plugin_contract::{PluginName, op::Offered};
use server_core::{
    invocation::Invocation,
    registry::{Instance, InvokeError},
};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::plugin::{
    deadline::Deadline,
    fault::error_of,
    services::{Calls, Withdrawn, Work},
};

/// An [`Instance`] in the server's own process.
pub(crate) struct InProcess(Arc<Code>);

struct Code {
    plugin: PluginName,
    object: PluginObject,
    calls: Arc<Calls>,
    withdrawn: Withdrawn,
}

impl InProcess {
    pub(crate) fn new(
        plugin: PluginName,
        object: PluginObject,
        calls: Arc<Calls>,
        withdrawn: Withdrawn,
    ) -> Self {
        Self(Arc::new(Code { plugin, object, calls, withdrawn }))
    }
}

impl Instance for InProcess {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'static, Result<Vec<u8>, InvokeError>> {
        let code = self.0.clone();
        if invocation.inline {
            return Box::pin(async move {
                let deadline = Deadline::after(invocation.timeout);
                code.run(invocation, deadline, CancellationToken::new())
            });
        }
        Box::pin(on_a_thread(code, invocation))
    }

    fn offers(&self, thing: &Offered) -> bool {
        self.0.withdrawn.offers(thing)
    }
}

impl Code {
    /// Runs the operation to its end. The invocation, and with it the agent's
    /// slot, lives until then, whoever still waits.
    fn run(
        &self,
        invocation: Invocation,
        deadline: Deadline,
        abandoned: CancellationToken,
    ) -> Result<Vec<u8>, InvokeError> {
        let work = Work {
            permit: invocation.permit.clone(),
            conversation: invocation.conversation.clone(),
            may_wait: !invocation.inline,
            deadline,
            abandoned,
            notes: invocation.notes.clone(),
            runtime: Handle::try_current().ok(),
        };
        let call = self.calls.begin(work).map_err(|error| self.lost(error))?;
        let input = invocation.input.as_slice().into();
        match self.object.invoke(invocation.op.into(), call.token().into(), input) {
            RResult::ROk(answer) => Ok(answer.into_vec()),
            RResult::RErr(error) => Err(InvokeError::Plugin(error_of(&self.plugin, &error))),
        }
    }

    fn lost(&self, reason: impl ToString) -> InvokeError {
        InvokeError::Lost { plugin: self.plugin.clone(), reason: reason.to_string() }
    }
}

/// Code that may block gets a thread that may be blocked. Nothing can take the
/// thread back: when time is up, the caller goes and the code runs on.
async fn on_a_thread(code: Arc<Code>, invocation: Invocation) -> Result<Vec<u8>, InvokeError> {
    let timeout = invocation.timeout;
    let deadline = Deadline::after(timeout);
    let abandoned = CancellationToken::new();
    // Nobody waits any more when this future is dropped, or done.
    let _waiting = abandoned.clone().drop_guard();
    let running = {
        let (code, deadline) = (code.clone(), deadline.clone());
        tokio::task::spawn_blocking(move || {
            // All threads may have been busy until now.
            if abandoned.is_cancelled() {
                return Err(timed_out(timeout));
            }
            code.run(invocation, deadline, abandoned)
        })
    };
    match deadline.until(running).await {
        Some(ran) => ran.unwrap_or_else(|error| Err(code.lost(error))),
        None => Err(timed_out(timeout)),
    }
}

fn timed_out(timeout: Duration) -> InvokeError {
    InvokeError::TimedOut { seconds: timeout.as_secs() }
}

#[cfg(test)]
mod tests;

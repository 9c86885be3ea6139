//! Plugins in processes of their own: the same library and the same interface as
//! in process, but the code can do nothing that the kernel does not let it, and
//! takes nothing along when it ends.
//!
//! The server's side: `process` starts one, `birth` brings it up, `running` gives
//! it calls, `driver` listens to it, `pool` keeps as many as are needed. The other
//! side is `inside`. `frame` is what goes between the two.

use std::{ffi::CStr, sync::Arc};

use futures::future::BoxFuture;
use plugin_contract::op::Offered;
use server_core::{
    invocation::Invocation,
    registry::{Instance, InvokeError},
    workers::WorkersStatus,
};

mod birth;
mod crew;
mod driver;
mod frame;
mod health;
mod inside;
mod kernel;
mod nursery;
mod outbox;
mod pool;
mod prints;
mod process;
mod running;
mod threads;
mod usage;
mod users;

pub(crate) use birth::Recipe;
pub(crate) use kernel::close_from;
pub(crate) use nursery::Nursery;

pub use inside::{NoWorker, take_part};

use super::{deadline::Deadline, trial::Outcome};
use pool::Pool;
use running::NotBegun;

/// The name that the program is started by as a worker.
pub const PROGRAM_NAME: &CStr = c"mcp-universal-server-worker";

/// An [`Instance`] in processes of its own.
pub(crate) struct Workers(Arc<Pool>);

impl Workers {
    /// The plugin, once its first worker takes calls. Blocks until then.
    pub(crate) fn start(recipe: Recipe) -> Result<Self, Outcome> {
        Pool::new(recipe).map(Self)
    }
}

impl Instance for Workers {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'static, Result<Vec<u8>, InvokeError>> {
        Box::pin(run(self.0.clone(), invocation))
    }

    fn offers(&self, thing: &Offered) -> bool {
        self.0.recipe().services.withdrawn().offers(thing)
    }

    fn workers(&self) -> Option<WorkersStatus> {
        Some(self.0.status())
    }

    fn retire(&self) {
        self.0.retire();
    }
}

async fn run(pool: Arc<Pool>, mut invocation: Invocation) -> Result<Vec<u8>, InvokeError> {
    let timeout = invocation.timeout;
    let deadline = Deadline::after(timeout);
    loop {
        let agent = invocation.permit.principal().agent.clone();
        let place = match deadline.until(pool.place(&agent)).await {
            Some(Ok(place)) => place,
            Some(Err(reason)) => {
                return Err(InvokeError::Lost { plugin: pool.recipe().services.plugin().clone(), reason });
            }
            None => return Err(InvokeError::TimedOut { seconds: timeout.as_secs() }),
        };
        let worker = place.worker.clone();
        match worker.call(invocation, &deadline, place).await {
            Ok(result) => return result,
            Err(NotBegun(same)) => invocation = *same,
        }
    }
}

//! Calls that go on after their request was answered (the extension
//! `io.modelcontextprotocol/tasks`): a plugin detaches its call, the client comes
//! back for the result. rmcp keeps the tasks, and knows nothing of whose they are.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rmcp::{
    model::{CallToolResult, CreateTaskResult, DetailedTask, ErrorData, InputResponses},
    task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions},
};
use server_core::principal::Principal;

use super::answer::shown;

/// How long a task is kept, from its beginning and from its end.
const TTL: Duration = Duration::from_secs(10 * 60);

/// How often a client should look.
const POLL: Duration = Duration::from_secs(1);

/// How many tasks an agent may have, those that ended among them. With more, calls
/// stay attached to their requests.
const PER_AGENT: usize = 32;

/// All tasks.
#[derive(Default)]
pub(super) struct Tasks {
    manager: TaskManager,
    owners: Mutex<HashMap<String, Principal>>,
}

impl Tasks {
    /// Whether the agent may have one more.
    pub(super) fn has_room(&self, principal: &Principal) -> bool {
        let mut owners = self.owners();
        let own = |owners: &HashMap<_, _>| owners.values().filter(|owner| *owner == principal).count();
        if own(&owners) >= PER_AGENT {
            // To look for a task copies it, so that is not done for every call.
            owners.retain(|id, owner| owner != principal || self.manager.get_task(id).is_ok());
        }
        own(&owners) < PER_AGENT
    }

    /// Goes on with `work` as a task of `principal`'s. A client that cancels it ends
    /// it: what it dropped is abandoned, as with any other call.
    pub(super) fn create(
        &self,
        principal: &Principal,
        context: impl FnOnce(TaskContext),
        work: impl Future<Output = Result<CallToolResult, ErrorData>> + Send + 'static,
    ) -> CreateTaskResult {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let options = TaskOptions::new().with_ttl_ms(millis(TTL)).with_poll_interval_ms(millis(POLL));
        let task = self.manager.spawn(options, |its| {
            context(its.clone());
            Box::pin(async move {
                tokio::select! {
                    biased;
                    result = work => result.map_err(TaskExit::Error),
                    () = its.cancelled() => Err(TaskExit::Cancelled),
                }
            })
        });
        self.owners().insert(task.task_id.clone(), principal.clone());
        CreateTaskResult::new(task)
    }

    /// How a task stands, and its result once there is one.
    pub(super) fn get(&self, principal: &Principal, id: &str) -> Result<DetailedTask, ErrorData> {
        self.own(principal, id)?;
        self.manager.get_task(id).map_err(|_| unknown(id))
    }

    /// Answers questions that a task has.
    pub(super) fn update(
        &self,
        principal: &Principal,
        id: &str,
        responses: InputResponses,
    ) -> Result<(), ErrorData> {
        self.own(principal, id)?;
        self.manager.update_task(id, responses).map_err(|_| unknown(id))
    }

    /// Ends a task.
    pub(super) fn cancel(&self, principal: &Principal, id: &str) -> Result<(), ErrorData> {
        self.own(principal, id)?;
        self.manager.cancel_task(id).map_err(|_| unknown(id))
    }

    /// Another agent's task cannot be told from one that does not exist.
    fn own(&self, principal: &Principal, id: &str) -> Result<(), ErrorData> {
        match self.owners().get(id) {
            Some(owner) if owner == principal => Ok(()),
            _ => Err(unknown(id)),
        }
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<String, Principal>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown(id: &str) -> ErrorData {
    ErrorData::invalid_params(format!("unknown task: `{}`", shown(id)), None)
}

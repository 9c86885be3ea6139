//! rmcp's way to the sessions. It hands over no request when it makes one, so
//! the caller travels in a task-local beside it.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::Sessions;
use crate::mcp::{Caller, OpenedSession};
use futures::Stream;
use rmcp::{
    model::{ClientJsonRpcMessage, GetExtensions, ServerJsonRpcMessage},
    transport::streamable_http_server::{
        SessionId, SessionManager,
        session::{
            ServerSseMessage,
            local::{LocalSessionManager, LocalSessionManagerError},
        },
    },
};

/// The agent's sessions are all busy, so none can give way to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transport) struct AllBusy;

/// Why there is no session. For rmcp only, which makes a plain 500 of it.
#[derive(Debug, thiserror::Error)]
pub(in crate::transport) enum SessionError {
    #[error("the agent's sessions are all busy")]
    AllBusy,
    #[error("a session was opened outside of `opening`")]
    NoCaller,
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
}

#[derive(Clone)]
struct Opening {
    caller: Caller,
    all_busy: Arc<AtomicBool>,
}

tokio::task_local! {
    static OPENING: Opening;
}

impl Sessions {
    /// Runs a handshake. The session that it opens is `caller`'s.
    pub(in crate::transport) async fn opening<T>(
        &self,
        caller: &Caller,
        handshake: impl Future<Output = T>,
    ) -> Result<T, AllBusy> {
        let opening = Opening { caller: caller.clone(), all_busy: Arc::default() };
        let all_busy = opening.all_busy.clone();
        // Pinned here: the task-local's own future would be the larger for it.
        let output = OPENING.scope(opening, pin!(handshake)).await;
        if all_busy.load(Ordering::Relaxed) { Err(AllBusy) } else { Ok(output) }
    }
}

impl SessionManager for Sessions {
    type Error = SessionError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let opening = OPENING.try_with(Clone::clone).map_err(|_| SessionError::NoCaller)?;
        let (id, transport) = self.local.create_session().await?;
        // INVARIANT: nothing is awaited between the session's making and its
        // entry, so that a client that hangs up leaves none that is not counted.
        if self.add(id.clone(), opening.caller).is_none() {
            opening.all_busy.store(true, Ordering::Relaxed);
            self.local.close_session(&id).await?;
            return Err(SessionError::AllBusy);
        }
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        mut message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        // The client does not know it yet, but whoever answers must: a session
        // hears of changes from its first moment.
        if let ClientJsonRpcMessage::Request(request) = &mut message
            && let Some(parts) = request.request.extensions_mut().get_mut::<http::request::Parts>()
        {
            parts.extensions.insert(OpenedSession(id.clone()));
        }
        Ok(self.local.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        Ok(self.table().contains_key(id))
    }

    /// rmcp calls it when a session has ended by itself.
    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        let closed = self.table().remove(id);
        if let Some(session) = closed {
            self.forget(id, &session);
        }
        Ok(self.local.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        Ok(self.local.create_stream(id, message).await?)
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        Ok(self.local.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        Ok(self.local.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        Ok(self.local.resume(id, last_event_id).await?)
    }
}

//! Sessions of the older revisions: whose they are, which are busy, and when
//! they end. rmcp keeps the sessions themselves and knows nothing of that.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rmcp::{
    model::RequestId,
    transport::streamable_http_server::{
        SessionId, SessionManager,
        session::local::{LocalSessionManager, SessionConfig},
    },
};
use server_core::id::AgentId;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

mod manager;

pub(super) use manager::AllBusy;

/// How many sessions an agent may have. With one more, that of its idle ones
/// gives way which was left alone longest.
pub(super) const PER_AGENT: usize = 64;

/// How long a session may be left alone.
pub(super) const IDLE: Duration = Duration::from_secs(30 * 60);

/// How long rmcp may take to close one.
const CLOSING: Duration = Duration::from_secs(5);

/// All sessions.
pub(super) struct Sessions {
    local: Arc<LocalSessionManager>,
    table: Mutex<HashMap<SessionId, Session>>,
    draining: CancellationToken,
}

struct Session {
    agent: AgentId,
    /// Requests in flight and open streams.
    visits: usize,
    /// Of the requests in flight.
    ids: HashSet<RequestId>,
    used: Instant,
    ended: CancellationToken,
}

/// A request or a stream under way in a session, which stays busy until this is
/// dropped.
pub(super) struct Visit {
    sessions: Arc<Sessions>,
    session: SessionId,
    request: Option<RequestId>,
    ended: CancellationToken,
}

/// Why a request may not enter a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoEntry {
    /// There is none of that id, or it is another agent's.
    Unknown,
    /// Another request in flight there bears the same id.
    IdInUse,
}

impl Sessions {
    /// None yet. Their streams end when `draining` is cancelled.
    pub(super) fn new(draining: CancellationToken) -> Arc<Self> {
        let mut local = LocalSessionManager::default();
        // rmcp would close sessions with calls in flight; `reap` does not.
        local.session_config = SessionConfig::default();
        local.session_config.keep_alive = None;
        Arc::new(Self { local: Arc::new(local), table: Mutex::default(), draining })
    }

    /// Enters `agent`'s session with a request, a notification or a stream.
    pub(super) fn enter(
        self: &Arc<Self>,
        session: &str,
        agent: &AgentId,
        request: Option<&RequestId>,
    ) -> Result<Visit, NoEntry> {
        let mut table = self.table();
        let id = table.get_key_value(session).map(|(id, _)| id.clone()).ok_or(NoEntry::Unknown)?;
        let entry = table.get_mut(session).filter(|entry| entry.agent == *agent).ok_or(NoEntry::Unknown)?;
        if let Some(request) = request
            && !entry.ids.insert(request.clone())
        {
            return Err(NoEntry::IdInUse);
        }
        entry.visits += 1;
        let (request, ended) = (request.cloned(), entry.ended.clone());
        Ok(Visit { sessions: self.clone(), session: id, request, ended })
    }

    /// Closes `agent`'s session. Says whether there was one.
    pub(super) fn close(&self, session: &str, agent: &AgentId) -> bool {
        let mut table = self.table();
        if table.get(session).is_none_or(|entry| entry.agent != *agent) {
            return false;
        }
        let closed = table.remove_entry(session);
        drop(table);
        self.shut(closed);
        true
    }

    /// Closes the sessions of all agents but those that `keep` names.
    pub(super) fn retain(&self, keep: impl Fn(&AgentId) -> bool) {
        let closed: Vec<_> = self.table().extract_if(|_, entry| !keep(&entry.agent)).collect();
        self.shut(closed);
    }

    /// Closes the sessions that nobody has used since `idle` before `now`. One
    /// with a call in flight or an open stream is in use, however long.
    pub(super) fn reap(&self, now: Instant, idle: Duration) {
        let over = |entry: &Session| entry.visits == 0 && now.saturating_duration_since(entry.used) >= idle;
        let closed: Vec<_> = self.table().extract_if(|_, entry| over(entry)).collect();
        self.shut(closed);
    }

    /// Takes in a new session of `agent`'s; the oldest idle one gives way where
    /// there are too many. `None`: all are busy.
    fn add(&self, session: SessionId, agent: AgentId) -> Option<()> {
        let mut table = self.table();
        let own = || table.iter().filter(|(_, entry)| entry.agent == agent);
        let mut gives_way = None;
        if own().count() >= PER_AGENT {
            let idle = own().filter(|(_, entry)| entry.visits == 0);
            gives_way = Some(idle.min_by_key(|(_, entry)| entry.used).map(|(id, _)| id.clone())?);
        }
        let closed = gives_way.and_then(|id| table.remove_entry(&id));
        let ended = self.draining.child_token();
        table.insert(session, Session { agent, visits: 0, ids: HashSet::new(), used: Instant::now(), ended });
        drop(table);
        self.shut(closed);
        Some(())
    }

    /// Ends what was taken out of the table, without waiting for it.
    fn shut(&self, closed: impl IntoIterator<Item = (SessionId, Session)>) {
        for (id, session) in closed {
            session.ended.cancel();
            let local = self.local.clone();
            tokio::spawn(async move { timeout(CLOSING, local.close_session(&id)).await });
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<SessionId, Session>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visit {
    /// Whether the session is there no more.
    pub(super) fn is_over(&self) -> bool {
        !self.sessions.table().contains_key(&self.session)
    }

    /// Cancelled when the session ends, or the server is about to stop.
    pub(super) fn ended(&self) -> &CancellationToken {
        &self.ended
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(entry) = self.sessions.table().get_mut(&self.session) {
            entry.visits -= 1;
            entry.used = Instant::now();
            if let Some(request) = &self.request {
                entry.ids.remove(request);
            }
        }
    }
}

#[cfg(test)]
impl Sessions {
    pub(super) fn count(&self) -> usize {
        self.table().len()
    }

    pub(super) async fn known_to_rmcp(&self) -> usize {
        self.local.sessions.read().await.len()
    }
}

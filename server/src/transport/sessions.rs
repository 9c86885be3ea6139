//! Sessions of the older revisions: whose they are, which are busy, and when
//! they end. rmcp keeps the sessions themselves and knows nothing of that.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
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
use server_core::{id::AgentId, principal::Principal, snapshot::Snapshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::mcp::{Audience, Caller};

mod manager;

pub(super) use manager::AllBusy;

/// How many sessions an agent may have. With one more, that of its idle ones
/// gives way which was left alone longest.
pub(super) const PER_AGENT: usize = 64;

/// How many streams may be open in a session; the oldest gives way. A client
/// needs one, and another while it has not noticed that the first broke.
const STREAMS: usize = 2;

/// How long another stream waits for that to have happened.
const GIVING_WAY: Duration = Duration::from_secs(2);

/// How long a session may be left alone.
pub(super) const IDLE: Duration = Duration::from_secs(30 * 60);

/// How long rmcp may take to close one.
const CLOSING: Duration = Duration::from_secs(5);

/// All sessions.
pub(super) struct Sessions {
    local: Arc<LocalSessionManager>,
    table: Mutex<HashMap<SessionId, Session>>,
    audience: Arc<Audience>,
    draining: CancellationToken,
}

struct Session {
    /// Who opened it.
    caller: Caller,
    /// Requests in flight and open streams.
    visits: usize,
    /// Of the requests in flight.
    ids: HashSet<RequestId>,
    /// Oldest first.
    streams: VecDeque<Stream>,
    used: Instant,
    ended: CancellationToken,
}

/// An open stream.
struct Stream {
    /// Who opened it.
    caller: Caller,
    /// Ends it.
    ended: CancellationToken,
    /// Says that it has ended.
    gone: CancellationToken,
}

/// A request or a stream under way in a session, which stays busy until this is
/// dropped.
pub(super) struct Visit {
    sessions: Arc<Sessions>,
    session: SessionId,
    request: Option<RequestId>,
    ended: CancellationToken,
    gone: CancellationToken,
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
    /// None yet. They leave `audience` when they end, and their streams end when
    /// `draining` is cancelled.
    pub(super) fn new(audience: Arc<Audience>, draining: CancellationToken) -> Arc<Self> {
        let mut local = LocalSessionManager::default();
        // rmcp would close sessions with calls in flight; `reap` does not.
        local.session_config = SessionConfig::default();
        local.session_config.keep_alive = None;
        Arc::new(Self { local: Arc::new(local), table: Mutex::default(), audience, draining })
    }

    /// Enters `principal`'s session with a request, a notification or a stream.
    pub(super) fn enter(
        self: &Arc<Self>,
        session: &str,
        principal: &Principal,
        request: Option<&RequestId>,
    ) -> Result<Visit, NoEntry> {
        let mut table = self.table();
        let id = table.get_key_value(session).map(|(id, _)| id.clone()).ok_or(NoEntry::Unknown)?;
        let entry = table
            .get_mut(session)
            .filter(|entry| entry.caller.principal == *principal)
            .ok_or(NoEntry::Unknown)?;
        if let Some(request) = request
            && !entry.ids.insert(request.clone())
        {
            return Err(NoEntry::IdInUse);
        }
        entry.visits += 1;
        let (request, ended) = (request.cloned(), entry.ended.child_token());
        Ok(Visit { sessions: self.clone(), session: id, request, ended, gone: CancellationToken::new() })
    }

    /// Enters `caller`'s session with a stream.
    pub(super) async fn listen(self: &Arc<Self>, session: &str, caller: &Caller) -> Result<Visit, NoEntry> {
        let visit = self.enter(session, &caller.principal, None)?;
        let (ended, gone) = (visit.ended.clone(), visit.gone.clone());
        let gives_way = self.table().get_mut(session).and_then(|entry| {
            entry.streams.push_back(Stream { caller: caller.clone(), ended, gone });
            if entry.streams.len() > STREAMS { entry.streams.pop_front() } else { None }
        });
        if let Some(oldest) = gives_way {
            oldest.ended.cancel();
            // While it is there, rmcp may send all events to it, also later ones.
            let _ = timeout(GIVING_WAY, oldest.gone.cancelled()).await;
        }
        Ok(visit)
    }

    /// How many each agent has.
    pub(super) fn by_agent(&self) -> BTreeMap<AgentId, usize> {
        let mut all = BTreeMap::new();
        for session in self.table().values() {
            *all.entry(session.caller.principal.agent.clone()).or_default() += 1;
        }
        all
    }

    /// Closes `principal`'s session. Says whether there was one.
    pub(super) fn close(&self, session: &str, principal: &Principal) -> bool {
        let mut table = self.table();
        if table.get(session).is_none_or(|entry| entry.caller.principal != *principal) {
            return false;
        }
        let closed = table.remove_entry(session);
        drop(table);
        self.shut(closed);
        true
    }

    /// Closes the sessions and streams whose callers `snapshot` would not let in
    /// any more as who they were.
    pub(super) fn retain(&self, snapshot: &Snapshot) {
        let mut table = self.table();
        let closed: Vec<_> = table.extract_if(|_, entry| !entry.caller.stands(snapshot)).collect();
        for stream in table.values().flat_map(|entry| &entry.streams) {
            if !stream.caller.stands(snapshot) {
                stream.ended.cancel();
            }
        }
        drop(table);
        self.shut(closed);
    }

    /// Closes the sessions that nobody has used since `idle` before `now`. One
    /// with a call in flight or an open stream is in use, however long.
    pub(super) fn reap(&self, now: Instant, idle: Duration) {
        let over = |entry: &Session| entry.visits == 0 && now.saturating_duration_since(entry.used) >= idle;
        let closed: Vec<_> = self.table().extract_if(|_, entry| over(entry)).collect();
        self.shut(closed);
    }

    /// Takes in a new session of `caller`'s; its agent's oldest idle one gives way where
    /// there are too many. `None`: all are busy.
    fn add(&self, session: SessionId, caller: Caller) -> Option<()> {
        let mut table = self.table();
        let agent = &caller.principal.agent;
        let own = || table.iter().filter(|(_, entry)| entry.caller.principal.agent == *agent);
        let mut gives_way = None;
        if own().count() >= PER_AGENT {
            let idle = own().filter(|(_, entry)| entry.visits == 0);
            gives_way = Some(idle.min_by_key(|(_, entry)| entry.used).map(|(id, _)| id.clone())?);
        }
        let closed = gives_way.and_then(|id| table.remove_entry(&id));
        let ended = self.draining.child_token();
        let (ids, streams, used) = (HashSet::new(), VecDeque::new(), Instant::now());
        table.insert(session, Session { caller, visits: 0, ids, streams, used, ended });
        drop(table);
        self.shut(closed);
        Some(())
    }

    /// Ends what was taken out of the table, without waiting for it.
    fn shut(&self, closed: impl IntoIterator<Item = (SessionId, Session)>) {
        for (id, session) in closed {
            self.forget(&id, &session);
            let local = self.local.clone();
            tokio::spawn(async move { timeout(CLOSING, local.close_session(&id)).await });
        }
    }

    fn forget(&self, id: &SessionId, session: &Session) {
        session.ended.cancel();
        self.audience.leave_session(id);
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

    /// Cancelled when the session ends, or the server is about to stop, or the
    /// stream has to give way.
    pub(super) fn ended(&self) -> &CancellationToken {
        &self.ended
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.gone.cancel();
        if let Some(entry) = self.sessions.table().get_mut(&self.session) {
            entry.visits -= 1;
            entry.streams.retain(|stream| !stream.gone.is_cancelled());
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

//! Who is connected, and who gives way when there are too many.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{allowance::Allowance, transport::throttle::block};

/// How many connections there may be, and how patient the server is with them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// At the same time.
    pub(crate) most: usize,
    /// From one address, on which nobody has shown a valid token yet.
    pub(crate) strangers_per_address: usize,
    /// How long a client may take to send what it has begun to send, and to take
    /// any of what it is sent.
    pub(crate) patience: Duration,
}

/// How often it is logged that some give way.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Everybody who is connected.
pub(super) struct Guests {
    table: Mutex<Table>,
    left: Notify,
    log: Allowance,
}

impl Default for Guests {
    fn default() -> Self {
        Self { table: Mutex::default(), left: Notify::new(), log: Allowance::new(1, LOG_EVERY) }
    }
}

#[derive(Default)]
struct Table {
    next: u64,
    open: BTreeMap<u64, (Host, Arc<Guest>)>,
    /// How many connections each has.
    counts: HashMap<Host, usize>,
}

/// Whose a connection is. Until it has shown a valid token, its address's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Host {
    Address(IpAddr),
    Known(Arc<str>),
}

/// One connection. It goes along with its requests, so that those who learn more
/// of it can say so.
pub(crate) struct Guest {
    id: u64,
    guests: Arc<Guests>,
    known: OnceLock<()>,
    requests: AtomicU32,
    /// How many requests it has begun, and how many of them were answered.
    begun: AtomicU32,
    answered: AtomicU32,
    gives_way: CancellationToken,
}

/// Takes a connection's place until it is dropped.
pub(super) struct Place(pub(super) Arc<Guest>);

/// Somebody works for a connection until it is dropped.
pub(crate) struct Busy(Arc<Guest>);

impl Guests {
    /// Takes somebody in, once there is room; those in whose place it comes are
    /// asked to leave.
    pub(super) async fn enter(self: &Arc<Self>, address: IpAddr, bounds: impl Fn() -> Bounds) -> Place {
        loop {
            let left = self.left.notified();
            if let Some(place) = self.try_enter(address, bounds()) {
                return place;
            }
            left.await;
        }
    }

    /// The same, if there is room now.
    pub(super) fn try_enter(self: &Arc<Self>, address: IpAddr, bounds: Bounds) -> Option<Place> {
        let host = Host::Address(block(address));
        let mut table = self.table();
        if table.count(&host) >= bounds.strangers_per_address {
            let oldest = table.open.iter().find(|(_, (its, _))| *its == host).map(|(id, _)| *id);
            oldest.into_iter().for_each(|id| self.show_out(&mut table, id, "an address has many"));
        }
        while table.open.len() >= bounds.most {
            let id = table.whoever_gives_way()?;
            self.show_out(&mut table, id, "all places are taken");
        }
        let id = table.next;
        table.next += 1;
        let guest = Arc::new(Guest {
            id,
            guests: self.clone(),
            known: OnceLock::new(),
            requests: AtomicU32::new(0),
            begun: AtomicU32::new(0),
            answered: AtomicU32::new(0),
            gives_way: CancellationToken::new(),
        });
        *table.counts.entry(host.clone()).or_default() += 1;
        table.open.insert(id, (host, guest.clone()));
        Some(Place(guest))
    }

    fn show_out(&self, table: &mut Table, id: u64, why: &'static str) {
        let Some(guest) = table.remove(id) else { return };
        guest.gives_way.cancel();
        if self.log.take() {
            warn!(target: "server", open = table.open.len(), why, "idle connections give way to new ones");
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn count(&self, host: &Host) -> usize {
        self.counts.get(host).copied().unwrap_or_default()
    }

    /// Of those for whom nobody works, one of whoever has the most: before others
    /// one who has shown no token, and then the oldest.
    fn whoever_gives_way(&self) -> Option<u64> {
        let idle = self.open.iter().filter(|(_, (_, guest))| !guest.is_busy());
        let rank = |(id, (host, _)): &(&u64, &(Host, _))| {
            (self.count(host), matches!(host, Host::Address(_)), std::cmp::Reverse(**id))
        };
        idle.max_by_key(rank).map(|(id, _)| *id)
    }

    fn remove(&mut self, id: u64) -> Option<Arc<Guest>> {
        let (host, guest) = self.open.remove(&id)?;
        self.uncount(&host);
        Some(guest)
    }

    fn uncount(&mut self, host: &Host) {
        if let Some(count) = self.counts.get_mut(host) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(host);
            }
        }
    }
}

impl Guest {
    /// It has shown a valid token, this one's.
    pub(crate) fn is_known_as(&self, name: &str) {
        // For each request, so the table is not asked again.
        if self.known.set(()).is_err() {
            return;
        }
        let mut table = self.guests.table();
        let Some((host, guest)) = table.open.remove(&self.id) else { return };
        table.uncount(&host);
        let host = Host::Known(name.into());
        *table.counts.entry(host.clone()).or_default() += 1;
        table.open.insert(self.id, (host, guest));
    }

    pub(super) fn is_known(&self) -> bool {
        self.known.get().is_some()
    }

    /// Somebody works for it, so that it does not give way.
    pub(crate) fn busy(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    fn is_busy(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    /// It is to go, because another one takes its place.
    pub(super) fn gives_way(&self) -> &CancellationToken {
        &self.gives_way
    }

    /// How many requests it has begun.
    pub(super) fn begun(&self) -> u32 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether what it sends is the head of its next request.
    pub(super) fn is_between_requests(&self) -> bool {
        self.begun() == self.answered.load(Ordering::Relaxed)
    }

    /// The head of a request is there.
    pub(super) fn begins(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// It is answered.
    pub(super) fn ends(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.0.guests.table().remove(self.0.id));
        self.0.guests.left.notify_waiters();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        // Whoever waits for a place looks again.
        if self.0.requests.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.guests.left.notify_waiters();
        }
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

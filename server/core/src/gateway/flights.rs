//! The calls that plugins are at work on. They go on under the snapshot that
//! they began under, unless what they began by is revoked: then they end at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{
    channel::oneshot,
    future::{Either, select},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::{
    id::Generation,
    policy::{Permit, Revoked, revoked},
    secret::TokenDigest,
    snapshot::{Live, Snapshot},
};

/// All calls in flight.
pub(super) struct Flights {
    live: Arc<Live>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    calls: HashMap<u64, Entry>,
    next: u64,
}

struct Entry {
    permit: Arc<Permit>,
    token: TokenDigest,
    tell: oneshot::Sender<Revocation>,
}

/// A call in flight. It is so until this is dropped.
pub(super) struct Flight {
    flights: Arc<Flights>,
    id: u64,
    told: oneshot::Receiver<Revocation>,
}

/// Why a call in flight is to end, and since which snapshot.
pub(super) struct Revocation {
    pub(super) generation: Generation,
    pub(super) revoked: Revoked,
}

impl Revocation {
    fn of(snapshot: &Snapshot, token: &TokenDigest, permit: &Permit, today: Date) -> Option<Self> {
        let revoked = revoked(snapshot, token, permit, today)?;
        permit.revoke();
        Some(Self { generation: snapshot.generation, revoked })
    }
}

impl Flights {
    pub(super) fn new(live: Arc<Live>) -> Arc<Self> {
        Arc::new(Self { live, table: Mutex::default() })
    }

    /// Begins a call that `token` made.
    pub(super) fn enter(
        self: &Arc<Self>,
        permit: Arc<Permit>,
        token: TokenDigest,
    ) -> Result<Flight, Revocation> {
        let (tell, told) = oneshot::channel();
        let id = {
            let mut table = self.table();
            let id = table.next;
            table.next += 1;
            table.calls.insert(id, Entry { permit: permit.clone(), token, tell });
            id
        };
        let flight = Flight { flights: self.clone(), id, told };
        // Looked up after entering: a snapshot that comes later finds the call.
        let current = self.live.load();
        // The token was looked up earlier than all the rest, maybe in a snapshot
        // before the one that the call began under.
        let is_same = Arc::ptr_eq(&current, permit.snapshot());
        if is_same && current.knows(&token, permit.principal()) {
            return Ok(flight);
        }
        match Revocation::of(&current, &token, &permit, today()) {
            Some(revocation) => Err(revocation),
            None => Ok(flight),
        }
    }

    /// Ends the calls that began by what `snapshot` no longer has. Says how many.
    pub(super) fn revoke(&self, snapshot: &Snapshot) -> usize {
        let today = today();
        let ended: Vec<_> = {
            let mut table = self.table();
            let judged: Vec<_> = table
                .calls
                .iter()
                .filter_map(|(id, call)| {
                    Revocation::of(snapshot, &call.token, &call.permit, today).map(|why| (*id, why))
                })
                .collect();
            judged.into_iter().filter_map(|(id, why)| Some((table.calls.remove(&id)?, why))).collect()
        };
        let count = ended.len();
        for (entry, why) in ended {
            // Whoever does not listen any more has just ended by itself.
            let _ = entry.tell.send(why);
        }
        count
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// Waits for `work`, unless the call is to end before.
    pub(super) async fn unless_revoked<T>(
        &mut self,
        work: impl Future<Output = T> + Unpin,
    ) -> Result<T, Revocation> {
        match select(&mut self.told, work).await {
            Either::Left((Ok(revocation), _)) => Err(revocation),
            // INVARIANT: only a revocation takes the entry away before this.
            Either::Left((Err(oneshot::Canceled), work)) => Ok(work.await),
            Either::Right((done, _)) => Ok(done),
        }
    }

    /// The revocation that came and was not heard yet.
    pub(super) fn unheard(&mut self) -> Option<Revocation> {
        self.told.try_recv().ok().flatten()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // It may be the last to hold an old snapshot and its plugins: the table
        // must be free by then.
        let entry = self.flights.table().calls.remove(&self.id);
        drop(entry);
    }
}

fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests;

//! One connection.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::task::AbortHandle;
use tokio_postgres::{CancelToken, Client};

use super::{connect::Address, meter::Meter};

/// `DISCARD ALL` but for prepared statements: the client has some of its own, and a
/// query can make none.
const RESET: &str = "\
CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; \
SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES";

/// A connection, and the task that speaks on it. Dropped, it is closed.
#[derive(Debug)]
pub(in crate::database) struct Session {
    pub(super) client: Client,
    pub(super) meter: Meter,
    address: Arc<Address>,
    task: AbortHandle,
}

/// A query runs. Dropped before it is done, it has the server end it.
pub(super) struct Busy {
    cancel: CancelToken,
    address: Arc<Address>,
    is_done: AtomicBool,
}

impl Session {
    pub(super) fn new(client: Client, meter: Meter, address: Arc<Address>, task: AbortHandle) -> Self {
        Self { client, meter, address, task }
    }

    /// Whether the server has not closed it.
    pub(in crate::database) fn is_open(&self) -> bool {
        !self.client.is_closed()
    }

    pub(super) fn busy(&self) -> Busy {
        let (cancel, address) = (self.client.cancel_token(), self.address.clone());
        Busy { cancel, address, is_done: AtomicBool::new(false) }
    }

    /// Takes back what a query may have left in the connection: settings, locks,
    /// cursors. Answers whether that worked.
    pub(super) async fn reset(&self) -> bool {
        self.meter.allow(0);
        self.client.batch_execute(RESET).await.is_ok()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Busy {
    pub(super) fn done(&self) {
        self.is_done.store(true, Ordering::Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.is_done.load(Ordering::Relaxed) {
            return;
        }
        let (cancel, address) = (self.cancel.clone(), self.address.clone());
        // Closing a connection does not end what runs on it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { address.cancel(cancel).await });
        }
    }
}

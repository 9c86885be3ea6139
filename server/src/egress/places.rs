//! How many requests run at the same time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use server_core::egress::{Destination, Refusal};

/// To one host and port, and to all.
const PER_HOST: usize = 32;
const ALL: usize = 512;

/// The requests that are running.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<Running>);

#[derive(Debug, Default)]
struct Running {
    all: usize,
    by_host: HashMap<Destination, usize>,
}

/// A request that is running, until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    to: Destination,
}

impl Places {
    /// A place for one more request, if there is one.
    pub(super) fn take(self: &Arc<Self>, to: &Destination) -> Result<Place, Refusal> {
        let mut running = self.running();
        let there = running.by_host.get(to).copied().unwrap_or_default();
        if there >= PER_HOST || running.all >= ALL {
            return Err(Refusal::Busy { host: to.host.clone(), port: to.port, running: there });
        }
        running.all += 1;
        running.by_host.insert(to.clone(), there + 1);
        Ok(Place { places: self.clone(), to: to.clone() })
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut running = self.places.running();
        running.all -= 1;
        if let Some(there) = running.by_host.get_mut(&self.to) {
            *there -= 1;
            if *there == 0 {
                running.by_host.remove(&self.to);
            }
        }
    }
}

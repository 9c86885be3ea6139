//! The requests that are kept waiting for a refusal. They have a limit, so that
//! nobody can fill the server with them.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How many may wait at once, and how many of them from one address.
const IN_ALL: usize = 1024;
const PER_ADDRESS: usize = 256;

/// Who waits.
#[derive(Default)]
pub(super) struct Waiting(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    in_all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Too many wait already: the connection is to be closed instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crowded;

/// One that waits, until it is dropped.
pub(super) struct Place<'a> {
    waiting: &'a Waiting,
    address: IpAddr,
}

impl Waiting {
    pub(super) fn enter(&self, address: IpAddr) -> Result<Place<'_>, Crowded> {
        let mut counts = self.counts();
        let here = counts.by_address.get(&address).copied().unwrap_or_default();
        if counts.in_all >= IN_ALL || here >= PER_ADDRESS {
            return Err(Crowded);
        }
        counts.in_all += 1;
        counts.by_address.insert(address, here + 1);
        drop(counts);
        Ok(Place { waiting: self, address })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut counts = self.waiting.counts();
        counts.in_all -= 1;
        if let Some(here) = counts.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn enter(waiting: &Waiting, address: u32, count: usize) -> Vec<Place<'_>> {
        (0..count).filter_map(|_| waiting.enter(Ipv4Addr::from_bits(address).into()).ok()).collect()
    }

    #[test]
    fn an_address_and_all_of_them_have_a_limit() {
        let waiting = Waiting::default();
        let mut places: Vec<_> = (1..=5).map(|address| enter(&waiting, address, 300)).collect();
        assert_eq!(places.iter().map(Vec::len).collect::<Vec<_>>(), [256, 256, 256, 256, 0]);
        places[0].pop();
        assert_eq!(enter(&waiting, 5, 300).len(), 1);
        assert_eq!(enter(&waiting, 1, 300).len(), 1, "the one before has gone again");
    }

    #[test]
    fn nothing_is_kept_of_those_who_have_gone() {
        let waiting = Waiting::default();
        drop(enter(&waiting, 1, 256));
        let counts = waiting.counts();
        assert_eq!((counts.in_all, counts.by_address.len()), (0, 0));
    }
}

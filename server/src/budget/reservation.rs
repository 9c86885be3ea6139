//! Money that is held for one request to a provider.

use server_core::{budget::ChargeId, money::NanoDollars};
use tokio::sync::oneshot;

use super::{Ledger, Unavailable, books::Outcome, writer::Order};

/// Money that is held for one request. However it ends, also by a panic or because
/// nobody waits for the answer any more, the money is charged or given back: what
/// was not settled counts as spent if the provider may have been asked, and is free
/// again if it was not.
#[derive(Debug)]
#[must_use = "dropped at once, it gives the money back"]
pub struct Reservation {
    ledger: Ledger,
    id: ChargeId,
    is_called: bool,
    streamed: Option<NanoDollars>,
    is_over: bool,
}

impl Reservation {
    pub(super) fn new(ledger: Ledger, id: ChargeId) -> Self {
        Self { ledger, id, is_called: false, streamed: None, is_over: false }
    }

    /// Nothing was reserved.
    pub(super) fn forget(&mut self) {
        self.is_over = true;
    }

    /// Its name in the books.
    #[must_use]
    pub fn id(&self) -> &ChargeId {
        &self.id
    }

    /// From here on, the provider may charge for it.
    pub fn called(&mut self) {
        self.is_called = true;
    }

    /// What has been used so far costs this. It is charged if nothing more is heard.
    pub fn streamed(&mut self, cost: NanoDollars) {
        self.is_called = true;
        self.streamed = self.streamed.max(Some(cost));
    }

    /// Charges what the request cost, whatever was reserved. The order is given at
    /// once; what comes back can be awaited to know that it is on disk.
    pub fn settle(mut self, cost: NanoDollars) -> Settling {
        self.end(Outcome::Cost(cost))
    }

    /// Nobody says what the request cost.
    pub fn settle_unknown(mut self) -> Settling {
        let outcome = self.unknown();
        self.end(outcome)
    }

    /// The provider answered, and does not say what that cost: what was reserved is
    /// charged, since what was streamed says nothing of the rest.
    pub fn settle_reserved(mut self) -> Settling {
        self.end(Outcome::Unknown)
    }

    /// The provider charges nothing: all of it is free again.
    pub fn release(mut self) -> Settling {
        self.end(Outcome::Nothing)
    }

    fn unknown(&self) -> Outcome {
        match (self.is_called, self.streamed) {
            (_, Some(cost)) => Outcome::Cost(cost),
            (true, None) => Outcome::Unknown,
            (false, None) => Outcome::Nothing,
        }
    }

    fn end(&mut self, outcome: Outcome) -> Settling {
        self.is_over = true;
        let (done, written) = oneshot::channel();
        let order = Order::Settle { id: self.id.clone(), outcome, done: Some(done) };
        Settling(self.ledger.order(order).map(|()| written))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.is_over {
            let order = Order::Settle { id: self.id.clone(), outcome: self.unknown(), done: None };
            // Where nothing is written any more, it stays reserved.
            let _ = self.ledger.order(order);
        }
    }
}

/// A charge on its way to the disk. It arrives whether or not somebody waits.
#[derive(Debug)]
pub struct Settling(Result<oneshot::Receiver<()>, Unavailable>);

impl Settling {
    /// Waits until it is there.
    ///
    /// # Errors
    ///
    /// If it could not be written. It is tried again until it can, and stays
    /// reserved meanwhile.
    pub async fn written(self) -> Result<(), Unavailable> {
        let written = self.0?.await;
        written.map_err(|_| Unavailable("the books could not be written".to_owned()))
    }
}

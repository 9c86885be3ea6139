//! The one thread that writes the books.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io, mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use server_core::{
    budget::{ChargeId, Owner, Period, Verdict},
    money::NanoDollars,
};
use tokio::sync::oneshot;
use tracing::{error, info};

use super::{
    Ask, NoMoney, Stranded, Unavailable,
    books::{Books, Charge, Outcome, shortfalls},
};

/// How many orders are committed together at most.
const TOGETHER: usize = 64;

/// How long after a failure what is owed to the books is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Something to write.
pub(super) enum Order {
    /// Money, now or once it is given back.
    Reserve {
        ask: Ask,
        /// Until when to wait for it. `None`: as long as it takes.
        until: Option<Instant>,
        reply: oneshot::Sender<Result<(), NoMoney>>,
    },
    /// The end of a charge. `done` hears once it is on disk.
    Settle { id: ChargeId, outcome: Outcome, done: Option<oneshot::Sender<()>> },
    /// What other processes left.
    Release { only: Option<Vec<ChargeId>>, reply: oneshot::Sender<Vec<Stranded>> },
    /// The operator's word.
    Set {
        owner: Owner,
        period: Period,
        label: String,
        spent: NanoDollars,
        reply: oneshot::Sender<NanoDollars>,
    },
    /// Nothing more comes.
    Stop,
}

impl Order {
    fn settling(&self) -> Option<(ChargeId, Outcome)> {
        match self {
            Self::Settle { id, outcome, .. } => Some((id.clone(), *outcome)),
            _ => None,
        }
    }
}

/// Since the start, by agent and model.
type Charged = Mutex<BTreeMap<(String, String), NanoDollars>>;

/// The way to the thread. Dropping it waits until all is written.
pub(super) struct Writer {
    orders: mpsc::Sender<Order>,
    charged: Arc<Charged>,
    is_failing: Arc<AtomicBool>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(books: Books) -> io::Result<Self> {
        let (orders, arriving) = mpsc::channel();
        let (charged, is_failing) = (Arc::<Charged>::default(), Arc::<AtomicBool>::default());
        let desk = Desk {
            books,
            arriving,
            waiting: VecDeque::new(),
            owed: Vec::new(),
            is_failing: is_failing.clone(),
            charged: charged.clone(),
        };
        let thread = thread::Builder::new().name("budgets".to_owned()).spawn(move || desk.work())?;
        Ok(Self { orders, charged, is_failing, thread: Mutex::new(Some(thread)) })
    }

    /// Whether the last attempt to write went wrong.
    pub(super) fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// What was charged since the start, by agent and model.
    pub(super) fn charged(&self) -> BTreeMap<(String, String), NanoDollars> {
        self.charged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn send(&self, order: Order) -> Result<(), Unavailable> {
        self.orders.send(order).map_err(|_| Unavailable("nobody writes the books any more".to_owned()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Stop);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            error!(target: "budget", "the thread that writes the books broke");
        }
    }
}

/// What the thread works with.
struct Desk {
    books: Books,
    arriving: mpsc::Receiver<Order>,
    /// Requests that wait for money, the first that came first.
    waiting: VecDeque<Waiting>,
    /// What could not be written: it is reserved until it can.
    owed: Vec<(ChargeId, Outcome)>,
    is_failing: Arc<AtomicBool>,
    charged: Arc<Charged>,
}

struct Waiting {
    ask: Ask,
    until: Option<Instant>,
    reply: oneshot::Sender<Result<(), NoMoney>>,
}

/// What is told once the transaction is on disk.
type Telling = Box<dyn FnOnce()>;

impl Desk {
    fn work(mut self) {
        loop {
            let mut batch = match self.next() {
                Ok(order) => vec![order],
                Err(mpsc::RecvTimeoutError::Timeout) => Vec::new(),
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            };
            batch.extend(self.arriving.try_iter().take(TOGETHER));
            let stops = batch.iter().any(|order| matches!(order, Order::Stop));
            self.write(batch);
            if stops {
                return;
            }
        }
    }

    /// The next order, or the time to see to what waits.
    fn next(&self) -> Result<Order, mpsc::RecvTimeoutError> {
        let owed = (!self.owed.is_empty()).then_some(AGAIN);
        let now = Instant::now();
        let soonest = self.waiting.iter().filter_map(|waiting| waiting.until).min();
        let until = soonest.map(|until| until.saturating_duration_since(now));
        match owed.into_iter().chain(until).min() {
            Some(time) => self.arriving.recv_timeout(time),
            None => self.arriving.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
        }
    }

    fn write(&mut self, batch: Vec<Order>) {
        let settling: Vec<_> = batch.iter().filter_map(Order::settling).collect();
        match self.transact(batch) {
            Ok(tellings) => {
                self.owed.clear();
                if self.is_failing.swap(false, Ordering::Relaxed) {
                    info!(target: "budget", "the books can be written again");
                }
                tellings.into_iter().for_each(|tell| tell());
            }
            Err(error) => {
                if !self.is_failing.swap(true, Ordering::Relaxed) {
                    error!(target: "budget", %error, "the books cannot be written: nothing is spent until they can");
                }
                // Nobody is told anything: their ends of the channels have been
                // dropped, which says enough.
                self.books.forget_habits();
                self.waiting.clear();
                self.owed.extend(settling);
            }
        }
    }

    /// All of it, or nothing. Who waits and is not served goes on waiting.
    fn transact(&mut self, batch: Vec<Order>) -> rusqlite::Result<Vec<Telling>> {
        // By hand: the books work with the connection meanwhile.
        self.books.connection.execute_batch("BEGIN IMMEDIATE")?;
        let written = self.write_all(batch);
        let ended = match &written {
            Ok(_) => self.books.connection.execute_batch("COMMIT"),
            Err(_) => Ok(()),
        };
        if written.is_err() || ended.is_err() {
            // SQLite may have done so already.
            let _ = self.books.connection.execute_batch("ROLLBACK");
        }
        ended.and(written)
    }

    fn write_all(&mut self, batch: Vec<Order>) -> rusqlite::Result<Vec<Telling>> {
        let mut tellings: Vec<Telling> = Vec::new();
        for (id, outcome) in self.owed.clone() {
            let charge = self.books.settle(&id, outcome)?;
            tellings.extend(charge.map(|charge| self.counting(charge)));
        }
        for order in batch {
            match order {
                Order::Reserve { ask, until, reply } => {
                    self.waiting.push_back(Waiting { ask, until, reply });
                }
                Order::Settle { id, outcome, done } => {
                    // Whoever gives back what it waits for has gone.
                    self.waiting.retain(|waiting| waiting.ask.id != id);
                    let charge = self.books.settle(&id, outcome)?;
                    tellings.extend(charge.map(|charge| self.counting(charge)));
                    tellings.extend(done.map(|done| telling(done, ())));
                }
                Order::Release { only, reply } => {
                    tellings.push(telling(reply, self.books.release(only.as_deref())?));
                }
                Order::Set { owner, period, label, spent, reply } => {
                    tellings.push(telling(reply, self.books.set(&owner, period, &label, spent)?));
                }
                Order::Stop => {}
            }
        }
        self.serve_waiting(&mut tellings)?;
        Ok(tellings)
    }

    /// Adds to the sums what is on disk by then.
    fn counting(&self, Charge { agent, model, cost }: Charge) -> Telling {
        let charged = self.charged.clone();
        Box::new(move || {
            let mut charged = charged.lock().unwrap_or_else(PoisonError::into_inner);
            let sum = charged.entry((agent, model)).or_default();
            *sum = sum.saturating_add(cost);
        })
    }

    /// Serves those who wait, in their order. Of an agent's requests none overtakes
    /// another, or a large one might wait for ever.
    fn serve_waiting(&mut self, tellings: &mut Vec<Telling>) -> rusqlite::Result<()> {
        let now = Instant::now();
        let mut stuck = BTreeSet::new();
        let mut still = VecDeque::new();
        for waiting in mem::take(&mut self.waiting) {
            let agent = waiting.ask.principal.agent.clone();
            let is_late = waiting.until.is_some_and(|until| until <= now);
            if stuck.contains(&agent) && !is_late {
                still.push_back(waiting);
                continue;
            }
            match self.books.reserve(&waiting.ask)? {
                Verdict::Admitted => tellings.push(telling(waiting.reply, Ok(()))),
                Verdict::Wait(_) if !is_late => {
                    stuck.insert(agent);
                    still.push_back(waiting);
                }
                verdict => {
                    tellings.push(telling(waiting.reply, Err(NoMoney::Short(shortfalls(verdict)))));
                }
            }
        }
        self.waiting = still;
        Ok(())
    }
}

/// Who does not listen any more has given back what it got: see `Reservation`.
fn telling<T: 'static>(reply: oneshot::Sender<T>, answer: T) -> Telling {
    Box::new(move || {
        let _ = reply.send(answer);
    })
}

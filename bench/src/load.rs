//! Clients that call without pause.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinSet;

use crate::{
    Failure,
    caller::{Agent, Caller},
};

/// How many clients there are.
pub(crate) const CLIENTS: usize = 16;

/// How many of the failures are told.
const TOLD: usize = 5;

/// When to stop.
#[derive(Clone)]
pub(crate) enum Until {
    /// After so many calls.
    Calls(Arc<AtomicI64>),
    /// When it is set.
    Flag(Arc<AtomicBool>),
}

impl Until {
    pub(crate) fn calls(count: u32) -> Self {
        Self::Calls(Arc::new(AtomicI64::new(count.into())))
    }

    fn go_on(&self) -> bool {
        match self {
            Self::Calls(left) => left.fetch_sub(1, Ordering::Relaxed) > 0,
            Self::Flag(over) => !over.load(Ordering::Relaxed),
        }
    }
}

/// Connected clients.
pub(crate) struct Fleet(Vec<Caller>);

/// What came of their calls.
#[derive(Default)]
pub(crate) struct Tally {
    /// How long each took that was answered as it should be.
    pub(crate) took: Vec<Duration>,
    pub(crate) failed: u64,
    told: Vec<Failure>,
}

impl Tally {
    /// An error if a call failed.
    pub(crate) fn all_answered(self) -> Result<Vec<Duration>, Failure> {
        match self.failed {
            0 => Ok(self.took),
            failed => Err(format!("{failed} calls failed:\n{}", self.told.join("\n"))),
        }
    }

    pub(crate) fn told(&self) -> &[Failure] {
        &self.told
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.took.extend(other.took);
        self.failed += other.failed;
        self.told.extend(other.told);
        self.told.truncate(TOLD);
    }
}

impl Fleet {
    pub(crate) async fn connect(agent: &Agent) -> Result<Self, Failure> {
        Self::of(agent, CLIENTS).await
    }

    /// So many.
    pub(crate) async fn of(agent: &Agent, clients: usize) -> Result<Self, Failure> {
        let mut callers = Vec::new();
        for number in 0..clients {
            callers.push(Caller::open(agent, number).await?);
        }
        Ok(Self(callers))
    }

    /// All call at once, each as soon as it has its answer. One whose call
    /// failed connects anew.
    pub(crate) async fn call(&mut self, until: Until) -> Result<Tally, Failure> {
        let mut tasks = JoinSet::new();
        for mut caller in self.0.drain(..) {
            let until = until.clone();
            tasks.spawn(async move {
                let mut tally = Tally::default();
                while until.go_on() {
                    match caller.echo().await {
                        Ok(took) => tally.took.push(took),
                        Err(failure) => {
                            tally.add(Tally { failed: 1, told: vec![failure], ..Tally::default() });
                            caller = caller.again().await?;
                        }
                    }
                }
                Ok::<_, Failure>((caller, tally))
            });
        }
        let mut all = Tally::default();
        while let Some(joined) = tasks.join_next().await {
            let (caller, tally) = joined.map_err(|error| error.to_string())??;
            self.0.push(caller);
            all.add(tally);
        }
        Ok(all)
    }
}

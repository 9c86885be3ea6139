//! Where looks at the files run: on a thread of their own, one at a time, and
//! for so long at most.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use tokio::{sync::oneshot, task, time};

use super::{refused::Refused, staging::Work};

/// How long a configuration may take to be read and its plugins to be loaded.
pub(super) const STAGING: Duration = Duration::from_secs(60);

/// Where the work lies between two looks.
pub(super) enum Bench {
    /// Here.
    Here(Box<Work>),
    /// A look that did not end in time still has it.
    Out(oneshot::Receiver<Box<Work>>),
}

impl Bench {
    /// The work, if no look has it.
    pub(super) fn here(&mut self) -> Option<&mut Work> {
        match self {
            Self::Here(work) => Some(work),
            Self::Out(_) => None,
        }
    }

    /// Runs `look`. One that does not end in time keeps the work until it does, and
    /// nothing else can be done until then.
    pub(super) async fn run<T: Send + 'static>(
        &mut self,
        look: impl FnOnce(&mut Work) -> T + Send + 'static,
    ) -> Result<T, Refused> {
        self.take_back();
        let (give_back, back) = oneshot::channel();
        let mut work = match std::mem::replace(self, Self::Out(back)) {
            Self::Here(work) => work,
            out @ Self::Out(_) => {
                *self = out;
                return Err(Refused::Stuck);
            }
        };
        let looking = task::spawn_blocking(move || {
            let looked = catch_unwind(AssertUnwindSafe(|| look(&mut work)));
            let _ = give_back.send(work);
            looked
        });
        let looked = time::timeout(STAGING, looking).await.map_err(|_| Refused::Stuck)?;
        self.take_back();
        match looked {
            Ok(Ok(looked)) => Ok(looked),
            // Only a runtime that is going down ends a blocking task early.
            Ok(Err(_)) | Err(_) => Err(Refused::Panicked),
        }
    }

    fn take_back(&mut self) {
        if let Self::Out(back) = self
            && let Ok(work) = back.try_recv()
        {
            *self = Self::Here(work);
        }
    }
}

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

use plugin_contract::op::{ErrorCode, OpError, host};
use server_core::limits::counters::Counters;
use tokio::{
    runtime::{Builder, Runtime},
    task::{JoinHandle, yield_now},
    time,
};

use super::*;
use crate::plugin::testing::{ask, instance, invocation, permit, services, slot};

/// A plugin whose calls say when they have begun, wait until they may end, and
/// then say whether the host still knows them.
struct Gate {
    instance: Arc<dyn Instance>,
    began: Receiver<()>,
    end: Sender<()>,
    known: Receiver<bool>,
    runs: Arc<AtomicUsize>,
}

impl Gate {
    fn new() -> Self {
        let ((begin, began), (end, may_end), (know, known)) =
            (mpsc::channel(), mpsc::channel(), mpsc::channel());
        let inner = Mutex::new((begin, may_end, know));
        let runs = Arc::new(AtomicUsize::new(0));
        let count = runs.clone();
        let instance = instance(&services(), move |host, call, input| {
            count.fetch_add(1, Ordering::SeqCst);
            let (begin, may_end, know) = &*inner.lock().unwrap();
            begin.send(()).unwrap();
            let () = may_end.recv().unwrap();
            know.send(ask(host, host::ABOUT_AGENT, call, b"null").is_ok()).unwrap();
            Ok(input.to_vec())
        });
        Self { instance, began, end, known, runs }
    }

    /// Starts a call, as far as a thread is free for it.
    async fn call(&self, counters: &Counters) -> JoinHandle<Result<Vec<u8>, InvokeError>> {
        let invocation = invocation(permit(self.instance.clone()), slot(counters).unwrap());
        let call = tokio::spawn(self.instance.invoke(invocation));
        yield_now().await;
        call
    }
}

/// One thread for code that blocks, and a clock that moves when told to.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).max_blocking_threads(1).build().unwrap()
}

#[test]
fn a_call_answers_what_the_code_does() {
    let runtime = runtime();
    let gate = Gate::new();
    gate.end.send(()).unwrap();
    let answer = runtime.block_on(async { gate.call(&Counters::default()).await.await.unwrap() });
    assert_eq!(answer, Ok(b"input".to_vec()));
}

#[test]
fn a_call_that_is_given_up_keeps_its_slot_and_its_rights_until_the_code_returns() {
    type GiveUp = fn(&JoinHandle<Result<Vec<u8>, InvokeError>>);
    let aborted: GiveUp = |call| call.abort();
    let timed_out: GiveUp = |_| {};
    for give_up in [aborted, timed_out] {
        let runtime = runtime();
        let gate = Gate::new();
        let counters = Counters::default();
        let outcome = runtime.block_on(async {
            let call = gate.call(&counters).await;
            gate.began.recv().unwrap();
            give_up(&call);
            time::advance(Duration::from_secs(3600)).await;
            call.await
        });
        match outcome {
            Ok(answer) => assert_eq!(answer, Err(InvokeError::TimedOut { seconds: 3600 })),
            Err(error) => assert!(error.is_cancelled()),
        }
        assert!(slot(&counters).is_none());
        gate.end.send(()).unwrap();
        assert!(gate.known.recv().unwrap());
        // Waits for the thread.
        drop(runtime);
        assert!(slot(&counters).is_some());
    }
}

#[test]
fn a_call_that_nobody_waits_for_any_more_does_not_begin() {
    let runtime = runtime();
    let gate = Gate::new();
    let counters = [(); 3].map(|()| Counters::default());
    runtime.block_on(async {
        let first = gate.call(&counters[0]).await;
        gate.began.recv().unwrap();
        let second = gate.call(&counters[1]).await;
        second.abort();
        assert!(second.await.unwrap_err().is_cancelled());
        let third = gate.call(&counters[2]).await;
        gate.end.send(()).unwrap();
        gate.end.send(()).unwrap();
        assert!(first.await.unwrap().is_ok());
        assert!(third.await.unwrap().is_ok());
    });
    assert_eq!(gate.runs.load(Ordering::SeqCst), 2);
    assert!(slot(&counters[1]).is_some());
}

#[test]
fn only_a_call_that_may_block_gets_a_thread_of_its_own() {
    let runtime = runtime();
    let core = instance(&services(), |_, _, _| Ok(format!("{:?}", thread::current().id()).into_bytes()));
    let here = format!("{:?}", thread::current().id()).into_bytes();
    for inline in [true, false] {
        let mut invocation = invocation(permit(core.clone()), slot(&Counters::default()).unwrap());
        invocation.inline = inline;
        let there = runtime.block_on(core.invoke(invocation)).unwrap();
        assert_eq!(there == here, inline);
    }
}

#[test]
fn an_error_is_the_plugins_own_or_one_that_says_it_had_none() {
    for (bytes, error) in [
        (
            &br#"{"code": "not_found", "message": "no such city"}"#[..],
            OpError::new(ErrorCode::NotFound, "no such city"),
        ),
        (&br#"{"code": "brand_new", "message": "?"}"#[..], OpError::new(ErrorCode::Other, "?")),
        (&b"oops"[..], OpError::new(ErrorCode::Failed, "plugin `core` failed and did not say why")),
    ] {
        let core = instance(&services(), |_, _, _| Err(bytes.to_vec()));
        let mut invocation = invocation(permit(core.clone()), slot(&Counters::default()).unwrap());
        invocation.inline = true;
        let answer = runtime().block_on(core.invoke(invocation));
        assert_eq!(answer, Err(InvokeError::Plugin(error)));
    }
}

//! Keeps panics on this side of the ABI, where an unwinding one would end the
//! whole process.

use std::{
    any::Any,
    cell::Cell,
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook},
    sync::Arc,
};

use plugin_contract::op::{LogLevel, LogLine, host as op};

use crate::call::Services;

thread_local! {
    /// The call that this thread answers, for the panic hook.
    static TOKEN: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Runs the author's code; a panic is an error with its message.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(message)
}

fn message(panic: Box<dyn Any + Send>) -> String {
    let panic = match panic.downcast::<String>() {
        Ok(message) => return *message,
        Err(panic) => panic,
    };
    match panic.downcast::<&'static str>() {
        Ok(message) => (*message).to_owned(),
        Err(panic) => {
            // Its `Drop` could panic too, outside the guard.
            std::mem::forget(panic);
            "without a message".to_owned()
        }
    }
}

/// Runs `work` so that a panic in it is reported for this call.
pub(crate) fn during<T>(token: &[u8], work: impl FnOnce() -> T) -> T {
    let outer = TOKEN.replace(token.to_vec());
    let result = work();
    TOKEN.set(outer);
    result
}

/// Sends the line that a panic prints to the server's log in place of stderr. The
/// hook is this library's own, as its copy of the standard library is.
pub(crate) fn report_panics_to(host: Arc<dyn Services>) {
    set_hook(Box::new(move |panic| {
        let line = LogLine { level: LogLevel::Error, message: line(panic) };
        let token = TOKEN.try_with(Cell::take).unwrap_or_default();
        if let Ok(line) = serde_json::to_vec(&line) {
            let _ = host.invoke(op::LOG, &token, &line);
        }
        let _ = TOKEN.try_with(|cell| cell.set(token));
    }));
}

/// Where it happened only: a message may quote what an agent gave.
fn line(panic: &PanicHookInfo<'_>) -> String {
    match panic.location() {
        Some(location) => format!("panicked at {location}"),
        None => "panicked".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("again");
        }
    }

    #[test]
    fn a_panic_becomes_its_message() {
        let cases: [(fn(), &str); 3] = [
            (|| panic!("plain"), "plain"),
            (|| panic!("{}, {}", 1, 2), "1, 2"),
            (|| std::panic::panic_any(Bomb), "without a message"),
        ];
        for (work, expected) in cases {
            assert_eq!(catch(work), Err(expected.to_owned()));
        }
    }

    #[test]
    fn a_call_within_a_call_gives_the_token_back() {
        during(b"outer", || {
            during(b"inner", || ());
            assert_eq!(TOKEN.take(), b"outer");
        });
    }
}

//! Where memory comes from. The server has mimalloc: a large configuration is
//! millions of small pieces, and calls are many; with the C library's allocator, a
//! third of both was spent on finding room for them. It takes a gigabyte of
//! addresses for that, and huge pages. A worker, which needs little, and whose
//! plugin is to find nothing to take beyond its limit, has the C library's.

#![allow(unsafe_code, reason = "an allocator is made of raw pointers")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    ffi::{CStr, c_char},
    sync::atomic::{AtomicU8, Ordering},
};

use mcp_universal_server::plugin::worker::PROGRAM_NAME;
use mimalloc::MiMalloc;

/// One of the two, for as long as the process lives.
pub(crate) struct Allocator;

static CHOICE: AtomicU8 = AtomicU8::new(UNDECIDED);
const UNDECIDED: u8 = 0;
const SERVER: u8 = 1;
const WORKER: u8 = 2;

unsafe extern "C" {
    /// The name that the program was started by, which the C library sets before
    /// anything of the program runs.
    static program_invocation_name: *const c_char;
}

fn in_worker() -> bool {
    match CHOICE.load(Ordering::Relaxed) {
        UNDECIDED => decide(),
        choice => choice == WORKER,
    }
}

/// Memory is needed before `main`, so nobody else can have said by then.
#[cold]
fn decide() -> bool {
    // SAFETY: the C library sets it once, before this process has a second thread.
    let name = unsafe { program_invocation_name };
    // SAFETY: it is null or a string that lives as long as the process.
    let in_worker = !name.is_null() && unsafe { CStr::from_ptr(name) } == PROGRAM_NAME;
    CHOICE.store(if in_worker { WORKER } else { SERVER }, Ordering::Relaxed);
    in_worker
}

// SAFETY: both are allocators, and whoever asks twice gets the same one: the choice
// depends on nothing that changes.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are theirs.
        unsafe { if in_worker() { System.alloc(layout) } else { MiMalloc.alloc(layout) } }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the same, and the block is from the same one.
        unsafe { if in_worker() { System.dealloc(block, layout) } else { MiMalloc.dealloc(block, layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are theirs.
        unsafe { if in_worker() { System.alloc_zeroed(layout) } else { MiMalloc.alloc_zeroed(layout) } }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the same, and the block is from the same one.
        unsafe {
            if in_worker() {
                System.realloc(block, layout, size)
            } else {
                MiMalloc.realloc(block, layout, size)
            }
        }
    }
}

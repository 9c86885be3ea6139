//! What workers need of the kernel that no library offers. All that is unsafe
//! about workers is in this file.

#![allow(unsafe_code, reason = "no library has these calls")]

/// Ends this process at once. Nothing of the plugin's runs any more.
pub(super) fn exit() -> ! {
    // SAFETY: it ends the process, whatever its state.
    unsafe { libc::_exit(0) }
}

/// Closes every descriptor from `first` on. The server opens everything for itself
/// alone; who started the server may not have. Kernels before 5.9 keep them open.
///
/// For a process that has just begun, and has opened nothing itself.
pub(crate) fn close_from(first: libc::c_uint) {
    let (last, flags): (libc::c_uint, libc::c_uint) = (libc::c_uint::MAX, 0);
    // SAFETY: nothing in the process holds one of these descriptors.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
}

//! What workers need of the kernel and the C library that no crate offers. All that
//! is unsafe about workers is in this file.

#![allow(unsafe_code, reason = "no crate has these calls")]

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::{self, MaybeUninit},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use tokio::io::{Interest, unix::AsyncFd};

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

/// Has the C library take all memory from one place: one for each thread would fill
/// the address space that a worker may have.
pub(super) fn one_arena() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it sets a number, before there are threads.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Sends bytes, and a descriptor along with them.
pub(super) fn send(stream: &UnixStream, bytes: &[u8], fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = [fd];
    ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    let sent = sendmsg(stream, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    if sent == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Receives bytes, and a descriptor if one comes along.
pub(super) fn receive(stream: &UnixStream, piece: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(stream, &mut [IoSliceMut::new(piece)], &mut ancillary, flags)?;
    let mut fds = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    let fd = fds.next();
    drop(fds);
    Ok((received.bytes, fd))
}

/// Has the runtime watch a socket for one thing alone, and not also for room to write.
pub(super) fn watch(stream: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    // SAFETY: the stream owns its descriptor and is the only one to close it, which
    // happens when both are dropped together.
    unsafe { AsyncFd::register_with_interest(stream, interest) }.map_err(Into::into)
}

/// Has the kernel ask whoever holds what this answers, each time that this process
/// wants to begin a thread.
#[cfg(target_arch = "x86_64")]
pub(super) fn ask_for_threads() -> io::Result<OwnedFd> {
    /// What the kernel calls this architecture.
    const X86_64: u32 = 0xc000_003e;
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let answer = libc::BPF_RET | libc::BPF_K;
    let (number, architecture) =
        (mem::offset_of!(libc::seccomp_data, nr), mem::offset_of!(libc::seccomp_data, arch));
    let mut steps = [
        step(load, 0, 0, architecture as u32),
        step(equal, 0, 3, X86_64),
        step(load, 0, 0, number as u32),
        step(equal, 0, 1, libc::SYS_clone as u32),
        step(answer, 0, 0, libc::SECCOMP_RET_USER_NOTIF),
        step(answer, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    // SAFETY: the kernel copies the program, which lives until then.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    match RawFd::try_from(fd) {
        // SAFETY: the kernel just opened it, for nobody else.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The next question of [`ask_for_threads`]. `None` if it was taken back.
pub(super) fn next_question(line: &OwnedFd) -> Option<u64> {
    // SAFETY: plain numbers, which the kernel wants to be zero.
    let mut question: libc::seccomp_notif = unsafe { mem::zeroed() };
    // SAFETY: the kernel writes one of these, and `question` is one.
    let asked =
        unsafe { libc::ioctl(line.as_fd().as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut question) };
    (asked == 0).then_some(question.id)
}

/// Lets the thread begin, or not. False if nobody asks any more.
pub(super) fn answer(line: &OwnedFd, question: u64, allowed: bool) -> bool {
    let (error, flags) =
        if allowed { (0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32) } else { (-libc::EAGAIN, 0) };
    let mut answer = libc::seccomp_notif_resp { id: question, val: 0, error, flags };
    // SAFETY: the kernel reads one of these, and `answer` is one.
    let answered =
        unsafe { libc::ioctl(line.as_fd().as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) };
    answered == 0
}

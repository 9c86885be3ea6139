//! Which system calls a worker has: while the library is loaded those that the
//! dynamic linker needs, and then those that code needs which computes, waits and
//! talks to the server.
//!
//! What is not named is refused with EPERM, which code can handle. What only an
//! attack would try ends the process.

use std::{collections::BTreeMap, io, process};

use libc::{
    CLONE_FILES, CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER,
    CLONE_NEWUTS, CLONE_PTRACE, CLONE_SIGHAND, CLONE_THREAD, CLONE_VFORK, CLONE_VM, MAP_GROWSDOWN,
    MAP_HUGETLB, MAP_SHARED, O_ACCMODE, O_CREAT, PROT_EXEC,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Cmp, SeccompCondition as Condition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter, apply_filter_all_threads,
};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;
type Made<T> = Result<T, seccompiler::Error>;

/// What code needs that computes, waits, has threads and uses the descriptors that
/// it has. None of it takes a path or a new way out.
const ALWAYS: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    // Answered with ENOSYS, so that the C library takes `clone`, whose flags a
    // filter can see.
    libc::SYS_clone3,
    libc::SYS_dup,
    libc::SYS_dup2,
    libc::SYS_dup3,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd2,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_futex_waitv,
    libc::SYS_get_robust_list,
    libc::SYS_getcpu,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_pipe2,
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_pselect6,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_select,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_shutdown,
    libc::SYS_sigaltstack,
    libc::SYS_sysinfo,
    libc::SYS_time,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_times,
    libc::SYS_uname,
    libc::SYS_write,
    libc::SYS_writev,
];

/// What only an attack would try.
const NEVER: &[i64] = &[
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_modify_ldt,
    libc::SYS_mount,
    libc::SYS_move_pages,
    libc::SYS_open_by_handle_at,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setns,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
];

/// Flags of `clone` that decide whether it makes a thread of this process and
/// nothing else.
const CLONE: i32 = CLONE_VM
    | CLONE_FILES
    | CLONE_SIGHAND
    | CLONE_THREAD
    | CLONE_NEWCGROUP
    | CLONE_NEWIPC
    | CLONE_NEWNET
    | CLONE_NEWNS
    | CLONE_NEWPID
    | CLONE_NEWUSER
    | CLONE_NEWUTS
    | CLONE_PTRACE
    | CLONE_VFORK;
const THREAD: i32 = CLONE_VM | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;

/// Memory that the limit on private memory does not count.
const UNCOUNTED: i32 = MAP_SHARED | MAP_GROWSDOWN | MAP_HUGETLB;

const PR_SET_VMA: u64 = 0x5356_4d41;
const FIONBIO: u64 = 0x5421;

/// Confines the thread that calls it, before the library is loaded.
pub(super) fn first_stage() -> io::Result<()> {
    let mut rules = common(0).map_err(io::Error::other)?;
    let mut more = || -> Made<()> {
        // The stages themselves.
        rules.insert(libc::SYS_seccomp, Vec::new());
        prctl(&mut rules, &[libc::PR_SET_NO_NEW_PRIVS as u64])?;
        // What the linker does with the library, and others do only by mistake.
        rules.insert(libc::SYS_newfstatat, Vec::new());
        rules.insert(libc::SYS_openat, vec![rule([bits(2, (O_ACCMODE | O_CREAT) as u64, 0)?])?]);
        Ok(())
    };
    more().map_err(io::Error::other)?;
    let all = || -> Made<[BpfProgram; 3]> {
        let never = NEVER.iter().map(|number| (*number, Vec::new())).collect();
        let clone3 = Rules::from([(libc::SYS_clone3, Vec::new())]);
        let enosys = SeccompAction::Errno(libc::ENOSYS as u32);
        Ok([
            program(never, SeccompAction::Allow, SeccompAction::KillProcess)?,
            program(clone3, SeccompAction::Allow, enosys)?,
            allow_only(rules)?,
        ])
    };
    all().and_then(|all| all.iter().try_for_each(|it| apply_filter(it))).map_err(io::Error::other)
}

/// Confines all threads, once the library is loaded: its constructors may have
/// begun some.
pub(super) fn second_stage() -> io::Result<()> {
    // No code comes in any more.
    let filter = common(PROT_EXEC).and_then(allow_only);
    filter.and_then(|it| apply_filter_all_threads(&it)).map_err(io::Error::other)
}

/// What both stages allow. Memory may not have the protection `never`.
fn common(never: i32) -> Made<Rules> {
    let mut rules: Rules = ALWAYS.iter().map(|number| (*number, Vec::new())).collect();
    let own = u64::from(process::id());
    rules.insert(libc::SYS_mmap, vec![rule([bits(2, never as u64, 0)?, bits(3, UNCOUNTED as u64, 0)?])?]);
    rules.insert(libc::SYS_mprotect, vec![rule([bits(2, never as u64, 0)?])?]);
    rules.insert(libc::SYS_clone, vec![rule([bits(0, CLONE as u64, THREAD as u64)?])?]);
    rules.insert(libc::SYS_tgkill, vec![rule([is(0, own)?])?]);
    // To look at its own limits.
    rules.insert(libc::SYS_prlimit64, vec![rule([is(0, 0)?, is_null(2)?])?]);
    rules.insert(libc::SYS_ioctl, vec![rule([is(1, FIONBIO)?])?]);
    let pair = [is(0, libc::AF_UNIX as u64)?, bits(1, 0xf, libc::SOCK_STREAM as u64)?];
    rules.insert(libc::SYS_socketpair, vec![rule(pair)?]);
    let fcntl = [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL, libc::F_DUPFD_CLOEXEC];
    let fcntl = fcntl.iter().map(|command| rule([is(1, *command as u64)?])).collect::<Made<_>>()?;
    rules.insert(libc::SYS_fcntl, fcntl);
    prctl(&mut rules, &[libc::PR_SET_NAME as u64, libc::PR_GET_NAME as u64, PR_SET_VMA])?;
    Ok(rules)
}

fn prctl(rules: &mut Rules, options: &[u64]) -> Made<()> {
    let more = options.iter().map(|option| rule([is(0, *option)?])).collect::<Made<Vec<_>>>()?;
    rules.entry(libc::SYS_prctl).or_default().extend(more);
    Ok(())
}

fn allow_only(rules: Rules) -> Made<BpfProgram> {
    program(rules, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow)
}

fn program(rules: Rules, otherwise: SeccompAction, action: SeccompAction) -> Made<BpfProgram> {
    Ok(SeccompFilter::new(rules, otherwise, action, TargetArch::x86_64)?.try_into()?)
}

fn rule<const N: usize>(conditions: [Condition; N]) -> Made<SeccompRule> {
    Ok(SeccompRule::new(conditions.into())?)
}

fn is(argument: u8, value: u64) -> Made<Condition> {
    Ok(Condition::new(argument, Len::Dword, Cmp::Eq, value)?)
}

fn is_null(argument: u8) -> Made<Condition> {
    Ok(Condition::new(argument, Len::Qword, Cmp::Eq, 0)?)
}

/// Of the bits in `mask`, those of `value` are set.
fn bits(argument: u8, mask: u64, value: u64) -> Made<Condition> {
    Ok(Condition::new(argument, Len::Dword, Cmp::MaskedEq(mask), value)?)
}

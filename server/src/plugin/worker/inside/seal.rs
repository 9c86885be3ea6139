//! Confines the process before a byte of the plugin runs: constructors run while
//! the library is loaded. What could not be done is an error, and then nothing is
//! loaded.

use std::{fs, io, os::fd::AsFd};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, RestrictionStatus, Ruleset,
    RulesetAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::{
    io::Errno,
    process::{
        DumpableBehavior, Gid, Resource, Rlimit, Signal, Uid, geteuid, set_dumpable_behavior,
        set_parent_process_death_signal, setrlimit,
    },
    thread::{
        CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs, set_thread_groups,
        set_thread_res_gid, set_thread_res_uid,
    },
};
use server_core::workers::Confinement;

use super::line::Line;
use crate::plugin::{
    fault::Fault,
    in_process::preload,
    worker::{
        birth::Terms,
        frame::{self, Kind},
        kernel,
    },
};

#[cfg(target_arch = "x86_64")]
mod syscalls;

/// The newest Landlock whose parts are asked for; what the kernel lacks is left out.
const NEWEST: ABI = ABI::V7;

/// The user that nobody else is, where the server could not choose another one.
const NOBODY: u32 = 65534;

/// Why there is no confinement.
const UNAVAILABLE: &str = "isolation_unavailable";
const NO_LANDLOCK: &str = "landlock_unavailable";

/// The codes of what fails before anything of the plugin's runs.
pub(in crate::plugin::worker) const CODES: [&str; 2] = [UNAVAILABLE, NO_LANDLOCK];

/// Files that a worker may have open.
const MAX_OPEN: u64 = 64;

/// Address space beyond the memory limit, for what takes room and no memory.
const ROOM: u64 = 256 << 20;

/// Confines the process so far that a library may be loaded, and tells the server
/// how.
#[cfg(target_arch = "x86_64")]
pub(super) fn first_stage(line: &Line, terms: &Terms) -> Result<(), Fault> {
    let confinement = confine(terms)?;
    let threads = kernel::ask_for_threads().map_err(|error| {
        failed("the kernel does not let the server count its threads (seccomp's user notification)", &error)
    })?;
    syscalls::first_stage().map_err(|error| failed("its system calls cannot be limited", &error))?;
    let body = serde_json::to_vec(&confinement).unwrap_or_default();
    let frame = frame::frame(Kind::Sealed, 0, &body).unwrap_or_default();
    kernel::send(line.stream(), &frame, threads.as_fd())
        .map_err(|error| failed("the server cannot be told", &error))
}

/// Takes away what only the dynamic linker needed.
#[cfg(target_arch = "x86_64")]
pub(super) fn second_stage() -> Result<(), Fault> {
    syscalls::second_stage().map_err(|error| failed("its system calls cannot be limited", &error))
}

/// Which system calls a worker needs is known for one architecture.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn first_stage(_: &Line, terms: &Terms) -> Result<(), Fault> {
    confine(terms)?;
    Err(failed("its system calls cannot be limited", &"not on this architecture"))
}

/// Never comes to that.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn second_stage() -> Result<(), Fault> {
    Err(failed("its system calls cannot be limited", &"not on this architecture"))
}

/// Everything but system calls.
fn confine(terms: &Terms) -> Result<Confinement, Fault> {
    // The linker could not open them later.
    terms.needed.iter().try_for_each(|name| preload(name))?;
    kernel::one_arena();
    limit(terms).map_err(|error| failed("its limits cannot be set", &error))?;
    let uid = change_user(terms.uid).map_err(|error| failed("it cannot become another user", &error))?;
    give_up_rights().map_err(|error| failed("its rights cannot be given up", &error))?;
    let landlock = keep_from_files(terms.require_landlock)?;
    Ok(Confinement { landlock, seccomp: true, uid })
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> Fault {
    Fault::new(
        UNAVAILABLE,
        format!("the plugin's process cannot be confined: {what}: {error}"),
        "see \"What a plugin is kept from\" in the README, or run the plugin in process if you trust it like the server itself",
    )
}

/// Limits what it uses beyond what it uses now.
fn limit(terms: &Terms) -> io::Result<()> {
    let (space, data) = memory()?;
    // It is the first to go where memory is short. Not everybody may say so.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    for (resource, most) in [
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nofile, MAX_OPEN),
        (Resource::As, space.saturating_add(terms.memory_bytes).saturating_add(ROOM)),
        (Resource::Data, data.saturating_add(terms.memory_bytes)),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
        (Resource::Sigpending, 64),
    ] {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

/// The bytes of address space that are in use, and of private memory.
fn memory() -> io::Result<(u64, u64)> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let mut pages = statm.split_ascii_whitespace().map(str::parse::<u64>);
    let page = rustix::param::page_size() as u64;
    match (pages.next(), pages.nth(4)) {
        (Some(Ok(space)), Some(Ok(data))) => Ok((space * page, data * page)),
        _ => Err(io::Error::other("/proc/self/statm is not understood")),
    }
}

/// Becomes a user with no rights, where the server is root and may do so.
fn change_user(uid: Option<u32>) -> io::Result<u32> {
    let own = geteuid();
    if !own.is_root() {
        return Ok(own.as_raw());
    }
    match become_user(uid.unwrap_or(NOBODY)) {
        // Root without the capability: a container that took it away.
        Err(Errno::PERM) => Ok(own.as_raw()),
        Err(error) => Err(error.into()),
        Ok(uid) => Ok(uid),
    }
}

fn become_user(number: u32) -> Result<u32, Errno> {
    let (uid, gid) = (Uid::from_raw(number), Gid::from_raw(number));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    Ok(number)
}

/// After the change of the user, which takes some of it back.
fn give_up_rights() -> io::Result<()> {
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    set_no_new_privs(true)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Answers the version of Landlock that does it.
fn keep_from_files(required: bool) -> Result<Option<i32>, Fault> {
    let least = if required { CompatLevel::HardRequirement } else { CompatLevel::BestEffort };
    let restricted = || -> Result<RestrictionStatus, RulesetError> {
        Ruleset::default()
            .set_compatibility(least)
            .handle_access(AccessFs::from_all(ABI::V1))?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?
            .restrict_self()
    };
    let status = restricted().map_err(|error| no_landlock(&error))?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) if required => Err(no_landlock(&"nothing is enforced")),
        (RulesetStatus::NotEnforced, _) => Ok(None),
        (_, LandlockStatus::Available { effective_abi, kernel_abi }) => {
            Ok(Some(kernel_abi.unwrap_or(effective_abi as i32)))
        }
        (..) => Ok(None),
    }
}

fn no_landlock(error: &dyn std::fmt::Display) -> Fault {
    Fault::new(
        NO_LANDLOCK,
        format!("the kernel does not keep the plugin's process from files: {error}"),
        "enable Landlock (Linux 5.13 or newer, `landlock` in /sys/kernel/security/lsm, allowed by the container's seccomp profile), or set `plugins.require_landlock: false` where the server's user can read nothing that a plugin must not see",
    )
}

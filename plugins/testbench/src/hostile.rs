//! What a plugin may try that means harm. In the server's own process most of it
//! would succeed; the tests are about a process of the plugin's own.

#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "who means harm does not ask the compiler"
)]

use std::{
    env, fs,
    hint::black_box,
    io,
    net::{TcpStream, UdpSocket},
    os::unix::net::UnixStream,
    process::{self, Command},
    ptr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use plugin_api::prelude::*;

/// `evil` in place of the end has the library attack while it is loaded.
const CONSTRUCTOR: &str = "testbench constructor is good";

/// What the constructor found out.
static CONSTRUCTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[unsafe(link_section = ".init_array")]
#[used]
static INIT: extern "C" fn() = constructor;

extern "C" fn constructor() {
    if black_box(CONSTRUCTOR).ends_with("evil") {
        let tries = ["read", "list", "write", "connect", "udp", "unix", "exec", "fork", "kill", "environ"];
        let found = tries.map(|way| format!("{way}: {}", escape(way)));
        CONSTRUCTED.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(found);
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Attack {
    /// Which one.
    way: String,
}

pub(crate) fn tools(plugin: Plugin) -> Plugin {
    plugin
        .tool(Tool::new(
            "bench.attack",
            "Tries to get out, and says what came of it.",
            |_: &Call, it: Attack| escape(&it.way),
        ))
        .tool(Tool::new("bench.harm", "Harms its own process.", |_: &Call, it: Attack| harm(&it.way)))
        .tool(Tool::new(
            "bench.together",
            "Says where it is, and how many are there with it.",
            |_: &Call, ()| together(),
        ))
        .tool(Tool::new("bench.constructed", "Says what its constructor found out.", |_: &Call, ()| {
            CONSTRUCTED.lock().unwrap_or_else(std::sync::PoisonError::into_inner).join("\n")
        }))
}

/// Stays for a while, and answers its process and how many at most were in it.
fn together() -> String {
    static THERE: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    MOST.fetch_max(THERE.fetch_add(1, Ordering::AcqRel) + 1, Ordering::AcqRel);
    thread::sleep(Duration::from_millis(400));
    THERE.fetch_sub(1, Ordering::AcqRel);
    format!("{} {}", process::id(), MOST.load(Ordering::Acquire))
}

/// Tries something that no plugin may.
fn escape(way: &str) -> String {
    let done = match way {
        "read" => fs::read("/etc/passwd").map(|_| ()),
        "list" => fs::read_dir("/").map(|_| ()),
        "stat" => fs::metadata("/etc/passwd").map(|_| ()),
        "write" => fs::write("/tmp/testbench-was-here", ""),
        "connect" => TcpStream::connect("127.0.0.1:1").map(|_| ()),
        "udp" => UdpSocket::bind("127.0.0.1:0").map(|_| ()),
        "unix" => UnixStream::connect("/run/nothing").map(|_| ()),
        "exec" => Command::new("/bin/true").status().map(|_| ()),
        "fork" => outcome(unsafe { libc::syscall(libc::SYS_fork) }),
        "kill" => outcome(unsafe { libc::kill(libc::getppid(), 0) }.into()),
        "tgkill" => outcome(unsafe { libc::syscall(libc::SYS_tgkill, libc::getppid(), libc::getppid(), 0) }),
        "environ" => fs::read(format!("/proc/{}/environ", unsafe { libc::getppid() })).map(|_| ()),
        "maps" => fs::read("/proc/self/maps").map(|_| ()),
        "memfd" => outcome(unsafe { libc::syscall(libc::SYS_memfd_create, c"x".as_ptr(), 0) }),
        "executable" => executable(),
        "shared" => shared(),
        "limits" => raise_limits(),
        "dumpable" => outcome(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1) }.into()),
        "root" => outcome(unsafe { libc::setuid(0) }.into()),
        "datagram" => outcome(unsafe {
            libc::socketpair(libc::AF_UNIX, libc::SOCK_DGRAM, 0, [0i32; 2].as_mut_ptr()).into()
        }),
        "filter" => outcome(unsafe { libc::syscall(libc::SYS_seccomp, 1, 0, ptr::null::<u8>()) }),
        "variables" => return env::vars_os().count().to_string(),
        "descriptors" => return descriptors(),
        other => return format!("`{other}` is no way out"),
    };
    match done {
        Ok(()) => "done".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn outcome(answer: i64) -> io::Result<()> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn map(protection: i32, flags: i32) -> io::Result<()> {
    let address =
        unsafe { libc::mmap(ptr::null_mut(), 4096, protection, flags | libc::MAP_ANONYMOUS, -1, 0) };
    if address == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn executable() -> io::Result<()> {
    map(libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE)
}

fn shared() -> io::Result<()> {
    map(libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED)
}

fn raise_limits() -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    outcome(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) }.into())
}

/// What is open, by kind.
fn descriptors() -> String {
    let kind = |fd: i32| {
        let mut stat = unsafe { std::mem::zeroed::<libc::stat>() };
        // The number of `fstat` that takes no path.
        let looked = unsafe { libc::syscall(libc::SYS_fstat, fd, &raw mut stat) };
        (looked == 0).then_some(match stat.st_mode & libc::S_IFMT {
            libc::S_IFSOCK => "socket",
            libc::S_IFREG => "file",
            libc::S_IFCHR => "device",
            libc::S_IFIFO => "pipe",
            libc::S_IFDIR => "folder",
            _ => "other",
        })
    };
    (0..1024).filter_map(kind).collect::<Vec<_>>().join(" ")
}

/// Does harm to its own process.
fn harm(way: &str) -> String {
    match way {
        "abort" => process::abort(),
        "abort_later" => {
            thread::sleep(Duration::from_millis(500));
            process::abort()
        }
        "exit" => process::exit(7),
        "exit_unasked" => {
            // Once its answer is out.
            thread::spawn(|| {
                thread::sleep(Duration::from_millis(50));
                process::exit(7)
            });
            return "later".to_owned();
        }
        "segv" => unsafe { ptr::null_mut::<u8>().write_volatile(1) },
        "stack" => {
            black_box(deeper(0));
        }
        "loop" => spin(),
        "memory" => return eat(),
        "take" => return take(128 << 20),
        "work" => return work(Duration::from_secs(4)),
        "threads" => return threads(),
        "long" => return "x".repeat(8 << 20),
        "print" => return print(1),
        "chatter" => return print(100_000),
        "burn" => drop(thread::spawn(spin)),
        "ptrace" => {
            black_box(unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) });
        }
        "nonsense" => send(&[0xff; 64]),
        "too_long" => send(&[0xff, 0xff, 0xff, 0xff, 6, 0, 0, 0, 0, 0, 0, 0, 0]),
        // The answer to a call that it does not have.
        "answer" => send(&frame(6, 999, b"\"it was me\"")),
        "hang_up" => hang_up(),
        "flood" => loop {
            send(&frame(8, 1, b"\x0a\x00\x00call/state"));
        },
        "pour" => loop {
            send(&[0, 0, 0, 1, 6, 0, 0, 0, 0, 0, 0, 0, 0]);
            send(&vec![0; 1 << 16]);
        },
        // Calls that are not its own, in the hope that somebody has one.
        "forge" => return forge(),
        _ => {}
    }
    thread::sleep(Duration::from_secs(60));
    "it did not harm".to_owned()
}

fn spin() {
    loop {
        black_box(());
    }
}

#[expect(unconditional_recursion, reason = "until the stack is used up")]
fn deeper(depth: u64) -> u64 {
    let page = black_box([depth; 512]);
    deeper(page[0] + 1) + page[511]
}

/// Takes so much memory, if there is so much.
fn take(bytes: usize) -> String {
    let mut taken = Vec::<u8>::new();
    match taken.try_reserve_exact(bytes) {
        Ok(()) => {
            taken.resize(bytes, 1);
            black_box(taken);
            "taken".to_owned()
        }
        Err(_) => "refused".to_owned(),
    }
}

/// Uses so much processor time.
fn work(long: Duration) -> String {
    let mut used = unsafe { std::mem::zeroed::<libc::timespec>() };
    while Duration::new(used.tv_sec.unsigned_abs(), 0) < long {
        black_box((0..10_000u64).sum::<u64>());
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut used) };
    }
    "worked".to_owned()
}

/// Takes memory until there is none.
fn eat() -> String {
    let mut eaten = Vec::new();
    loop {
        let mut piece = vec![0u8; 1 << 20];
        piece.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
        eaten.push(black_box(piece));
    }
}

/// Begins threads until there are no more, and answers how many there were.
fn threads() -> String {
    let mut begun = 0;
    while begun < 10_000 && thread::Builder::new().stack_size(64 << 10).spawn(thread::park).is_ok() {
        begun += 1;
    }
    begun.to_string()
}

/// Prints what a library of C's might.
fn print(lines: usize) -> String {
    let line = b"libbench: something is odd\n";
    for _ in 0..lines {
        unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
    }
    let line = b"libbench: and that goes to stdout\n";
    unsafe { libc::write(libc::STDOUT_FILENO, line.as_ptr().cast(), line.len()) };
    "printed".to_owned()
}

/// The line to the server, by its kind.
fn line() -> Option<i32> {
    (3..64).find(|fd| {
        let mut stat = unsafe { std::mem::zeroed::<libc::stat>() };
        let looked = unsafe { libc::syscall(libc::SYS_fstat, *fd, &raw mut stat) };
        looked == 0 && stat.st_mode & libc::S_IFMT == libc::S_IFSOCK
    })
}

fn send(bytes: &[u8]) {
    let Some(line) = line() else { return };
    let mut rest = bytes;
    while !rest.is_empty() {
        let sent = unsafe { libc::write(line, rest.as_ptr().cast(), rest.len()) };
        let Ok(sent) = usize::try_from(sent) else { return };
        rest = rest.get(sent..).unwrap_or_default();
    }
}

fn hang_up() {
    if let Some(line) = line() {
        unsafe { libc::shutdown(line, libc::SHUT_RDWR) };
    }
}

fn frame(kind: u8, id: u64, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or_default();
    [&length.to_le_bytes()[..], &[kind], &id.to_le_bytes(), body].concat()
}

/// Asks who the agent of a call is that it makes up, and answers what it hears.
fn forge() -> String {
    let mut body = b"\x0b\x00\x10about/agent".to_vec();
    body.extend([7; 16]);
    send(&frame(8, 1 << 40, &body));
    // Whoever reads the line reads the answer too: nobody waits for it but this.
    let Some(line) = line() else { return String::new() };
    let mut heard = vec![0u8; 4096];
    let read = unsafe { libc::read(line, heard.as_mut_ptr().cast(), heard.len()) };
    heard.truncate(usize::try_from(read).unwrap_or_default());
    String::from_utf8_lossy(heard.get(13..).unwrap_or_default()).into_owned()
}

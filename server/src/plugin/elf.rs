//! A look at a library before the dynamic linker gets it, which trusts what it
//! reads: a truncated file kills the whole process with SIGBUS.

use object::{
    LittleEndian as LE,
    elf::{self, Dyn64, FileHeader64, ProgramHeader64},
    read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _},
};

use super::fault::{Fault, quote};

mod needs;

pub(crate) use needs::Needs;

type Header = FileHeader64<LE>;
type Segment = ProgramHeader64<LE>;

/// What plugins may link to: libc's own libraries, which the server uses too.
/// Everything else, the host cannot vouch for.
const SHARED: [&str; 8] = [
    "libc.so",
    "libm.so",
    "libgcc_s.so",
    "libpthread.so",
    "libdl.so",
    "librt.so",
    "ld-linux-x86-64.so",
    "ld-linux-aarch64.so",
];

#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = elf::EM_X86_64;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = elf::EM_AARCH64;
#[cfg(target_arch = "riscv64")]
const MACHINE: u16 = elf::EM_RISCV;

/// What a library is, as far as loading it goes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Facts {
    /// The machine it runs on.
    pub(crate) machine: String,
    /// Libraries it links to.
    pub(crate) needed: Vec<String>,
    /// Everything that speaks against loading it.
    pub(crate) problems: Vec<String>,
}

impl Facts {
    /// Looks at a library's bytes.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, Fault> {
        let library = Library::parse(bytes).ok_or_else(|| {
            Fault::new(
                "not_a_library",
                "it is no shared library for 64-bit Linux",
                "build it with `crate-type = [\"cdylib\"]` and sign the `.so` that comes out",
            )
        })?;
        Ok(Self {
            machine: machine(library.header.e_machine.get(LE)),
            needed: library.names(elf::DT_NEEDED),
            problems: library.problems(),
        })
    }

    /// Refuses a library that must not reach the dynamic linker.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if self.problems.is_empty() {
            return Ok(());
        }
        let ours = self.machine == machine(MACHINE);
        let target = if ours { String::new() } else { format!("for {} ", env!("SERVER_TARGET")) };
        Err(Fault::new(
            "library_unsafe",
            format!("it will not be loaded: {}", self.problems.join("; ")),
            format!("build it {target}with the Rust toolchain's defaults for a `cdylib`, and sign it again"),
        ))
    }
}

struct Library<'a> {
    bytes: &'a [u8],
    header: &'a Header,
    segments: &'a [Segment],
    /// What the linker is told to do, if that can be found.
    dynamic: Option<&'a [Dyn64<LE>]>,
}

impl<'a> Library<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header = Header::parse(bytes).ok().filter(|it| it.is_little_endian())?;
        let segments = header.program_headers(LE, bytes).ok()?;
        let mut library = Self { bytes, header, segments, dynamic: None };
        library.dynamic = library.segments(elf::PT_DYNAMIC).next().and_then(|dynamic| {
            // The linker goes by the address, not by the offset in the file.
            let bytes = library.at(dynamic.p_vaddr.get(LE), dynamic.p_filesz.get(LE))?;
            object::pod::slice_from_all_bytes(bytes).ok()
        });
        Some(library)
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut note = |is_one: bool, problem: &str| {
            if is_one {
                problems.push(problem.to_owned());
            }
        };
        let truncated = self.segments(elf::PT_LOAD).any(|it| it.data(LE, self.bytes).is_err());
        let flags = |it: &Segment, mask| it.p_flags.get(LE) & mask == mask;
        let stacks = || self.segments(elf::PT_GNU_STACK);
        note(self.header.e_type.get(LE) != elf::ET_DYN, "it is no shared object");
        note(self.segments(elf::PT_LOAD).next().is_none(), "it has no code");
        note(truncated, "it is truncated");
        note(self.dynamic.is_none(), "it does not tell the linker what to do");
        note(self.segments(elf::PT_INTERP).next().is_some(), "it is a program");
        note(
            self.segments(elf::PT_LOAD).any(|it| flags(it, elf::PF_W | elf::PF_X)),
            "it has memory both writable and executable",
        );
        note(
            stacks().next().is_none() || stacks().any(|it| flags(it, elf::PF_X)),
            "it wants an executable stack",
        );
        note(
            self.value(elf::DT_TEXTREL).is_some()
                || self.value(elf::DT_FLAGS).is_some_and(|it| it & u64::from(elf::DF_TEXTREL) != 0),
            "it relocates its code",
        );
        note(
            self.value(elf::DT_RPATH).or(self.value(elf::DT_RUNPATH)).is_some(),
            "it brings its own library search path",
        );
        let interposers = [elf::DT_AUDIT, elf::DT_DEPAUDIT, elf::DT_AUXILIARY, elf::DT_FILTER];
        note(
            interposers.into_iter().any(|tag| self.value(tag).is_some()),
            "it puts other libraries in place of itself",
        );
        let built_for = self.header.e_machine.get(LE);
        if built_for != MACHINE {
            problems.push(format!(
                "it is built for {}, this server for {}",
                machine(built_for),
                machine(MACHINE)
            ));
        }
        let needed = self.names(elf::DT_NEEDED);
        let foreign = needed.iter().filter(|name| !shared(name));
        problems.extend(foreign.map(|name| {
            format!("it links to `{}`, and a plugin brings along all but the C library", quote(name))
        }));
        problems
    }

    fn segments(&self, kind: u32) -> impl Iterator<Item = &'a Segment> + use<'a> {
        self.segments.iter().filter(move |it| it.p_type.get(LE) == kind)
    }

    /// What the linker will find in memory from `address` on.
    fn at(&self, address: u64, size: u64) -> Option<&'a [u8]> {
        let data = |it: &Segment| it.data_range(LE, self.bytes, address, size).ok().flatten();
        self.segments(elf::PT_LOAD).find_map(data)
    }

    fn entries(&self) -> impl Iterator<Item = (u32, u64)> {
        let end = |it: &&Dyn64<LE>| it.d_tag.get(LE) != u64::from(elf::DT_NULL);
        let entries = self.dynamic.into_iter().flatten().take_while(end);
        entries.filter_map(|it| Some((it.tag32(LE)?, it.d_val.get(LE))))
    }

    fn value(&self, tag: u32) -> Option<u64> {
        self.entries().find(|(other, _)| *other == tag).map(|(_, value)| value)
    }

    /// The strings of all entries with that tag. One that cannot be read counts
    /// as the empty name, which nothing allows.
    fn names(&self, tag: u32) -> Vec<String> {
        let table = self
            .value(elf::DT_STRTAB)
            .zip(self.value(elf::DT_STRSZ))
            .and_then(|(address, size)| self.at(address, size))
            .unwrap_or_default();
        let name = |offset: u64| {
            let text = table.get(usize::try_from(offset).ok()?..)?;
            let text = text.split(|byte| *byte == 0).next()?;
            Some(String::from_utf8_lossy(text).into_owned())
        };
        self.entries()
            .filter(|(other, _)| *other == tag)
            .map(|(_, offset)| name(offset).unwrap_or_default())
            .collect()
    }
}

/// Whether a name is that of a shared library with its version, e.g. `libc.so.6`.
fn shared(name: &str) -> bool {
    SHARED.iter().any(|known| {
        name.strip_prefix(known).is_some_and(|version| {
            version.strip_prefix('.').is_some_and(|it| it.bytes().all(|b| b.is_ascii_digit()))
        })
    })
}

fn machine(number: u16) -> String {
    match number {
        elf::EM_X86_64 => "x86_64".to_owned(),
        elf::EM_AARCH64 => "aarch64".to_owned(),
        elf::EM_RISCV => "riscv".to_owned(),
        other => format!("ELF machine {other}"),
    }
}

#[cfg(test)]
pub(crate) mod tests;

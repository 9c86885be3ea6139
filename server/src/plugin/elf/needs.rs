//! What a library is made of, for people to look at. None of it is needed to load one,
//! so none of it is missed where it was stripped.

use std::collections::BTreeSet;

use object::{
    LittleEndian as LE,
    elf::{self, FileHeader64},
    read::elf::{FileHeader as _, SectionHeader as _, SectionTable, Sym as _},
};

type Header = FileHeader64<LE>;

/// What it asks of the libraries that it links to, and who built it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Needs {
    /// The names that it leaves to others to define, with the version that it wants
    /// of them, as in `memcpy@GLIBC_2.14`.
    pub(crate) symbols: Vec<String>,
    /// Those of which it does not say whose they are, and that it cannot do without:
    /// nobody may have them.
    pub(crate) unowned: Vec<String>,
    /// The compilers that its parts were built with, as in `rustc 1.95.0 (…)`.
    pub(crate) built_by: Vec<String>,
}

impl Needs {
    /// What can be seen of that in a library's bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let sections = Header::parse(bytes).and_then(|header| header.sections(LE, bytes));
        let Ok(sections) = sections else { return Self::default() };
        let mut needs = Self { built_by: compilers(&sections, bytes), ..Self::default() };
        let _: Option<()> = needs.add_symbols(&sections, bytes);
        needs.symbols.sort_unstable();
        needs.unowned.sort_unstable();
        needs
    }

    fn add_symbols<'a>(&mut self, sections: &SectionTable<'a, Header>, bytes: &'a [u8]) -> Option<()> {
        let symbols = sections.symbols(LE, bytes, elf::SHT_DYNSYM).ok()?;
        let versions = sections.versions(LE, bytes).ok().flatten();
        for (index, symbol) in symbols.enumerate() {
            let name = symbols.symbol_name(LE, symbol).ok().map(String::from_utf8_lossy);
            let Some(name) = name.filter(|it| !it.is_empty() && symbol.is_undefined(LE)) else { continue };
            let version = versions.as_ref().and_then(|table| {
                let at = table.version_index(LE, index);
                table.version(at).ok().flatten().map(|it| String::from_utf8_lossy(it.name()))
            });
            match version {
                Some(version) => self.symbols.push(format!("{name}@{version}")),
                None => {
                    self.symbols.push(name.to_string());
                    if symbol.st_bind() != elf::STB_WEAK {
                        self.unowned.push(name.into_owned());
                    }
                }
            }
        }
        Some(())
    }

    /// The newest version that it wants of the C library, as in `2.34`.
    pub(crate) fn glibc(&self) -> Option<&str> {
        let versions = self.symbols.iter().filter_map(|symbol| symbol.split_once("@GLIBC_")).map(|it| it.1);
        versions
            .max_by_key(|version| version.split('.').map(|it| it.parse().unwrap_or(0)).collect::<Vec<u32>>())
    }
}

/// Who left a note of having built it.
fn compilers(sections: &SectionTable<'_, Header>, bytes: &[u8]) -> Vec<String> {
    let notes = sections.section_by_name(LE, b".comment").and_then(|(_, it)| it.data(LE, bytes).ok());
    let notes = String::from_utf8_lossy(notes.unwrap_or_default());
    let rustc = notes.split('\0').filter_map(|note| note.strip_prefix("rustc version "));
    rustc.map(|version| format!("rustc {version}")).collect::<BTreeSet<_>>().into_iter().collect()
}

//! What a folder claims to hold, whoever signed it: believes nothing of it and
//! runs nothing of it.

use std::path::Path;

use plugin_contract::Package;
use serde::Serialize;

use super::{
    elf::{Facts, Needs},
    fault::{Fault, quote},
    folder::{self, Links},
    image::RawLibrary,
    package::{self, MANIFEST, MAX_LIBRARY, MAX_MANIFEST, MAX_SIGNATURE, SIGNATURE},
    signature::Signature,
};

/// A folder's contents, taken at their word.
#[derive(Clone, Debug, Serialize)]
pub struct Contents {
    /// `plugin.json`.
    pub package: Package,
    /// What the signature says of itself, unchecked.
    pub signature: Option<SignatureFacts>,
    /// The library as it lies there.
    pub library: Option<LibraryFacts>,
    /// What a server would not like, a sentence each.
    pub problems: Vec<String>,
}

/// A signature's own words.
#[derive(Clone, Debug, Serialize)]
pub struct SignatureFacts {
    /// The key it names.
    pub key_id: String,
    /// What the signer wrote beside it.
    pub comment: String,
}

/// A library, unloaded.
#[derive(Clone, Debug, Serialize)]
pub struct LibraryFacts {
    /// Bytes.
    pub size: u64,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
    /// The machine it is for.
    pub machine: String,
    /// The libraries it links to.
    pub needed: Vec<String>,
    /// The names that it leaves to them to define, as in `memcpy@GLIBC_2.14`.
    pub undefined_symbols: Vec<String>,
    /// The C library that it needs at least, as in `2.34`.
    pub glibc: Option<String>,
    /// The compilers that its parts were built with, by their own notes.
    pub built_by: Vec<String>,
}

/// Looks into a plugin's folder. The error is a sentence on why there is nothing
/// to tell.
pub fn inspect(folder: &Path) -> Result<Contents, String> {
    let manifest = read(folder, MANIFEST, MAX_MANIFEST)?;
    let package = package::parse(&manifest).map_err(|fault| at(folder, MANIFEST, fault))?;
    let mut problems = Vec::new();
    let mut tell = |problem: String| problems.push(problem);
    package::coherent(&package).unwrap_or_else(|fault| tell(at(folder, MANIFEST, fault)));
    let signature = signature(folder).map_err(&mut tell).ok();
    let library = library(folder, &package, &mut tell).map_err(&mut tell).ok();
    Ok(Contents { package, signature, library, problems })
}

fn signature(folder: &Path) -> Result<SignatureFacts, String> {
    let bytes = read(folder, SIGNATURE, MAX_SIGNATURE)?;
    let signature = Signature::parse(&bytes).map_err(|fault| at(folder, SIGNATURE, fault))?;
    Ok(SignatureFacts { key_id: signature.id().to_string(), comment: signature.comment().to_owned() })
}

fn library(folder: &Path, package: &Package, tell: &mut impl FnMut(String)) -> Result<LibraryFacts, String> {
    let artifact = &package.artifact;
    package::plain(&artifact.file).map_err(|fault| at(folder, MANIFEST, fault))?;
    let library = RawLibrary::new(read(folder, &artifact.file, MAX_LIBRARY)?);
    library.is(artifact).unwrap_or_else(|fault| tell(at(folder, &artifact.file, fault)));
    let facts = Facts::of(library.bytes()).map_err(|fault| at(folder, &artifact.file, fault))?;
    facts.check().unwrap_or_else(|fault| tell(at(folder, &artifact.file, fault)));
    let needs = Needs::of(library.bytes());
    if !needs.unowned.is_empty() {
        tell(at(folder, &artifact.file, unowned(&needs.unowned)));
    }
    Ok(LibraryFacts {
        glibc: needs.glibc().map(str::to_owned),
        undefined_symbols: needs.symbols,
        built_by: needs.built_by,
        size: library.size(),
        sha256: library.sha256_hex(),
        machine: facts.machine,
        needed: facts.needed,
    })
}

/// The linker may find them all the same, which only loading it would show.
fn unowned(symbols: &[String]) -> Fault {
    let symbols: Vec<_> = symbols.iter().map(|it| format!("`{}`", quote(it))).collect();
    Fault::new(
        "symbols_unowned",
        format!("it needs {}, and does not say which library has that", symbols.join(", ")),
        "link what defines it into the library, as the `-sys` crate's `static` or `vendored` feature does",
    )
}

fn read(folder: &Path, name: &str, max: u64) -> Result<Vec<u8>, String> {
    let path = folder.join(name);
    folder::look(&path, max, Links::Refuse).map_err(|error| format!("{}: {error}", path.display()))
}

fn at(folder: &Path, name: &str, fault: Fault) -> String {
    let refusal = fault.at(&folder.join(name));
    format!("{}: {}; {}", refusal.place.display(), refusal.message, refusal.help)
}

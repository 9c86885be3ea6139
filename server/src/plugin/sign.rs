//! From a library to a folder that a server accepts: what `plugin sign` does.

use std::{
    fs::{self, DirBuilder, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use plugin_contract::{
    Artifact, Manifest, Package,
    manifest::{PACKAGE_SCHEMA, ToolSpec},
};
use server_core::{arguments::ArgumentSchema, registry::Refusal};

use super::{
    fault::Fault,
    folder::{self, Links},
    image::{LibraryImage, RawLibrary},
    in_process::{Library, Module, Sealed},
    package::{self, MANIFEST, MAX_LIBRARY, SIGNATURE},
    signing_key::{KeyError, SigningKey},
};

/// A plugin's folder, signed.
#[derive(Debug)]
pub struct SignedFolder {
    /// Where it is: named as the plugin.
    pub folder: PathBuf,
    /// What the library says of itself.
    pub manifest: Manifest,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A server would refuse it.
    #[error("{}: {}; {}", .0.place.display(), .0.message, .0.help)]
    Unusable(Refusal),
    /// The key did not sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file could not be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// What a plugin's folder will hold.
struct Parts {
    image: LibraryImage,
    package: Package,
    /// `plugin.json`, to the letter.
    json: Vec<u8>,
}

/// Signs the plugin in `library`, and puts it into its folder: `out` if that bears
/// the plugin's name, or else a folder of that name in `out`.
///
/// **This runs the library's code**, in this process, to have it say what it is.
/// It is for the plugin's author, who trusts it.
pub fn sign(library: &Path, key: &SigningKey, out: &Path) -> Result<SignedFolder, SignError> {
    let parts = Parts::of(library)?;
    let signature = key.sign(&parts.json, &comment(&parts.package.manifest))?;
    let folder = parts.put(out)?;
    let path = folder.join(SIGNATURE);
    write(&folder, &path, signature.as_bytes()).map_err(|error| failed(&path, error))?;
    Ok(SignedFolder { folder, manifest: parts.package.manifest })
}

/// The same, but for the signature, which another program is to make of
/// `plugin.json`.
pub fn lay_out(library: &Path, out: &Path) -> Result<SignedFolder, SignError> {
    let parts = Parts::of(library)?;
    let folder = parts.put(out)?;
    // One that is there is of another manifest.
    let path = folder.join(SIGNATURE);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&path, error)),
        _ => Ok(SignedFolder { folder, manifest: parts.package.manifest }),
    }
}

/// What a signature says of the plugin that it is for.
#[must_use]
pub fn comment(manifest: &Manifest) -> String {
    format!("{} {} release={}", manifest.name, manifest.version, manifest.release)
}

impl Parts {
    fn of(library: &Path) -> Result<Self, SignError> {
        let bytes =
            folder::look(library, MAX_LIBRARY, Links::Follow).map_err(|error| failed(library, error))?;
        let unusable = |fault: Fault| SignError::Unusable(fault.at(library));
        let image = LibraryImage::of_its_author(RawLibrary::new(bytes)).map_err(unusable)?;
        let file = library.file_name().unwrap_or_default().to_string_lossy().into_owned();
        package::plain(&file).map_err(unusable)?;
        let manifest = describe(&image).map_err(unusable)?;
        let (size, sha256) = (image.library().size(), image.library().sha256_hex());
        let artifact = Artifact { file, size, sha256 };
        let package = Package { schema: PACKAGE_SCHEMA.to_owned(), manifest, artifact };
        package::coherent(&package).map_err(unusable)?;
        let mut json = serde_json::to_vec_pretty(&package).map_err(|error| failed(library, error.into()))?;
        json.push(b'\n');
        Ok(Self { image, package, json })
    }

    /// Puts library and manifest into the plugin's folder.
    ///
    /// A server that looks in between finds the old signature on the old manifest, or
    /// a library that does not match: it never finds a half that it would load.
    fn put(&self, out: &Path) -> Result<PathBuf, SignError> {
        let name = self.package.manifest.name.as_str();
        let named = out.file_name().is_some_and(|folder| folder == name);
        let folder = if named { out.to_owned() } else { out.join(name) };
        make_folder(&folder).map_err(|error| failed(&folder, error))?;
        let library = self.image.library().bytes();
        for (name, bytes) in [(self.package.artifact.file.as_str(), library), (MANIFEST, &self.json)] {
            let path = folder.join(name);
            write(&folder, &path, bytes).map_err(|error| failed(&path, error))?;
        }
        Ok(folder)
    }
}

/// Asks the library what it is, and looks whether a server could use that.
fn describe(image: &LibraryImage) -> Result<Manifest, Fault> {
    let manifest = Module::of(&Library::load(Sealed::of(image)?)?)?.describe()?;
    let schemas = manifest
        .tools
        .iter()
        .map(|ToolSpec { name, input_schema, .. }| {
            (format!("the input schema of tool `{name}`"), input_schema)
        })
        .chain(manifest.config_schema.iter().map(|schema| ("the configuration's schema".to_owned(), schema)));
    for (what, schema) in schemas {
        ArgumentSchema::new(schema).map_err(|error| {
            Fault::new(
                "invalid_schema",
                format!("{what} cannot be used: {error}"),
                "correct it in the plugin's source and build again",
            )
        })?;
    }
    Ok(manifest)
}

/// A folder that a server will read from, whatever the umask.
fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(0o755))
}

fn write(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(".signing-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn failed(path: &Path, error: io::Error) -> SignError {
    SignError::Io { path: path.to_owned(), error }
}

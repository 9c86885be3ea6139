//! A plugin's root module: what a loaded library says it is, and how it is made
//! to run.

use plugin_abi::{
    HostObject, PluginModRef, PluginObject,
    abi_stable::{
        library::{AbiHeader, LibraryError},
        std_types::RResult,
    },
};
use plugin_contract::Manifest;
use tracing::debug;

use crate::plugin::{
    fault::{Fault, quote},
    in_process::{Library, library::Look},
};

/// The longest part of a layout error that is logged; whole, it can be 200 KB.
const MAX_DEBUG: usize = 4096;

/// The root module of a library that was built for this server's ABI. The library
/// is never unloaded, so it is good for ever.
#[derive(Clone)]
pub(crate) struct Module(PluginModRef);

impl Module {
    /// Checks that a library speaks this server's ABI.
    pub(crate) fn of(library: &Library) -> Result<Self, Fault> {
        Self::from(library, Look::Needed)
    }

    /// The same of the only library that this process ever loads.
    pub(crate) fn of_the_only(library: &Library) -> Result<Self, Fault> {
        Self::from(library, Look::Needless)
    }

    fn from(library: &Library, look: Look) -> Result<Self, Fault> {
        let header = library.header(look)?.upgrade().map_err(|error| incompatible(&error))?;
        header.init_root_module().map(Self).map_err(|error| incompatible(&error))
    }

    /// What the code says of itself.
    pub(crate) fn describe(&self) -> Result<Manifest, Fault> {
        let description = (self.0.describe())();
        Manifest::from_description(&description).map_err(|error| {
            Fault::new(
                "definition_invalid",
                format!("the plugin's definition cannot be used: {}", quote(&error)),
                "correct the definition in the plugin's source, and build and sign it again",
            )
        })
    }

    /// Makes a plugin, given the operator's configuration for it.
    pub(crate) fn create(&self, host: HostObject, config: &str) -> Result<PluginObject, String> {
        match (self.0.create())(host, config.into()) {
            RResult::ROk(plugin) => Ok(plugin),
            RResult::RErr(error) => Err(quote(&error)),
        }
    }
}

/// What abi_stable found, in a line.
fn incompatible(error: &LibraryError) -> Fault {
    let rebuild = "build the plugin with the plugin-api of this server's version, and sign it again";
    let (code, message) = match error {
        LibraryError::InvalidAbiHeader(found) if found.magic_string == AbiHeader::VALUE.magic_string => (
            "abi_mismatch",
            format!(
                "it was built with abi_stable {}.{}, this server with {}.{}",
                found.abi_major,
                found.abi_minor,
                AbiHeader::VALUE.abi_major,
                AbiHeader::VALUE.abi_minor
            ),
        ),
        LibraryError::InvalidAbiHeader(_) => {
            ("no_plugin", "what it exports as its plugin is none".to_owned())
        }
        LibraryError::IncompatibleVersionNumber { expected_version, actual_version, .. } => (
            "abi_mismatch",
            format!("it was built for plugin ABI {actual_version}, this server speaks {expected_version}"),
        ),
        LibraryError::AbiInstability(layout) => {
            let layout = layout.to_string();
            let end = layout.floor_char_boundary(MAX_DEBUG);
            debug!(target: "plugin", "layout of the plugin's interface: {}", layout.get(..end).unwrap_or_default());
            (
                "abi_mismatch",
                format!("its binary interface is laid out differently: {}", first_error(&layout)),
            )
        }
        LibraryError::RootModule { .. } => {
            ("plugin_panicked", "it failed before it could say what it is".to_owned())
        }
        LibraryError::InvalidCAbi { .. } => {
            ("abi_mismatch", "it passes values to functions differently than this server".to_owned())
        }
        other => ("abi_mismatch", quote(&other.to_string())),
    };
    Fault::new(code, message, rebuild)
}

/// The line that says what is wrong, of a text that goes on to describe every type.
fn first_error(layout: &str) -> String {
    let mut lines = layout.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines.find_map(|line| line.strip_prefix("Error:")).map(str::trim);
    let line = match line {
        Some("") => lines.next(),
        line => line,
    };
    quote(line.unwrap_or("no reason is given"))
}

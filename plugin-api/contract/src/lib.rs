//! The JSON that crosses the plugin ABI, shared by the host and the SDK so that
//! it is written down once.
//!
//! - [`manifest`]: what a plugin is and offers, as signed in `plugin.json`.
//! - [`mod@name`]: the names in it, valid by construction.
//! - [`capability`]: what a tool may ask the host to do for it.
//! - [`template`]: which URIs a resource template covers.
//! - [`op`]: the operations of a plugin and of the host, and their payloads.
//!
//! The ABI itself (one method each way, bytes in and out) is frozen; this is
//! where the interface grows, and [`manifest::ApiVersion`] says how far it has.

pub mod capability;
pub mod manifest;
pub mod name;
pub mod op;
pub mod template;

pub use capability::{Capability, UnknownCapability};
pub use manifest::{ApiVersion, Artifact, Manifest, Package};
pub use name::{IconSource, InvalidName, PluginName, PromptName, ResourceUri, ToolName};
pub use template::{InvalidTemplate, UriTemplate};

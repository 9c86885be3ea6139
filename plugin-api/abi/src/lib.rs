//! The frozen binary interface between the server and its plugins.
//!
//! A plugin is a `cdylib` that exports one root module, [`PluginModRef`]. Two
//! objects cross the boundary: the plugin's own ([`PluginObject`]) and the
//! host's services ([`HostObject`]). Both have one method, which takes the name
//! of an operation and bytes, and answers bytes; what those bytes say is the
//! business of the `plugin-contract` crate and grows there.
//!
//! **These types never change.** `abi_stable` compares layouts when it loads a
//! plugin: one more method on either trait would make the server refuse every
//! plugin built before it. Plugin authors use the `plugin-api` crate instead of
//! this one.

#![allow(
    non_local_definitions,
    non_camel_case_types,
    missing_docs,
    clippy::all,
    reason = "expansions of abi_stable's macros"
)]

use abi_stable::{
    StableAbi, declare_root_module_statics,
    library::RootModule,
    package_version_strings,
    sabi_types::VersionStrings,
    std_types::{RArc, RBox, RResult, RSlice, RStr, RString, RVec},
};

pub use abi_stable;

/// What the library exports: its manifest and its constructor.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModRef)))]
#[sabi(missing_field(panic))]
pub struct PluginMod {
    /// The plugin's manifest as JSON. Must not need the host.
    pub describe: extern "C" fn() -> RString,
    /// Makes the plugin, given the host's services and the operator's
    /// configuration as JSON. The error is a sentence for the operator.
    #[sabi(last_prefix_field)]
    pub create: extern "C" fn(HostObject, RStr<'_>) -> RResult<PluginObject, RString>,
}

impl RootModule for PluginModRef {
    declare_root_module_statics! {PluginModRef}
    const BASE_NAME: &'static str = "mcp_universal_server_plugin";
    const NAME: &'static str = "mcp_universal_server_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

/// A loaded plugin. `invoke` is synchronous; `Err` carries an error payload.
#[abi_stable::sabi_trait]
pub trait Plugin: Send + Sync {
    /// Runs the operation `op`. `call` names the call on whose behalf it runs:
    /// a token to hand back to [`Host::invoke`], opaque to the plugin.
    #[sabi(last_prefix_field)]
    fn invoke(
        &self,
        op: RStr<'_>,
        call: RSlice<'_, u8>,
        input: RSlice<'_, u8>,
    ) -> RResult<RVec<u8>, RVec<u8>>;
}

/// The host's services, as a plugin sees them.
#[abi_stable::sabi_trait]
pub trait Host: Send + Sync + Clone {
    /// Asks the host for the service `op`, on behalf of `call`.
    #[sabi(last_prefix_field)]
    fn invoke(
        &self,
        op: RStr<'_>,
        call: RSlice<'_, u8>,
        input: RSlice<'_, u8>,
    ) -> RResult<RVec<u8>, RVec<u8>>;
}

/// An owned plugin object.
pub type PluginObject = Plugin_TO<'static, RBox<()>>;
/// A shared handle on the host's services.
pub type HostObject = Host_TO<'static, RArc<()>>;

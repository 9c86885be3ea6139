//! The plugin's side of the ABI, for `export!` alone.

#![allow(unsafe_code, reason = "the root module is handed to abi_stable through a pointer without a type")]

use std::sync::Arc;

pub use plugin_abi::abi_stable::library::LibHeader;

use plugin_abi::{
    HostObject, PluginMod, PluginModRef, PluginObject,
    abi_stable::{
        library::{__call_root_module_loader, CheckTypeLayout, RootModuleResult},
        prefix_type::PrefixTypeTrait,
        sabi_trait::TD_Opaque,
        std_types::{RErr, ROk, RResult, RSlice, RStr, RString, RVec},
    },
};
use plugin_contract::{
    manifest::DescriptionError,
    op::{ErrorCode, OpError},
};

use crate::{Plugin, call::Services, definition::Definition, guard, instance::Instance};

/// Exports the plugin that a function makes, `fn() -> Plugin`: the one line
/// between a definition and a library that a server can load.
#[macro_export]
macro_rules! export {
    ($plugin:path) => {
        const _: () = {
            struct Exported;

            impl $crate::export::Exported for Exported {
                fn plugin() -> $crate::Plugin {
                    $plugin()
                }
            }

            #[allow(unsafe_code, reason = "the server finds a plugin by the name of this symbol")]
            #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
            static HEADER: $crate::export::LibHeader = $crate::export::header::<Exported>();
        };
    };
}

/// What `export!` makes of the author's function.
pub trait Exported: 'static {
    /// Defines the plugin.
    fn plugin() -> Plugin;
}

/// What the exported symbol holds.
#[must_use]
pub const fn header<E: Exported>() -> LibHeader {
    // SAFETY: `root` answers a `PluginModRef`, the type that is named here.
    unsafe { LibHeader::from_constructor::<PluginModRef>(root::<E>, CheckTypeLayout::Yes) }
}

extern "C" fn root<E: Exported>() -> RootModuleResult {
    __call_root_module_loader::<PluginModRef>(|| {
        PluginMod { describe: describe::<E>, create: create::<E> }.leak_into_prefix()
    })
}

extern "C" fn describe<E: Exported>() -> RString {
    let description = guard::catch(|| {
        let manifest = define::<E>()?.manifest;
        serde_json::to_string(&manifest).map_err(|error| error.to_string())
    });
    match description.unwrap_or_else(Err) {
        Ok(manifest) => manifest.into(),
        Err(error) => serde_json::to_string(&DescriptionError { error }).unwrap_or_default().into(),
    }
}

extern "C" fn create<E: Exported>(host: HostObject, config: RStr<'_>) -> RResult<PluginObject, RString> {
    let created = guard::catch(|| {
        let host = Arc::new(AbiHost(host));
        guard::report_panics_to(host.clone());
        Instance::new(define::<E>()?, host, config.as_str())
    });
    match created.unwrap_or_else(Err) {
        Ok(instance) => ROk(PluginObject::from_value(AbiPlugin(instance), TD_Opaque)),
        Err(error) => RErr(error.into()),
    }
}

/// Runs the author's function, which may panic and may define nonsense.
fn define<E: Exported>() -> Result<Definition, String> {
    let plugin =
        guard::catch(E::plugin).map_err(|message| format!("the plugin's definition panicked: {message}"))?;
    Definition::new(plugin).map_err(|error| error.to_string())
}

struct AbiPlugin(Instance);

impl plugin_abi::Plugin for AbiPlugin {
    fn invoke(
        &self,
        op: RStr<'_>,
        call: RSlice<'_, u8>,
        input: RSlice<'_, u8>,
    ) -> RResult<RVec<u8>, RVec<u8>> {
        // Handlers are guarded one by one; nothing at all may unwind from here.
        let result = guard::catch(|| {
            let answer = self.0.invoke(op.as_str(), call.as_slice(), input.as_slice());
            answer.map(RVec::from).map_err(RVec::from)
        });
        match result {
            Ok(answer) => answer.into(),
            Err(message) => {
                let message = format!("`{op}` panicked: {message}");
                let error = OpError::new(ErrorCode::Panicked, message);
                RErr(serde_json::to_vec(&error).unwrap_or_default().into())
            }
        }
    }
}

struct AbiHost(HostObject);

impl Services for AbiHost {
    fn invoke(&self, op: &str, token: &[u8], input: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
        let answer = self.0.invoke(op.into(), token.into(), input.into());
        let answer: Result<RVec<u8>, RVec<u8>> = answer.into();
        answer.map(RVec::into_vec).map_err(RVec::into_vec)
    }
}

#[cfg(test)]
mod tests {
    use plugin_abi::abi_stable::library::ROOT_MODULE_LOADER_NAME;

    #[test]
    fn the_exported_symbol_is_the_one_that_servers_look_for() {
        let exported = format!("#[unsafe(export_name = \"{ROOT_MODULE_LOADER_NAME}\")]");
        assert!(include_str!("export.rs").contains(&exported), "{exported}");
    }
}

//! Every library that this process ever loaded. None is unloaded, so one that
//! comes back costs nothing, and what no plugin uses any more is counted.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use plugin_contract::PluginName;

use crate::plugin::{
    fault::Fault,
    in_process::{Library, Module, Sealed},
};

/// The SHA-256 of a library.
pub(crate) type Sha = [u8; 32];

/// What stays in memory although nothing runs it any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retired {
    /// Libraries.
    pub libraries: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// The libraries in this process.
#[derive(Default)]
pub(crate) struct Libraries(Mutex<Table>);

#[derive(Default)]
struct Table {
    known: HashMap<Sha, Known>,
    linking: Option<PluginName>,
}

/// A library that was loaded, and its module, if it has one.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) library: Arc<Library>,
    pub(crate) module: Result<Module, Fault>,
}

impl Libraries {
    /// A library that was loaded before.
    pub(crate) fn known(&self, library: &Sha) -> Option<Known> {
        self.table().known.get(library).cloned()
    }

    /// The plugin whose library the dynamic linker has not come back from. It
    /// loads one at a time, so that until then no other can be loaded.
    pub(crate) fn linking(&self) -> Option<PluginName> {
        self.table().linking.clone()
    }

    /// Loads the library of a plugin. Foreign code runs, which may not return.
    pub(crate) fn load(&self, plugin: &PluginName, id: Sha, sealed: Sealed) -> Result<Module, Fault> {
        self.table().linking = Some(plugin.clone());
        let library = Library::load(sealed);
        self.table().linking = None;
        let library = Arc::new(library?);
        // It is in memory from here on, whatever comes of it.
        self.table().known.insert(id, Known { library: library.clone(), module: Err(silent()) });
        let module = Module::of(&library);
        self.table().known.insert(id, Known { library, module: module.clone() });
        module
    }

    /// What is loaded beyond the libraries in `used`.
    pub(crate) fn beyond(&self, used: &HashSet<Sha>) -> Retired {
        let table = self.table();
        let retired = table.known.iter().filter(|(id, _)| !used.contains(*id));
        retired.fold(Retired::default(), |sum, (_, known)| Retired {
            libraries: sum.libraries + 1,
            bytes: sum.bytes + known.library.file().size(),
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn silent() -> Fault {
    Fault::new(
        "start_timed_out",
        "it never came to saying what it is",
        "install another release, and ask the plugin's author",
    )
}

//! Runs the first code of a plugin: its library's constructors, its description
//! of itself, and the function that makes it. That is foreign code, which may
//! never return, so it has a thread of its own and a limited time.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use plugin_contract::{Manifest, PluginName};
use serde_json::{Map, Value};
use server_core::registry::Instance;

use super::{
    fault::Fault,
    image::{LibraryImage, differs},
    in_process::{InProcess, Libraries, Module, Sealed, Sha},
    load::agree,
    services::{HostServices, Withdrawn},
};

/// Starts plugins in this process.
pub(crate) struct Starter {
    services: HostServices,
    patience: Duration,
    libraries: Arc<Libraries>,
    /// What never came back. To try it again would cost another thread.
    hung: Mutex<Vec<Attempt>>,
}

/// What a start depends on.
#[derive(Clone, Debug, PartialEq)]
struct Attempt {
    library: Sha,
    config: Map<String, Value>,
}

/// What is to be started.
pub(crate) struct Start<'p> {
    pub(crate) manifest: &'p Manifest,
    pub(crate) library: Sha,
    /// `None` if the library's file is of no use any more.
    pub(crate) image: Option<&'p LibraryImage>,
    pub(crate) config: &'p Map<String, Value>,
}

enum Code {
    Known(Module),
    New(Sealed),
}

type Started = Result<Arc<dyn Instance>, Fault>;

impl Starter {
    pub(crate) fn new(services: HostServices, patience: Duration) -> Self {
        Self { services, patience, libraries: Arc::default(), hung: Mutex::default() }
    }

    /// The libraries in this process.
    pub(crate) fn libraries(&self) -> &Libraries {
        &self.libraries
    }

    /// Starts a plugin, or gives up waiting for it.
    pub(crate) fn start(&self, start: &Start<'_>) -> Started {
        let plugin = &start.manifest.name;
        let attempt = Attempt { library: start.library, config: start.config.clone() };
        if self.hung().contains(&attempt) {
            return Err(self.busy(plugin));
        }
        self.within_time(plugin, self.prepare(start)?).unwrap_or_else(|| {
            self.hung().push(attempt);
            match self.libraries.linking() {
                Some(linking) => Err(linker_busy(plugin, &linking)),
                None => Err(self.busy(plugin)),
            }
        })
    }

    /// Does work on a thread of its own. `None` if that takes too long: then nobody
    /// waits for what comes of it, and it is dropped there.
    fn within_time(
        &self,
        plugin: &PluginName,
        work: impl FnOnce() -> Started + Send + 'static,
    ) -> Option<Started> {
        let (tell, told) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().name(format!("start {plugin}")).spawn(move || {
            let _ = tell.send(work());
        });
        if let Err(error) = thread {
            return Some(Err(Fault::new(
                "no_thread",
                format!("plugin `{plugin}` does not start: the system gives no thread for it: {error}"),
                "raise the server's limit on threads",
            )));
        }
        match told.recv_timeout(self.patience) {
            Ok(started) => Some(started),
            Err(RecvTimeoutError::Timeout) => None,
            // A plugin's own panics are caught by the SDK: this one is ours.
            Err(RecvTimeoutError::Disconnected) => Some(Err(Fault::new(
                "host_panicked",
                format!("plugin `{plugin}` does not start: starting it made the server panic"),
                "please report this with the plugin that did it",
            ))),
        }
    }

    fn hung(&self) -> MutexGuard<'_, Vec<Attempt>> {
        self.hung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn prepare(&self, start: &Start<'_>) -> Result<impl FnOnce() -> Started + Send + 'static, Fault> {
        let Start { manifest, library, image, config } = *start;
        let code = match (self.libraries.module(&library), image, self.libraries.linking()) {
            (Some(module), ..) => Code::Known(module?),
            (None, None, _) => return Err(differs("it is not there")),
            (None, Some(_), Some(other)) => return Err(linker_busy(&manifest.name, &other)),
            (None, Some(image), None) => Code::New(Sealed::of(image)?),
        };
        let (manifest, config) = (manifest.clone(), Value::Object(config.clone()).to_string());
        let (libraries, services) = (self.libraries.clone(), self.services.clone());
        Ok(move || {
            let module = match code {
                Code::Known(module) => Ok(module),
                Code::New(sealed) => libraries.load(&manifest.name, library, sealed),
            };
            create(&module?, &manifest, &config, &services)
        })
    }

    fn busy(&self, plugin: &PluginName) -> Fault {
        Fault::new(
            "start_timed_out",
            format!("plugin `{plugin}` does not start: still busy after {} s", self.patience.as_secs_f32()),
            format!(
                "see `plugins.entries.{plugin}.config`, or ask the plugin's author; it is tried again when its configuration or its release is another one"
            ),
        )
    }
}

fn create(module: &Module, manifest: &Manifest, config: &str, services: &HostServices) -> Started {
    let plugin = &manifest.name;
    agree(manifest, &module.describe()?)?;
    let withdrawn = Withdrawn::default();
    let host = services.for_plugin(plugin.clone(), withdrawn.clone());
    let object = module.create(host, config).map_err(|error| {
        Fault::new(
            "create_failed",
            format!("plugin `{plugin}` does not start: {error}"),
            format!("see `plugins.entries.{plugin}.config`, or ask the plugin's author"),
        )
    })?;
    Ok(Arc::new(InProcess::new(plugin.clone(), object, services.calls().clone(), withdrawn)))
}

/// A library's constructors run under a lock of the dynamic linker, which every
/// new thread needs too: who never leaves them takes the process along, by and by.
fn linker_busy(plugin: &PluginName, linking: &PluginName) -> Fault {
    Fault::new(
        "linker_busy",
        format!(
            "plugin `{plugin}` does not start: the dynamic linker does not come back from the library of plugin `{linking}`"
        ),
        format!(
            "restart the server, with another release of plugin `{linking}`: until then, it can begin no thread and load nothing more"
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plugin::testing::{instance, services};

    #[test]
    fn work_has_a_limited_time_and_may_panic() {
        let done = |patience, work: fn() -> Started| {
            let starter = Starter::new(services(), patience);
            let done = starter.within_time(&"core".parse().unwrap(), work);
            done.map(|started| started.err().map(|fault| fault.at(Path::new("")).code))
        };
        let long = Duration::from_secs(60);
        assert_eq!(done(long, || Ok(instance(&services(), |_, _, _| Ok(Vec::new())))), Some(None));
        assert_eq!(done(long, || Err(differs("it is not there"))), Some(Some("library_changed")));
        assert_eq!(done(long, || panic!("ours")), Some(Some("host_panicked")));
        let never: fn() -> Started = || {
            loop {
                thread::park();
            }
        };
        assert_eq!(done(Duration::ZERO, never), None);
    }
}
